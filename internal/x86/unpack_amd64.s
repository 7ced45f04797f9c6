//go:build !noasm

#include "textflag.h"

// Unpackers: rows of blocks to codes, scales and mins as ref.Row has them.
//
//	func unpackT·AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
//
// Row r's blocks begin at w + r·stride; its codes go to q + 640·r bytes, its scales
// and mins (of types that have them) to scale and min + 640·r bytes. blocks and rows are at
// least 1; nothing beyond the blocks is read.
//
//	DI q  R8 scale  R9 min  SI w  DX stride  CX rows left  BX blocks
//	R11 R12 R13 R10 the same in the row   AX blocks left
//
//	for each row { for each block { … } }

DATA nibble<>+0(SB)/4, $0x0f0f0f0f
GLOBL nibble<>(SB), RODATA|NOPTR, $4
DATA sign<>+0(SB)/4, $0x80808080
GLOBL sign<>(SB), RODATA|NOPTR, $4
DATA minus<>+0(SB)/4, $0x80000000
GLOBL minus<>(SB), RODATA|NOPTR, $4
DATA bit4<>+0(SB)/4, $0x10101010
GLOBL bit4<>(SB), RODATA|NOPTR, $4
DATA bits45<>+0(SB)/4, $0x30303030
GLOBL bits45<>(SB), RODATA|NOPTR, $4
DATA bit2<>+0(SB)/4, $0x04040404
GLOBL bit2<>(SB), RODATA|NOPTR, $4
DATA two<>+0(SB)/4, $0x03030303
GLOBL two<>(SB), RODATA|NOPTR, $4
DATA six<>+0(SB)/4, $0x3f3f3f3f
GLOBL six<>(SB), RODATA|NOPTR, $4
DATA thirty2<>+0(SB)/4, $0x20202020
GLOBL thirty2<>(SB), RODATA|NOPTR, $4
DATA each<>+0(SB)/8, $0x8040201008040201 // one bit per byte
GLOBL each<>(SB), RODATA|NOPTR, $8
DATA spread<>+0(SB)/8, $0x0000000000000000 // byte 0 eight times, byte 1, 2, 3
DATA spread<>+8(SB)/8, $0x0101010101010101
DATA spread<>+16(SB)/8, $0x0202020202020202
DATA spread<>+24(SB)/8, $0x0303030303030303
GLOBL spread<>(SB), RODATA|NOPTR, $32
DATA iq4<>+0(SB)/8, $0x766a5d4f3f2d1801 // ref's iq4Values
DATA iq4<>+8(SB)/8, $0xf1d9c5b5a6998d81
GLOBL iq4<>(SB), RODATA|NOPTR, $16
DATA by4<>+0(SB)/8, $0x0000000400000000
DATA by4<>+8(SB)/8, $0x0000000400000000
GLOBL by4<>(SB), RODATA|NOPTR, $16
DATA by2<>+0(SB)/8, $0x0000000200000000
DATA by2<>+8(SB)/8, $0x0000000600000004
GLOBL by2<>(SB), RODATA|NOPTR, $16

#define ARGS \
	MOVQ q+0(FP), DI \
	MOVQ scale+8(FP), R8 \
	MOVQ min+16(FP), R9 \
	MOVQ w+24(FP), SI \
	MOVQ stride+32(FP), DX \
	MOVQ rows+40(FP), CX \
	MOVQ blocks+48(FP), BX

#define ROW \
	MOVQ SI, R10 \
	MOVQ DI, R11 \
	MOVQ R8, R12 \
	MOVQ R9, R13 \
	MOVQ BX, AX

#define NEXT(bytes, codes, scales, block, row) \
	ADDQ $(bytes), R10 \
	ADDQ $(codes), R11 \
	ADDQ $(4*scales), R12 \
	ADDQ $(4*scales), R13 \
	DECQ AX \
	JNZ  block \
	ADDQ DX, SI \
	ADDQ $640, DI \
	ADDQ $640, R8 \
	ADDQ $640, R9 \
	DECQ CX \
	JNZ  row \
	VZEROUPPER \
	RET

	// the half at the block's start is the scale
#define SCALE \
	VPBROADCASTW (R10), X0 \
	VCVTPH2PS    X0, X0 \
	VMOVSS       X0, (R12)

	// two halves: the scale and minus the min
#define SCALEMIN \
	VMOVD     (R10), X0 \
	VCVTPH2PS X0, X0 \
	VMOVSS    X0, (R12) \
	VPXOR     X11, X0, X0 \
	VPEXTRD   $1, X0, (R13)

	// Y1 = 32 codes from the 16 bytes at o
