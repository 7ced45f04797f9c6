//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// One page of P·V: 64 values of 4 queries or 1, positions ascending, an FMA each.
//
//	SI o, R8 stride   BX p, R9 stride, R10 3·stride   DX v, R11 stride   CX positions left
//	K1-K4 the values   Z0-Z15 outputs, 4 of each query   Z16-Z19 v   Z20-Z23 p
//
//	for each position { for each query { o = FMA(p, v, o) } }

#define ARGS \
	MOVQ  a+0(FP), AX \
	MOVQ  weights_o(AX), SI \
	MOVQ  weights_oStride(AX), R8 \
	MOVQ  weights_p(AX), BX \
	MOVQ  weights_pStride(AX), R9 \
	LEAQ  (R9)(R9*2), R10 \
	MOVQ  weights_v(AX), DX \
	MOVQ  weights_vStride(AX), R11 \
	MOVQ  weights_n(AX), CX \
	KMOVW weights_dims(AX), K1 \
	KMOVW (weights_dims+2)(AX), K2 \
	KMOVW (weights_dims+4)(AX), K3 \
	KMOVW (weights_dims+6)(AX), K4

#define LOAD(at, a, b, c, d) \
	VMOVUPS.Z (at), K1, a \
	VMOVUPS.Z 64(at), K2, b \
	VMOVUPS.Z 128(at), K3, c \
	VMOVUPS.Z 192(at), K4, d

#define STORE(at, a, b, c, d) \
	VMOVUPS a, K1, (at) \
	VMOVUPS b, K2, 64(at) \
	VMOVUPS c, K3, 128(at) \
	VMOVUPS d, K4, 192(at)

#define ADD(p, a, b, c, d) \
	VFMADD231PS Z16, p, a \
	VFMADD231PS Z17, p, b \
	VFMADD231PS Z18, p, c \
	VFMADD231PS Z19, p, d

// func weigh4AVX512(a *weights)
TEXT ·weigh4AVX512(SB), NOSPLIT, $0-8
	ARGS
	LEAQ (SI)(R8*1), R12
	LEAQ (SI)(R8*2), R13
	LEAQ (R12)(R8*2), DI
	LOAD(SI, Z0, Z1, Z2, Z3)
	LOAD(R12, Z4, Z5, Z6, Z7)
	LOAD(R13, Z8, Z9, Z10, Z11)
	LOAD(DI, Z12, Z13, Z14, Z15)

position:
	LOAD(DX, Z16, Z17, Z18, Z19)
	VBROADCASTSS (BX), Z20
	VBROADCASTSS (BX)(R9*1), Z21
	VBROADCASTSS (BX)(R9*2), Z22
	VBROADCASTSS (BX)(R10*1), Z23
	ADD(Z20, Z0, Z1, Z2, Z3)
	ADD(Z21, Z4, Z5, Z6, Z7)
	ADD(Z22, Z8, Z9, Z10, Z11)
	ADD(Z23, Z12, Z13, Z14, Z15)
	ADDQ R11, DX
	ADDQ $4, BX
	DECQ CX
	JNZ  position
	STORE(SI, Z0, Z1, Z2, Z3)
	STORE(R12, Z4, Z5, Z6, Z7)
	STORE(R13, Z8, Z9, Z10, Z11)
	STORE(DI, Z12, Z13, Z14, Z15)
	VZEROUPPER
	RET

// func weigh1AVX512(a *weights)
TEXT ·weigh1AVX512(SB), NOSPLIT, $0-8
	ARGS
	LOAD(SI, Z0, Z1, Z2, Z3)

position:
	LOAD(DX, Z16, Z17, Z18, Z19)
	VBROADCASTSS (BX), Z20
	ADD(Z20, Z0, Z1, Z2, Z3)
	ADDQ R11, DX
	ADDQ $4, BX
	DECQ CX
	JNZ  position
	STORE(SI, Z0, Z1, Z2, Z3)
	VZEROUPPER
	RET
