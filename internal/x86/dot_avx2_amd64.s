//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Dot products of 4 float rows with one token in the order of arm/ref: 16 lanes
// along k in two registers, one FMA each, a fixed tree. See dot_avx512_amd64.s.
//
//	func dot4T·AVX2(a *dots), T = F32, F16, BF16
//	func stream4T·AVX2(a *dots): rows that are not in a cache, fetched ahead in the order of memory
//
//	SI row 0   DX stride, R11 3·stride   BX x   AX steps of 16 left   DI a
//	R12 what is fetched: ahead bytes from row 0, then 4 rows' bytes a step
//	Y0-Y7 lanes 0-7 and 8-15 of rows 0 to 3   Y8-Y11 temporary, x

#define ARGS \
	MOVQ   a+0(FP), DI \
	MOVQ   dots_w(DI), SI \
	MOVQ   dots_stride(DI), DX \
	MOVQ   dots_x(DI), BX \
	MOVQ   dots_steps(DI), AX \
	LEAQ   (DX)(DX*2), R11 \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	VXORPS Y4, Y4, Y4 \
	VXORPS Y5, Y5, Y5 \
	VXORPS Y6, Y6, Y6 \
	VXORPS Y7, Y7, Y7

#define F32ONE(m, m8, a, b) \
	VFMADD231PS m, Y8, a \
	VFMADD231PS m8, Y9, b
#define F16ONE(m, m8, a, b) \
	VCVTPH2PS   m, Y10 \
	VCVTPH2PS   m8, Y11 \
	VFMADD231PS Y10, Y8, a \
	VFMADD231PS Y11, Y9, b
#define BF16ONE(m, m8, a, b) \
	VPMOVZXWD   m, Y10 \
	VPMOVZXWD   m8, Y11 \
	VPSLLD      $16, Y10, Y10 \
	VPSLLD      $16, Y11, Y11 \
	VFMADD231PS Y10, Y8, a \
	VFMADD231PS Y11, Y9, b

#define FOLD(op, lo, hi, a, b, to) \
	op     $lo, b, a, Y8 \
	op     $hi, b, a, Y9 \
	VADDPS Y9, Y8, to

#define NOFETCH(half)
#define FETCH(half) \
	PREFETCHT0 (R12) \
	PREFETCHT0 64(R12) \
	ADDQ $(8*half), R12
#define FETCHF32(half) \
	PREFETCHT0 128(R12) \
	PREFETCHT0 192(R12) \
	FETCH(half)

#define DOT4(ONE, half, FETCH) \
	ARGS \
	MOVQ dots_ahead(DI), R12 \
	ADDQ SI, R12 \
step: \
	FETCH(half) \
	VMOVUPS (BX), Y8 \
	VMOVUPS 32(BX), Y9 \
	ONE((SI), half(SI), Y0, Y1) \
	ONE((SI)(DX*1), half(SI)(DX*1), Y2, Y3) \
	ONE((SI)(DX*2), half(SI)(DX*2), Y4, Y5) \
	ONE((SI)(R11*1), half(SI)(R11*1), Y6, Y7) \
	ADDQ $(2*half), SI \
	ADDQ $64, BX \
	DECQ AX \
	JNZ  step \
	VADDPS Y1, Y0, Y0 \
	VADDPS Y3, Y2, Y2 \
	VADDPS Y5, Y4, Y4 \
	VADDPS Y7, Y6, Y6 \
	FOLD(VPERM2F128, 0x20, 0x31, Y0, Y2, Y0) \
	FOLD(VPERM2F128, 0x20, 0x31, Y4, Y6, Y4) \
	FOLD(VSHUFPS, 0x44, 0xee, Y0, Y4, Y0) \
	FOLD(VSHUFPS, 0x88, 0xdd, Y0, Y0, Y0) \
	VEXTRACTF128 $1, Y0, X1 \
	VUNPCKLPS    X1, X0, X0 \
	VBROADCASTSS dots_scale(DI), X1 \
	VMULPS       X1, X0, X0 \
	MOVQ         dots_y(DI), SI \
	CMPW         dots_rows(DI), $1 \
	JEQ          one \
	VMOVUPS      X0, (SI) \
	VZEROUPPER \
	RET \