#define NIBBLES(o) \
	VMOVDQU     o(R10), X1 \
	VPSRLW      $4, X1, X2 \
	VINSERTI128 $1, X2, Y1, Y1 \
	VPAND       Y15, Y1, Y1

	// Y1 |= 16 where the bit at o is set
#define FIFTH(o) \
	VPBROADCASTD o(R10), Y3 \
	VPSHUFB      Y12, Y3, Y3 \
	VPAND        Y13, Y3, Y3 \
	VPCMPEQB     Y13, Y3, Y3 \
	VPAND        Y14, Y3, Y3 \
	VPOR         Y3, Y1, Y1

#define FIFTHS \
	VMOVDQU      spread<>(SB), Y12 \
	VPBROADCASTQ each<>(SB), Y13 \
	VPBROADCASTD bit4<>(SB), Y14

// func unpackQ8_0AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ8_0AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD sign<>(SB), Y15

row:
	ROW

block:
	SCALE
	VPXOR   2(R10), Y15, Y1
	VMOVDQU Y1, (R11)
	NEXT(34, 32, 1, block, row)

// func unpackQ4_0AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ4_0AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD nibble<>(SB), Y15

row:
	ROW

block:
	SCALE
	NIBBLES(2)
	VMOVDQU Y1, (R11)
	NEXT(18, 32, 1, block, row)

// func unpackQ4_1AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ4_1AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD nibble<>(SB), Y15
	VPBROADCASTD minus<>(SB), X11

row:
	ROW

block:
	SCALEMIN
	NIBBLES(4)
	VMOVDQU Y1, (R11)
	NEXT(20, 32, 1, block, row)

// func unpackQ5_0AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ5_0AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD nibble<>(SB), Y15
	FIFTHS

row:
	ROW

block:
	SCALE
	NIBBLES(6)
	FIFTH(2)
	VMOVDQU Y1, (R11)
	NEXT(22, 32, 1, block, row)

// func unpackQ5_1AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ5_1AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD nibble<>(SB), Y15
	VPBROADCASTD minus<>(SB), X11
	FIFTHS

row:
	ROW

block:
	SCALEMIN
	NIBBLES(8)
	FIFTH(4)
	VMOVDQU Y1, (R11)
	NEXT(24, 32, 1, block, row)

// func unpackIQ4_NLAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackIQ4_NLAVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD   nibble<>(SB), Y15
	VBROADCASTI128 iq4<>(SB), Y14

row:
	ROW

block:
	SCALE
	NIBBLES(2)
	VPSHUFB Y1, Y14, Y1
	VMOVDQU Y1, (R11)
	NEXT(18, 32, 1, block, row)

	// the eight scales and mins of Q4_K and Q5_K, see ref's scaleMins
#define SCALES6 \
	VMOVQ        4(R10), X0 \
	VPSRLD       $2, X0, X1 \
	VPAND        X10, X0, X0 \
	VPAND        X9, X1, X1 \
	VPBROADCASTD 12(R10), X2 \
	VPSRLVD      X8, X2, X2 \
	VPAND        X15, X2, X2 \
	VPOR         X1, X2, X2 \
	VPUNPCKLDQ   X2, X0, X0 \
	VPMOVZXBD    X0, Y1 \
	VPSRLDQ      $8, X0, X0 \
	VPMOVZXBD    X0, Y2 \
	VCVTDQ2PS    Y1, Y1 \
	VCVTDQ2PS    Y2, Y2 \
	VMOVD        (R10), X3 \
	VCVTPH2PS    X3, X3 \
	VBROADCASTSS X3, Y4 \
	VMOVSHDUP    X3, X3 \
	VBROADCASTSS X3, Y5 \
	VMULPS       Y4, Y1, Y1 \
	VMULPS       Y5, Y2, Y2 \
	VMOVUPS      Y1, (R12) \
	VMOVUPS      Y2, (R13)

#define SIXES \
	VPBROADCASTD nibble<>(SB), Y15 \
	VPBROADCASTD six<>(SB), X10 \
	VPBROADCASTD bits45<>(SB), X9 \
	VMOVDQU      by4<>(SB), X8

	// 64 codes from the 32 bytes at o
#define NIBBLES64(o, q) \
	VMOVDQU o(R10), Y1 \
	VPSRLW  $4, Y1, Y2 \
	VPAND   Y15, Y1, Y1 \
	VPAND   Y15, Y2, Y2 \
	VMOVDQU Y1, (q)(R11) \
	VMOVDQU Y2, (q+32)(R11)

// func unpackQ4_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ4_KAVX2(SB), NOSPLIT, $0-56
	ARGS
	SIXES

row:
	ROW

