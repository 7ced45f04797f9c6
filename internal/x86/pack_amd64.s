//go:build !noasm

#include "textflag.h"

// func transpose16AVX512(dst *byte, dstStride int, src *byte, n int)
//
// Transposes 16 rows of dwords, n times 16 columns: with row r at src + 640·r,
// column c of all rows goes to dst + c·dstStride. Reads and writes all of the 16
// columns.
//
//	DI dst   DX dstStride   R8 3·dstStride   SI src   R9-R11 src + 4, 8, 12 rows   CX n
//	Z0-Z15 rows, then column quarters   Z16-Z31 pairs of rows, then columns
//
//	for ; n > 0; n-- { 16x16 by unpack dwords, unpack quads, shuffle lanes twice }
TEXT ·transpose16AVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ dstStride+8(FP), DX
	MOVQ src+16(FP), SI
	MOVQ n+24(FP), CX
	LEAQ (DX)(DX*2), R8

loop:
	VMOVDQU32 (0*640)(SI), Z0
	VMOVDQU32 (1*640)(SI), Z1
	VMOVDQU32 (2*640)(SI), Z2
	VMOVDQU32 (3*640)(SI), Z3
	VMOVDQU32 (4*640)(SI), Z4
	VMOVDQU32 (5*640)(SI), Z5
	VMOVDQU32 (6*640)(SI), Z6
	VMOVDQU32 (7*640)(SI), Z7
	VMOVDQU32 (8*640)(SI), Z8
	VMOVDQU32 (9*640)(SI), Z9
	VMOVDQU32 (10*640)(SI), Z10
	VMOVDQU32 (11*640)(SI), Z11
	VMOVDQU32 (12*640)(SI), Z12
	VMOVDQU32 (13*640)(SI), Z13
	VMOVDQU32 (14*640)(SI), Z14
	VMOVDQU32 (15*640)(SI), Z15

#define PAIR(a, b, lo, hi) \
	VPUNPCKLDQ b, a, lo \
	VPUNPCKHDQ b, a, hi

	PAIR(Z0, Z1, Z16, Z17)
	PAIR(Z2, Z3, Z18, Z19)
	PAIR(Z4, Z5, Z20, Z21)
	PAIR(Z6, Z7, Z22, Z23)
	PAIR(Z8, Z9, Z24, Z25)
	PAIR(Z10, Z11, Z26, Z27)
	PAIR(Z12, Z13, Z28, Z29)
	PAIR(Z14, Z15, Z30, Z31)

	// Z(4i+c): lane L holds column 4L+c of rows 4i to 4i+3
#define QUAD(a, b, lo, hi) \
	VPUNPCKLQDQ b, a, lo \
	VPUNPCKHQDQ b, a, hi

	QUAD(Z16, Z18, Z0, Z1)
	QUAD(Z17, Z19, Z2, Z3)
	QUAD(Z20, Z22, Z4, Z5)
	QUAD(Z21, Z23, Z6, Z7)
	QUAD(Z24, Z26, Z8, Z9)
	QUAD(Z25, Z27, Z10, Z11)
	QUAD(Z28, Z30, Z12, Z13)
	QUAD(Z29, Z31, Z14, Z15)

	// column c, c+4, c+8, c+12 of all rows from u0, u4, u8, u12
#define LANES(u0, u4, u8, u12, store0, store4, store8, store12) \
	VSHUFI32X4 $0x88, u4, u0, Z16  \
	VSHUFI32X4 $0xdd, u4, u0, Z17  \
	VSHUFI32X4 $0x88, u12, u8, Z18 \
	VSHUFI32X4 $0xdd, u12, u8, Z19 \
	VSHUFI32X4 $0x88, Z18, Z16, Z20 \
	VSHUFI32X4 $0x88, Z19, Z17, Z21 \
	VSHUFI32X4 $0xdd, Z18, Z16, Z22 \
	VSHUFI32X4 $0xdd, Z19, Z17, Z23 \
	VMOVDQU32 Z20, store0 \
	VMOVDQU32 Z21, store4 \
	VMOVDQU32 Z22, store8 \
	VMOVDQU32 Z23, store12

	LEAQ (DI)(DX*4), R9
	LEAQ (R9)(DX*4), R10
	LEAQ (R10)(DX*4), R11
	LANES(Z0, Z4, Z8, Z12, (DI), (R9), (R10), (R11))
	LANES(Z1, Z5, Z9, Z13, (DI)(DX*1), (R9)(DX*1), (R10)(DX*1), (R11)(DX*1))
	LANES(Z2, Z6, Z10, Z14, (DI)(DX*2), (R9)(DX*2), (R10)(DX*2), (R11)(DX*2))
	LANES(Z3, Z7, Z11, Z15, (DI)(R8*1), (R9)(R8*1), (R10)(R8*1), (R11)(R8*1))
	ADDQ $64, SI
	LEAQ (R11)(DX*4), DI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func fetch(p uintptr, lines int)
//
// Asks for lines cache lines from p on, for the second level. Addresses that
// cannot be read are harmless.
//
//	SI p   CX lines left
TEXT ·fetch(SB), NOSPLIT, $0-16
	MOVQ p+0(FP), SI
	MOVQ lines+8(FP), CX

line:
	PREFETCHT1 (SI)
	ADDQ       $64, SI
	DECQ       CX
	JNZ        line
	RET

// func transpose8AVX2(dst *byte, src *byte, n int, flip uint32)
//
// Transposes 8 rows of dwords, n times 8 columns: with row r at src + 640·r, column
// c of all rows goes to dst + 128·c, exclusive-or flip. Reads and writes all of the
// 8 columns.
//
//	DI dst   SI src   CX n   Y0-Y15 rows, pairs, quads, columns; Y15 flip at the end
TEXT ·transpose8AVX2(SB), NOSPLIT, $0-28
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVL flip+24(FP), R8

loop:
	VMOVDQU    (0*640)(SI), Y0
	VMOVDQU    (1*640)(SI), Y1
	VMOVDQU    (2*640)(SI), Y2
	VMOVDQU    (3*640)(SI), Y3
	VMOVDQU    (4*640)(SI), Y4
	VMOVDQU    (5*640)(SI), Y5
	VMOVDQU    (6*640)(SI), Y6
	VMOVDQU    (7*640)(SI), Y7
	PAIR(Y0, Y1, Y8, Y9)
	PAIR(Y2, Y3, Y10, Y11)
	PAIR(Y4, Y5, Y12, Y13)
	PAIR(Y6, Y7, Y14, Y15)
	QUAD(Y8, Y10, Y0, Y1)
	QUAD(Y9, Y11, Y2, Y3)
	QUAD(Y12, Y14, Y4, Y5)
	QUAD(Y13, Y15, Y6, Y7)
	VMOVD        R8, X15
	VPBROADCASTD X15, Y15

#define HALVES(a, b, to, to4) \
	VPERM2I128 $0x20, b, a, Y8 \
	VPERM2I128 $0x31, b, a, Y9 \
	VPXOR      Y15, Y8, Y8 \
	VPXOR      Y15, Y9, Y9 \
	VMOVDQU    Y8, (to)(DI) \
	VMOVDQU    Y9, (to4)(DI)

	HALVES(Y0, Y4, 0, 512)
	HALVES(Y1, Y5, 128, 640)
	HALVES(Y2, Y6, 256, 768)
	HALVES(Y3, Y7, 384, 896)
	ADDQ $32, SI
	ADDQ $1024, DI
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET
