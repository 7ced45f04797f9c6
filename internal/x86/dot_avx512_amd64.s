//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Dot products of float rows in the order of arm/ref: 16 lanes along k, one FMA
// each, a fixed tree. A call makes 16 of them: 16 rows x 1 token or 8 rows x 2.
//
//	func dot16T·AVX512(a *dots), func dot8T·AVX512(a *dots), T = F32, F16, BF16
//
//	SI R8 (R9 R10) rows 0, 4, 8, 12   DX stride, R11 3·stride   BX x, CX x of the second token
//	AX whole steps of 16 left   K1 the lanes of the last step   K2 rows in the output
//	Z0-Z15 sums: result p in Z(4·(p mod 4) + p/4)   Z16-Z19 temporary, x
//
//	for each step { for each (row, token) { lanes = FMA(w, x, lanes) } }
//	lanes l + l+8, + l+4, + l+2, + l+1, of 16 registers at once: 45 instructions
//	y = result·scale

#define ARGS \
	MOVQ  a+0(FP), DI \
	MOVQ  dots_w(DI), SI \
	MOVQ  dots_stride(DI), DX \
	MOVQ  dots_x(DI), BX \
	MOVQ  dots_steps(DI), AX \
	KMOVW dots_tail(DI), K1 \
	KMOVW dots_rows(DI), K2 \
	LEAQ  (DX)(DX*2), R11 \
	LEAQ  (SI)(DX*4), R8 \
	LEAQ  (R8)(DX*4), R9 \
	LEAQ  (R9)(DX*4), R10 \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
	VPXORD Z4, Z4, Z4 \
	VPXORD Z5, Z5, Z5 \
	VPXORD Z6, Z6, Z6 \
	VPXORD Z7, Z7, Z7 \
	VPXORD Z8, Z8, Z8 \
	VPXORD Z9, Z9, Z9 \
	VPXORD Z10, Z10, Z10 \
	VPXORD Z11, Z11, Z11 \
	VPXORD Z12, Z12, Z12 \
	VPXORD Z13, Z13, Z13 \
	VPXORD Z14, Z14, Z14 \
	VPXORD Z15, Z15, Z15

	// row times the token in Z16 (and the second in Z17)
#define F32ONE(m, z) \
	VFMADD231PS m, Z16, z
#define F32LAST(m, z) \
	VMOVUPS.Z   m, K1, Z18 \
	VFMADD231PS Z18, Z16, z
#define F16ONE(m, z) \
	VCVTPH2PS   m, Z18 \
	VFMADD231PS Z18, Z16, z
#define F16LAST(m, z) \
	VMOVDQU16.Z m, K1, Y18 \
	VCVTPH2PS   Y18, Z18 \
	VFMADD231PS Z18, Z16, z
#define BF16ONE(m, z) \
	VPMOVZXWD   m, Z18 \
	VPSLLD      $16, Z18, Z18 \
	VFMADD231PS Z18, Z16, z
#define BF16LAST(m, z) \
	VPMOVZXWD.Z m, K1, Z18 \
	VPSLLD      $16, Z18, Z18 \
	VFMADD231PS Z18, Z16, z

#define F32TWO(m, z, y) \
	VMOVUPS     m, Z18 \
	VFMADD231PS Z18, Z16, z \
	VFMADD231PS Z18, Z17, y
#define F32TWOLAST(m, z, y) \
	VMOVUPS.Z   m, K1, Z18 \
	VFMADD231PS Z18, Z16, z \
	VFMADD231PS Z18, Z17, y
#define F16TWO(m, z, y) \
	VCVTPH2PS   m, Z18 \
	VFMADD231PS Z18, Z16, z \
	VFMADD231PS Z18, Z17, y
#define F16TWOLAST(m, z, y) \
	VMOVDQU16.Z m, K1, Y18 \
	VCVTPH2PS   Y18, Z18 \
	VFMADD231PS Z18, Z16, z \
	VFMADD231PS Z18, Z17, y
#define BF16TWO(m, z, y) \
	VPMOVZXWD   m, Z18 \
	VPSLLD      $16, Z18, Z18 \
	VFMADD231PS Z18, Z16, z \
	VFMADD231PS Z18, Z17, y
#define BF16TWOLAST(m, z, y) \
	VPMOVZXWD.Z m, K1, Z18 \
	VPSLLD      $16, Z18, Z18 \
	VFMADD231PS Z18, Z16, z \
	VFMADD231PS Z18, Z17, y