block:
	SCALES6
	NIBBLES64(16, 0)
	NIBBLES64(48, 64)
	NIBBLES64(80, 128)
	NIBBLES64(112, 192)
	NEXT(144, 256, 8, block, row)

	// the same with the two high bits of Y7, moved to bit 4 by the shifts
#define FIVES64(o, q, shift0, n0, shift1, n1) \
	VMOVDQU o(R10), Y1 \
	VPSRLW  $4, Y1, Y2 \
	VPAND   Y15, Y1, Y1 \
	VPAND   Y15, Y2, Y2 \
	shift0  $n0, Y7, Y3 \
	shift1  $n1, Y7, Y4 \
	VPAND   Y14, Y3, Y3 \
	VPAND   Y14, Y4, Y4 \
	VPOR    Y3, Y1, Y1 \
	VPOR    Y4, Y2, Y2 \
	VMOVDQU Y1, (q)(R11) \
	VMOVDQU Y2, (q+32)(R11)

// func unpackQ5_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ5_KAVX2(SB), NOSPLIT, $0-56
	ARGS
	SIXES
	VPBROADCASTD bit4<>(SB), Y14

row:
	ROW

block:
	SCALES6
	VMOVDQU 16(R10), Y7
	FIVES64(48, 0, VPSLLW, 4, VPSLLW, 3)
	FIVES64(80, 64, VPSLLW, 2, VPSLLW, 1)
	FIVES64(112, 128, VPSLLW, 0, VPSRLW, 1)
	FIVES64(144, 192, VPSRLW, 2, VPSRLW, 3)
	NEXT(176, 256, 8, block, row)

	// 128 codes of 6 bits from 64 bytes at lo and 32 at hi
#define SIXES128(lo, hi, q) \
	VMOVDQU lo(R10), Y1 \
	VMOVDQU (lo+32)(R10), Y2 \
	VMOVDQU hi(R10), Y7 \
	VPSRLW  $4, Y1, Y3 \
	VPSRLW  $4, Y2, Y4 \
	VPAND   Y15, Y1, Y1 \
	VPAND   Y15, Y2, Y2 \
	VPAND   Y15, Y3, Y3 \
	VPAND   Y15, Y4, Y4 \
	VPSLLW  $4, Y7, Y5 \
	VPSLLW  $2, Y7, Y6 \
	VPSRLW  $2, Y7, Y8 \
	VPAND   Y14, Y5, Y5 \
	VPAND   Y14, Y6, Y6 \
	VPAND   Y14, Y7, Y7 \
	VPAND   Y14, Y8, Y8 \
	VPOR    Y5, Y1, Y1 \
	VPOR    Y6, Y2, Y2 \
	VPOR    Y7, Y3, Y3 \
	VPOR    Y8, Y4, Y4 \
	VMOVDQU Y1, (q)(R11) \
	VMOVDQU Y2, (q+32)(R11) \
	VMOVDQU Y3, (q+64)(R11) \
	VMOVDQU Y4, (q+96)(R11)

// func unpackQ6_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ6_KAVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD nibble<>(SB), Y15
	VPBROADCASTD bits45<>(SB), Y14

row:
	ROW

block:
	VPBROADCASTW 208(R10), X0
	VCVTPH2PS    X0, X0
	VBROADCASTSS X0, Y0
	VPMOVSXBD    192(R10), Y1
	VPMOVSXBD    200(R10), Y2
	VCVTDQ2PS    Y1, Y1
	VCVTDQ2PS    Y2, Y2
	VMULPS       Y0, Y1, Y1
	VMULPS       Y0, Y2, Y2
	VMOVUPS      Y1, (R12)
	VMOVUPS      Y2, 32(R12)
	SIXES128(0, 128, 0)
	SIXES128(64, 160, 128)
	NEXT(210, 256, 16, block, row)

	// 128 codes of 2 bits from the 32 bytes at o
#define TWOS128(o, q) \
	VMOVDQU o(R10), Y1 \
	VPSRLW  $2, Y1, Y2 \
	VPSRLW  $4, Y1, Y3 \
	VPSRLW  $6, Y1, Y4 \
	VPAND   Y14, Y1, Y1 \
	VPAND   Y14, Y2, Y2 \
	VPAND   Y14, Y3, Y3 \
	VPAND   Y14, Y4, Y4

#define PUT128(q) \
	VMOVDQU Y1, (q)(R11) \
	VMOVDQU Y2, (q+32)(R11) \
	VMOVDQU Y3, (q+64)(R11) \
	VMOVDQU Y4, (q+96)(R11)

	// 16 bytes in x as floats times f