one: \
	VMOVSS X0, (SI) \
	VZEROUPPER \
	RET

// func dot4F32AVX2(a *dots)
TEXT ·dot4F32AVX2(SB), NOSPLIT, $0-8
	DOT4(F32ONE, 32, NOFETCH)

// func stream4F32AVX2(a *dots)
TEXT ·stream4F32AVX2(SB), NOSPLIT, $0-8
	DOT4(F32ONE, 32, FETCHF32)

// func dot4F16AVX2(a *dots)
TEXT ·dot4F16AVX2(SB), NOSPLIT, $0-8
	DOT4(F16ONE, 16, NOFETCH)

// func stream4F16AVX2(a *dots)
TEXT ·stream4F16AVX2(SB), NOSPLIT, $0-8
	DOT4(F16ONE, 16, FETCH)

// func dot4BF16AVX2(a *dots)
TEXT ·dot4BF16AVX2(SB), NOSPLIT, $0-8
	DOT4(BF16ONE, 16, NOFETCH)

// func stream4BF16AVX2(a *dots)
TEXT ·stream4BF16AVX2(SB), NOSPLIT, $0-8
	DOT4(BF16ONE, 16, FETCH)

// One page of P·V: 64 or 16 values of a query, positions ascending, an FMA each.
//
//	SI o   BX p   DX v, R11 stride   CX positions left   Y0-Y7 outputs   Y8 p

#define WEIGHTS \
	MOVQ a+0(FP), AX \
	MOVQ weights_o(AX), SI \
	MOVQ weights_p(AX), BX \
	MOVQ weights_v(AX), DX \
	MOVQ weights_vStride(AX), R11 \
	MOVQ weights_n(AX), CX

// func weigh64AVX2(a *weights)
TEXT ·weigh64AVX2(SB), NOSPLIT, $0-8
	WEIGHTS
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS 64(SI), Y2
	VMOVUPS 96(SI), Y3
	VMOVUPS 128(SI), Y4
	VMOVUPS 160(SI), Y5
	VMOVUPS 192(SI), Y6
	VMOVUPS 224(SI), Y7

position:
	VBROADCASTSS (BX), Y8
	VFMADD231PS  (DX), Y8, Y0
	VFMADD231PS  32(DX), Y8, Y1
	VFMADD231PS  64(DX), Y8, Y2
	VFMADD231PS  96(DX), Y8, Y3
	VFMADD231PS  128(DX), Y8, Y4
	VFMADD231PS  160(DX), Y8, Y5
	VFMADD231PS  192(DX), Y8, Y6
	VFMADD231PS  224(DX), Y8, Y7
	ADDQ         R11, DX
	ADDQ         $4, BX
	DECQ         CX
	JNZ          position
	VMOVUPS      Y0, (SI)
	VMOVUPS      Y1, 32(SI)
	VMOVUPS      Y2, 64(SI)
	VMOVUPS      Y3, 96(SI)
	VMOVUPS      Y4, 128(SI)
	VMOVUPS      Y5, 160(SI)
	VMOVUPS      Y6, 192(SI)
	VMOVUPS      Y7, 224(SI)
	VZEROUPPER
	RET

// func weigh16AVX2(a *weights)
TEXT ·weigh16AVX2(SB), NOSPLIT, $0-8
	WEIGHTS
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1

position:
	VBROADCASTSS (BX), Y8
	VFMADD231PS  (DX), Y8, Y0
	VFMADD231PS  32(DX), Y8, Y1
	ADDQ         R11, DX
	ADDQ         $4, BX
	DECQ         CX
	JNZ          position
	VMOVUPS      Y0, (SI)
	VMOVUPS      Y1, 32(SI)
	VZEROUPPER
	RET