#define ROWS16(ONE) \
	ONE((SI), Z0) \
	ONE((SI)(DX*1), Z4) \
	ONE((SI)(DX*2), Z8) \
	ONE((SI)(R11*1), Z12) \
	ONE((R8), Z1) \
	ONE((R8)(DX*1), Z5) \
	ONE((R8)(DX*2), Z9) \
	ONE((R8)(R11*1), Z13) \
	ONE((R9), Z2) \
	ONE((R9)(DX*1), Z6) \
	ONE((R9)(DX*2), Z10) \
	ONE((R9)(R11*1), Z14) \
	ONE((R10), Z3) \
	ONE((R10)(DX*1), Z7) \
	ONE((R10)(DX*2), Z11) \
	ONE((R10)(R11*1), Z15)

#define ROWS8(TWO) \
	TWO((SI), Z0, Z2) \
	TWO((SI)(DX*1), Z4, Z6) \
	TWO((SI)(DX*2), Z8, Z10) \
	TWO((SI)(R11*1), Z12, Z14) \
	TWO((R8), Z1, Z3) \
	TWO((R8)(DX*1), Z5, Z7) \
	TWO((R8)(DX*2), Z9, Z11) \
	TWO((R8)(R11*1), Z13, Z15)

#define FOLD(op, lo, hi, a, b, to) \
	op     $lo, b, a, Z16 \
	op     $hi, b, a, Z17 \
	VADDPS Z17, Z16, to

	// Z0 = the 16 results
#define TREE \
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
	FOLD(VSHUFPS, 0x88, 0xdd, Z0, Z8, Z0) \
	VMULPS.BCST dots_scale(DI), Z0, Z0

#define NEXT16(bytes) \
	ADDQ $(bytes), SI \
	ADDQ $(bytes), R8 \
	ADDQ $(bytes), R9 \
	ADDQ $(bytes), R10 \
	ADDQ $64, BX \
	DECQ AX

#define DOT16(ONE, LAST, bytes) \
	ARGS \
	TESTQ AX, AX \
	JZ    tail \
step: \
	VMOVUPS (BX), Z16 \
	ROWS16(ONE) \
	NEXT16(bytes) \
	JNZ  step \
tail: \
	KORTESTW K1, K1 \
	JZ   done \
	VMOVUPS.Z (BX), K1, Z16 \
	ROWS16(LAST) \
done: \
	TREE \
	MOVQ    dots_y(DI), AX \
	VMOVUPS Z0, K2, (AX) \
	VZEROUPPER \
	RET

#define DOT8(TWO, LAST, bytes) \
	ARGS \
	MOVQ  dots_xStride(DI), CX \
	ADDQ  BX, CX \
	TESTQ AX, AX \
	JZ    tail \
step: \
	VMOVUPS (BX), Z16 \
	VMOVUPS (CX), Z17 \
	ROWS8(TWO) \
	ADDQ $(bytes), SI \
	ADDQ $(bytes), R8 \
	ADDQ $64, BX \
	ADDQ $64, CX \
	DECQ AX \
	JNZ  step \
tail: \
	KORTESTW K1, K1 \
	JZ   done \
	VMOVUPS.Z (BX), K1, Z16 \
	VMOVUPS.Z (CX), K1, Z17 \
	ROWS8(LAST) \
done: \
	TREE \
	MOVQ    dots_y(DI), AX \
	VMOVUPS Y0, K2, (AX) \
	ADDQ    dots_yStride(DI), AX \
	VEXTRACTF64X4 $1, Z0, Y0 \
	VMOVUPS Y0, K2, (AX) \
	VZEROUPPER \
	RET

// func dot16F32AVX512(a *dots)
TEXT ·dot16F32AVX512(SB), NOSPLIT, $0-8
	DOT16(F32ONE, F32LAST, 64)

// func dot16F16AVX512(a *dots)
TEXT ·dot16F16AVX512(SB), NOSPLIT, $0-8
	DOT16(F16ONE, F16LAST, 32)

// func dot16BF16AVX512(a *dots)
TEXT ·dot16BF16AVX512(SB), NOSPLIT, $0-8
	DOT16(BF16ONE, BF16LAST, 32)

// func dot8F32AVX512(a *dots)
TEXT ·dot8F32AVX512(SB), NOSPLIT, $0-8
	DOT8(F32TWO, F32TWOLAST, 64)

// func dot8F16AVX512(a *dots)
TEXT ·dot8F16AVX512(SB), NOSPLIT, $0-8
	DOT8(F16TWO, F16TWOLAST, 32)

// func dot8BF16AVX512(a *dots)
TEXT ·dot8BF16AVX512(SB), NOSPLIT, $0-8
	DOT8(BF16TWO, BF16TWOLAST, 32)