#define BYTES16(widen, x, f, to) \
	widen     x, Y1 \
	VPSRLDQ   $8, x, x \
	widen     x, Y2 \
	VCVTDQ2PS Y1, Y1 \
	VCVTDQ2PS Y2, Y2 \
	VMULPS    f, Y1, Y1 \
	VMULPS    f, Y2, Y2 \
	VMOVUPS   Y1, (to) \
	VMOVUPS   Y2, 32(to)

// func unpackQ2_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ2_KAVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD nibble<>(SB), Y15
	VPBROADCASTD two<>(SB), Y14

row:
	ROW

block:
	VMOVD        80(R10), X3
	VCVTPH2PS    X3, X3
	VBROADCASTSS X3, Y4
	VMOVSHDUP    X3, X3
	VBROADCASTSS X3, Y5
	VMOVDQU      (R10), X0
	VPSRLW       $4, X0, X6
	VPAND        X15, X0, X0
	VPAND        X15, X6, X6
	BYTES16(VPMOVZXBD, X0, Y4, R12)
	BYTES16(VPMOVZXBD, X6, Y5, R13)
	TWOS128(16, 0)
	PUT128(0)
	TWOS128(48, 128)
	PUT128(128)
	NEXT(84, 256, 16, block, row)

	// Y1-Y4 |= 4 where bits of Y7 are set, moved to bit 2 by the shifts
#define THIRDS(shift0, n0, shift1, n1, shift2, n2, shift3, n3) \
	shift0 $n0, Y7, Y5 \
	VPAND  Y13, Y5, Y5 \
	VPOR   Y5, Y1, Y1 \
	shift1 $n1, Y7, Y5 \
	VPAND  Y13, Y5, Y5 \
	VPOR   Y5, Y2, Y2 \
	shift2 $n2, Y7, Y5 \
	VPAND  Y13, Y5, Y5 \
	VPOR   Y5, Y3, Y3 \
	shift3 $n3, Y7, Y5 \
	VPAND  Y13, Y5, Y5 \
	VPOR   Y5, Y4, Y4

// func unpackQ3_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)
TEXT ·unpackQ3_KAVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD nibble<>(SB), Y15
	VPBROADCASTD two<>(SB), Y14
	VPBROADCASTD bit2<>(SB), Y13
	VPBROADCASTD bits45<>(SB), X12
	VPBROADCASTD thirty2<>(SB), X11
	VMOVDQU      by2<>(SB), X10

row:
	ROW

block:
	VPBROADCASTW 108(R10), X3
	VCVTPH2PS    X3, X3
	VBROADCASTSS X3, Y4
	VMOVQ        96(R10), X0
	VPSRLW       $4, X0, X1
	VPUNPCKLQDQ  X1, X0, X0
	VPAND        X15, X0, X0
	VPBROADCASTD 104(R10), X1
	VPSRLVD      X10, X1, X1
	VPSLLW       $4, X1, X1
	VPAND        X12, X1, X1
	VPOR         X1, X0, X0
	VPSUBB       X11, X0, X0
	BYTES16(VPMOVSXBD, X0, Y4, R12)
	VMOVDQU      (R10), Y7
	TWOS128(32, 0)
	THIRDS(VPSLLW, 2, VPSLLW, 1, VPSLLW, 0, VPSRLW, 1)
	PUT128(0)
	TWOS128(64, 128)
	THIRDS(VPSRLW, 2, VPSRLW, 3, VPSRLW, 4, VPSRLW, 5)
	PUT128(128)
	NEXT(110, 256, 16, block, row)

// func decodeQ8_0AVX2(y *float32, w *byte, blocks int)
//
// y = q·d of whole blocks.
//
//	DI y   SI w   CX blocks left   Y0 d
TEXT ·decodeQ8_0AVX2(SB), NOSPLIT, $0-24
	MOVQ y+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ blocks+16(FP), CX

block:
	VPBROADCASTW (SI), X0
	VCVTPH2PS    X0, Y0
	VPMOVSXBD    2(SI), Y1
	VPMOVSXBD    10(SI), Y2
	VPMOVSXBD    18(SI), Y3
	VPMOVSXBD    26(SI), Y4
	VCVTDQ2PS    Y1, Y1
	VCVTDQ2PS    Y2, Y2
	VCVTDQ2PS    Y3, Y3
	VCVTDQ2PS    Y4, Y4
	VMULPS       Y0, Y1, Y1
	VMULPS       Y0, Y2, Y2
	VMULPS       Y0, Y3, Y3
	VMULPS       Y0, Y4, Y4
	VMOVUPS      Y1, (DI)
	VMOVUPS      Y2, 32(DI)
	VMOVUPS      Y3, 64(DI)
	VMOVUPS      Y4, 96(DI)
	ADDQ         $34, SI
	ADDQ         $128, DI
	DECQ         CX
	JNZ          block
	VZEROUPPER
	RET
