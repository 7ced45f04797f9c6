//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// 16 float rows times one token in the order of arm/ref, see dot_avx512_amd64.s,
// but the rows one after the other, or two by two: the memory's prefetcher follows
// one or two streams of small pages at full speed, 16 at two thirds of it.
//
//	func streamN·T·AVX512(a *floatStream), N = 1, 2, T = F32, F16, BF16
//
//	R8 row, SI in it   DX stride   BX x   R12 what is fetched, R9 bytes ahead of the row
//	AX pairs of steps of 16 left   R10 groups of rows left   R11 lanes   K1 the lanes of the last step
//	Z0-Z15 sums   Z16-Z18 x, temporary
//
//	for each N rows {
//		for each step { lanes[row] = FMA(w, x, lanes[row]) }
//	}
//	lanes l + l+8, + l+4, + l+2, + l+1, of 16 rows at once

#define MF32(m, x, z) \
	VFMADD231PS m, x, z
#define MF16(m, x, z) \
	VCVTPH2PS   m, Z18 \
	VFMADD231PS Z18, x, z
#define MBF16(m, x, z) \
	VPMOVZXWD   m, Z18 \
	VPSLLD      $16, Z18, Z18 \
	VFMADD231PS Z18, x, z

#define LF32(m, x, z) \
	VMOVUPS.Z   m, K1, Z18 \
	VFMADD231PS Z18, x, z
#define LF16(m, x, z) \
	VMOVDQU16.Z m, K1, Y18 \
	VCVTPH2PS   Y18, Z18 \
	VFMADD231PS Z18, x, z
#define LBF16(m, x, z) \
	VPMOVZXWD.Z m, K1, Z18 \
	VPSLLD      $16, Z18, Z18 \
	VFMADD231PS Z18, x, z

#define ONE(M, o, x) \
	M(o(SI), x, Z0)
#define TWO(M, o, x) \
	M(o(SI), x, Z0) \
	M(o(SI)(DX*1), x, Z1)

#define STORE1 \
	VMOVUPS Z0, (R11)
#define STORE2 \
	VMOVUPS Z0, (R11) \
	VMOVUPS Z1, 64(R11)

	// what two steps of a row read
#define FETCH64 \
	PREFETCHT0 (R12)
#define FETCH128 \
	PREFETCHT0 (R12) \
	PREFETCHT0 64(R12)
#define FOLD(op, lo, hi, a, b, to) \
	op     $lo, b, a, Z16 \
	op     $hi, b, a, Z17 \
	VADDPS Z17, Z16, to

	// row p, in Z(4·(p mod 4) + p/4)
#define LOAD4(o, a, b, c, d) \
	VMOVUPS (o)(R11), a \
	VMOVUPS (o+64)(R11), b \
	VMOVUPS (o+128)(R11), c \
	VMOVUPS (o+192)(R11), d

#define TREE \
	MOVQ floatStream_lanes(DI), R11 \
	LOAD4(0, Z0, Z4, Z8, Z12) \
	LOAD4(256, Z1, Z5, Z9, Z13) \
	LOAD4(512, Z2, Z6, Z10, Z14) \
	LOAD4(768, Z3, Z7, Z11, Z15) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z0, Z1, Z0) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z2, Z3, Z2) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z4, Z5, Z4) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z6, Z7, Z6) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z8, Z9, Z8) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z10, Z11, Z10) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z12, Z13, Z12) \
	FOLD(VSHUFF64X2, 0x44, 0xee, Z14, Z15, Z14) \
	FOLD(VSHUFF64X2, 0x88, 0xdd, Z0, Z2, Z0) \
	FOLD(VSHUFF64X2, 0x88, 0xdd, Z4, Z6, Z4) \
	FOLD(VSHUFF64X2, 0x88, 0xdd, Z8, Z10, Z8) \
	FOLD(VSHUFF64X2, 0x88, 0xdd, Z12, Z14, Z12) \
	FOLD(VSHUFPS, 0x44, 0xee, Z0, Z4, Z0) \
	FOLD(VSHUFPS, 0x44, 0xee, Z8, Z12, Z8) \
	FOLD(VSHUFPS, 0x88, 0xdd, Z0, Z8, Z0)

#define STREAM(N, ROWS, M, LAST, bytes, FETCH, STORE) \
	MOVQ  a+0(FP), DI \
	MOVQ  floatStream_w(DI), R8 \
	MOVQ  floatStream_stride(DI), DX \
	MOVQ  floatStream_ahead(DI), R9 \
	KMOVW floatStream_tail(DI), K1 \
	MOVQ floatStream_lanes(DI), R11 \
	MOVL  $(16/N), R10 \
row: \
	MOVQ   floatStream_x(DI), BX \
	MOVQ   floatStream_pairs(DI), AX \
	MOVQ   R8, SI \
	LEAQ   (R8)(R9*1), R12 \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	TESTQ  AX, AX \
	JZ     odd \
step: \
	VMOVUPS (BX), Z16 \
	VMOVUPS 64(BX), Z17 \
	FETCH \
	ROWS(M, 0, Z16) \
	ROWS(M, bytes, Z17) \
	ADDQ $(2*bytes), SI \
	ADDQ $128, BX \
	ADDQ $(2*N*bytes), R12 \
	DECQ AX \
	JNZ  step \
odd: \
	CMPQ    floatStream_odd(DI), $0 \
	JEQ     last \
	VMOVUPS (BX), Z16 \
	FETCH \
	ROWS(M, 0, Z16) \
	ADDQ    $(bytes), SI \
	ADDQ    $64, BX \
last: \
	KORTESTW  K1, K1 \
	JZ        done \
	VMOVUPS.Z (BX), K1, Z16 \
	ROWS(LAST, 0, Z16) \
done: \
	STORE \
	ADDQ $(64*N), R11 \
	LEAQ (R8)(DX*N), R8 \
	DECL R10 \
	JNZ  row \
	TREE \
	MOVQ    floatStream_y(DI), AX \
	VMOVUPS Z0, (AX) \
	VZEROUPPER \
	RET

// func stream1F32AVX512(a *floatStream)
TEXT ·stream1F32AVX512(SB), NOSPLIT, $0-8
	STREAM(1, ONE, MF32, LF32, 64, FETCH128, STORE1)

// func stream1F16AVX512(a *floatStream)
TEXT ·stream1F16AVX512(SB), NOSPLIT, $0-8
	STREAM(1, ONE, MF16, LF16, 32, FETCH64, STORE1)

// func stream1BF16AVX512(a *floatStream)
TEXT ·stream1BF16AVX512(SB), NOSPLIT, $0-8
	STREAM(1, ONE, MBF16, LBF16, 32, FETCH64, STORE1)

// func stream2F16AVX512(a *floatStream)
TEXT ·stream2F16AVX512(SB), NOSPLIT, $0-8
	STREAM(2, TWO, MF16, LF16, 32, FETCH128, STORE2)

// func stream2BF16AVX512(a *floatStream)
TEXT ·stream2BF16AVX512(SB), NOSPLIT, $0-8
	STREAM(2, TWO, MBF16, LBF16, 32, FETCH128, STORE2)