// 4 rows x 6 tokens, for many tokens.
//
//	func dot24T·AVX512(a *dots), T = F32, F16, BF16
//
//	SI row 0, DX stride, R11 3·stride   BX token 0, R9 token 3, CX stride
//	Z0-Z15 sums: token i, row j in Z(4j+i)   Z16-Z23 tokens 4, 5 in Z(16+2j+i-4)
//	Z24-Z27 rows   Z28 x

#define WF32(m, z, y) VMOVUPS m, z
#define WF16(m, z, y) VCVTPH2PS m, z
#define WBF16(m, z, y) \
	VPMOVZXWD m, z \
	VPSLLD    $16, z, z
#define LF32(m, z, y) VMOVUPS.Z m, K1, z
#define LF16(m, z, y) \
	VMOVDQU16.Z m, K1, y \
	VCVTPH2PS   y, z
#define LBF16(m, z, y) \
	VPMOVZXWD.Z m, K1, z \
	VPSLLD      $16, z, z

#define WEIGHTS4(W) \
	W((SI), Z24, Y24) \
	W((SI)(DX*1), Z25, Y25) \
	W((SI)(DX*2), Z26, Y26) \
	W((SI)(R11*1), Z27, Y27)

#define FMA4(a, b, c, d) \
	VFMADD231PS Z28, Z24, a \
	VFMADD231PS Z28, Z25, b \
	VFMADD231PS Z28, Z26, c \
	VFMADD231PS Z28, Z27, d

#define TOKENS6(X) \
	X((BX)) \
	FMA4(Z0, Z4, Z8, Z12) \
	X((BX)(CX*1)) \
	FMA4(Z1, Z5, Z9, Z13) \
	X((BX)(CX*2)) \
	FMA4(Z2, Z6, Z10, Z14) \
	X((R9)) \
	FMA4(Z3, Z7, Z11, Z15) \
	X((R9)(CX*1)) \
	FMA4(Z16, Z18, Z20, Z22) \
	X((R9)(CX*2)) \
	FMA4(Z17, Z19, Z21, Z23)

#define XALL(m) VMOVUPS m, Z28
#define XLAST(m) VMOVUPS.Z m, K1, Z28

#define DOT24(W, L, bytes) \
	ARGS \
	VPXORD Z16, Z16, Z16 \
	VPXORD Z17, Z17, Z17 \
	VPXORD Z18, Z18, Z18 \
	VPXORD Z19, Z19, Z19 \
	VPXORD Z20, Z20, Z20 \
	VPXORD Z21, Z21, Z21 \
	VPXORD Z22, Z22, Z22 \
	VPXORD Z23, Z23, Z23 \
	MOVQ  dots_xStride(DI), CX \
	LEAQ  (BX)(CX*2), R9 \
	ADDQ  CX, R9 \
	TESTQ AX, AX \
	JZ    tail \
step: \
	WEIGHTS4(W) \
	TOKENS6(XALL) \
	ADDQ $(bytes), SI \
	ADDQ $64, BX \
	ADDQ $64, R9 \
	DECQ AX \
	JNZ  step \
tail: \
	KORTESTW K1, K1 \
	JZ   done \
	WEIGHTS4(L) \
	TOKENS6(XLAST) \
done: \
	VMOVAPS Z16, Z24 \
	VMOVAPS Z17, Z25 \
	TREE \
	MOVQ dots_y(DI), AX \
	MOVQ dots_yStride(DI), CX \
	VMOVUPS       X0, (AX) \
	VEXTRACTF32X4 $1, Z0, (AX)(CX*1) \
	VEXTRACTF32X4 $2, Z0, (AX)(CX*2) \
	LEAQ          (AX)(CX*2), AX \
	VEXTRACTF32X4 $3, Z0, (AX)(CX*1) \
	VMOVAPS Z24, Z0 \
	VMOVAPS Z25, Z1 \
	VMOVAPS Z18, Z4 \
	VMOVAPS Z19, Z5 \
	VMOVAPS Z20, Z8 \
	VMOVAPS Z21, Z9 \
	VMOVAPS Z22, Z12 \
	VMOVAPS Z23, Z13 \
	TREE \
	LEAQ          (AX)(CX*2), AX \
	VMOVUPS       X0, (AX) \
	VEXTRACTF32X4 $1, Z0, (AX)(CX*1) \
	VZEROUPPER \
	RET

// func dot24F32AVX512(a *dots)
TEXT ·dot24F32AVX512(SB), NOSPLIT, $0-8
	DOT24(WF32, LF32, 64)

// func dot24F16AVX512(a *dots)
TEXT ·dot24F16AVX512(SB), NOSPLIT, $0-8
	DOT24(WF16, LF16, 32)

// func dot24BF16AVX512(a *dots)
TEXT ·dot24BF16AVX512(SB), NOSPLIT, $0-8
	DOT24(WBF16, LBF16, 32)
