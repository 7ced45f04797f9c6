//go:build !noasm

#include "textflag.h"

// One token times 8 adjacent rows, straight from the mapping.
//
//	func gemvT·AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
//
//	SI R8 rows 0, 4   DX stride, R11 3·stride   BX q   CX d   DI sums   AX blocks left
//	R12 what is fetched, in the order of memory: 6 KB beyond row 7, then 8 rows' bytes a block
//	Y0-Y7 sums of the rows   Y8-Y9 temporary   Y10 x   Y11 words of 1   Y12-Y14 constants   Y15 float sums
//
//	for each block {
//		i[row] = Σ code·x (of 8 bits: |code|·(x with its sign)), - bias·Σx
//		acc += float32(i)·scale·dx           // lane = row, each rounded
//	}
//
// Codes of 4 and 5 bits are taken from rows r and r+4 at once, one in each half of a
// register: Y0-Y3 sums of rows 0|4 to 3|7, Y10 and Y7 the halves of x in both, Y4-Y5 temporary.

DATA g2words<>+0(SB)/4, $0x00010001
GLOBL g2words<>(SB), RODATA|NOPTR, $4
DATA g2nibble<>+0(SB)/4, $0x0f0f0f0f
GLOBL g2nibble<>(SB), RODATA|NOPTR, $4
DATA g2bias8<>+0(SB)/4, $0xfff8fff8 // two int16: -8
GLOBL g2bias8<>(SB), RODATA|NOPTR, $4
DATA g2bias16<>+0(SB)/4, $0xfff0fff0
GLOBL g2bias16<>(SB), RODATA|NOPTR, $4
DATA g2iq4<>+0(SB)/8, $0xf6eaddcfbfad9881 // the signed values
DATA g2iq4<>+8(SB)/8, $0x7159453526190d01
GLOBL g2iq4<>(SB), RODATA|NOPTR, $16
DATA g2each<>+0(SB)/8, $0x8040201008040201
GLOBL g2each<>(SB), RODATA|NOPTR, $8
DATA g2spread<>+0(SB)/8, $0x0000000000000000
DATA g2spread<>+8(SB)/8, $0x0101010101010101
DATA g2spread<>+16(SB)/8, $0x0202020202020202
DATA g2spread<>+24(SB)/8, $0x0303030303030303
GLOBL g2spread<>(SB), RODATA|NOPTR, $32
DATA g2bit4<>+0(SB)/8, $0x1010101010101010
DATA g2bit4<>+8(SB)/8, $0x1010101010101010
DATA g2bit4<>+16(SB)/8, $0x1010101010101010
DATA g2bit4<>+24(SB)/8, $0x1010101010101010
GLOBL g2bit4<>(SB), RODATA|NOPTR, $32

#define ARGS \
	MOVQ w+8(FP), SI \
	MOVQ stride+16(FP), DX \
	MOVQ blocks+24(FP), AX \
	MOVQ q+32(FP), BX \
	MOVQ d+40(FP), CX \
	MOVQ sum+48(FP), DI \
	LEAQ (DX)(DX*2), R11 \
	LEAQ (SI)(DX*4), R8 \
	LEAQ 6144(R8)(R11*1), R12 \
	VPBROADCASTD g2words<>(SB), Y11 \
	VXORPS Y15, Y15, Y15

	// Y8 = the halves at o of 8 rows; 16 bytes are read, less than a block
#define SCALES(o) \
	VMOVD      (o)(SI), X4 \
	VPUNPCKLWD (o)(SI)(DX*1), X4, X4 \
	VMOVD      (o)(SI)(DX*2), X5 \
	VPUNPCKLWD (o)(SI)(R11*1), X5, X5 \
	VPUNPCKLDQ X5, X4, X4 \
	VMOVD      (o)(R8), X5 \
	VPUNPCKLWD (o)(R8)(DX*1), X5, X5 \
	VMOVD      (o)(R8)(DX*2), X8 \
	VPUNPCKLWD (o)(R8)(R11*1), X8, X8 \
	VPUNPCKLDQ X8, X5, X5 \
	VPUNPCKLQDQ X5, X4, X4 \
	VCVTPH2PS X4, Y8

	// Y0 = the sums across the 8 registers, lane = row
#define ACROSS \
	VPHADDD    Y1, Y0, Y0 \
	VPHADDD    Y3, Y2, Y2 \
	VPHADDD    Y5, Y4, Y4 \
	VPHADDD    Y7, Y6, Y6 \
	VPHADDD    Y2, Y0, Y0 \
	VPHADDD    Y6, Y4, Y4 \
	VPERM2I128 $0x20, Y4, Y0, Y1 \
	VPERM2I128 $0x31, Y4, Y0, Y2 \
	VPADDD     Y2, Y1, Y0

	// Y0 -= bias·Σx
#define BIAS(bias) \
	VPBROADCASTD bias, Y1 \
	VPBROADCASTD (DI), Y2 \
	VPMADDWD     Y1, Y2, Y1 \
	VPADDD       Y1, Y0, Y0

#define TERM \
	SCALES(0) \
	VCVTDQ2PS    Y0, Y0 \
	VBROADCASTSS (CX), Y1 \
	VMULPS       Y8, Y0, Y0 \
	VMULPS       Y1, Y0, Y0 \
	VADDPS       Y0, Y15, Y15

#define NEXT(bytes, block) \
	ADDQ $(bytes), SI \
	ADDQ $(bytes), R8 \
	ADDQ $(8*bytes), R12 \
	ADDQ $32, BX \
	ADDQ $4, CX \
	ADDQ $4, DI \
	DECQ AX \
	JNZ  block \
	MOVQ y+0(FP), AX \
	VMOVUPS Y15, (AX) \
	VZEROUPPER \
	RET

	// i = signed codes in Y9 times x
#define SIGNED(i) \
	VPABSB     Y9, Y8 \
	VPSIGNB    Y9, Y10, i \
	VPMADDUBSW i, Y8, i \
	VPMADDWD   Y11, i, i

	// Y9, Y8 = the low and high nibbles of 16 bytes of two rows
#define TWO(a, b) \
	VMOVDQU     a, X9 \
	VINSERTI128 $1, b, Y9, Y9 \
	VPSRLW      $4, Y9, Y8 \
	VPAND       Y12, Y9, Y9 \
	VPAND       Y12, Y8, Y8

	// i = words of unsigned codes in Y9, Y8 times x
#define UNSIGNED(i) \
	VPMADDUBSW Y10, Y9, i \
	VPMADDUBSW Y7, Y8, Y8 \
	VPADDW     Y8, i, i

#define FOURPAIRS(PAIR) \
	VBROADCASTI128 (BX), Y10 \
	VBROADCASTI128 16(BX), Y7 \
	PAIR((SI), (R8), Y0) \
	PAIR((SI)(DX*1), (R8)(DX*1), Y1) \
	PAIR((SI)(DX*2), (R8)(DX*2), Y2) \
	PAIR((SI)(R11*1), (R8)(R11*1), Y3)

	// a = the sums across words in the 4 pairs of rows, lane = row: codes of 4 bits
	// stay words (at most 16·15·128) until 4 are left, of 5 bits (8·31·128) until 8
#define ACROSS4(a, b, c, d) \
	VPHADDW  b, a, a \
	VPHADDW  d, c, c \
	VPHADDW  c, a, a \
	VPMADDWD Y11, a, a
#define ACROSS5(a, b, c, d) \
	VPHADDW  b, a, a \
	VPHADDW  d, c, c \
	VPMADDWD Y11, a, a \
	VPMADDWD Y11, c, c \
	VPHADDD  c, a, a

#define EIGHT(ROW) \
	ROW((SI), Y0) \
	ROW((SI)(DX*1), Y1) \
	ROW((SI)(DX*2), Y2) \
	ROW((SI)(R11*1), Y3) \
	ROW((R8), Y4) \
	ROW((R8)(DX*1), Y5) \
	ROW((R8)(DX*2), Y6) \
	ROW((R8)(R11*1), Y7)

#define ROWQ8_0(m, i) \
	VMOVDQU (2)m, Y9 \
	SIGNED(i)

#define PAIRQ4_0(a, b, i) \
	TWO((2)a, (2)b) \
	UNSIGNED(i)
#define PAIRQ4_1(a, b, i) \
	TWO((4)a, (4)b) \
	UNSIGNED(i)

#define PAIRIQ4_NL(a, b, i) \
	TWO((2)a, (2)b) \
	VPSHUFB    Y9, Y13, Y9 \
	VPSHUFB    Y8, Y13, Y8 \
	VPABSB     Y9, Y4 \
	VPABSB     Y8, Y5 \
	VPSIGNB    Y9, Y10, Y9 \
	VPSIGNB    Y8, Y7, Y8 \
	VPMADDUBSW Y9, Y4, Y4 \
	VPMADDUBSW Y8, Y5, Y5 \
	VPMADDWD   Y11, Y4, Y4 \
	VPMADDWD   Y11, Y5, Y5 \
	VPADDD     Y4, Y5, i

	// the fifth bits at a and b into Y9 and Y8; 16 bytes of b are read, less than a block
#define FIFTHS(a, b) \
	VMOVD       a, X4 \
	VINSERTI128 $1, b, Y4, Y4 \
	VPSHUFB     Y13, Y4, Y5 \
	VPSHUFB     Y14, Y4, Y4 \
	VPAND       Y6, Y5, Y5 \
	VPAND       Y6, Y4, Y4 \
	VPCMPEQB    Y6, Y5, Y5 \
	VPCMPEQB    Y6, Y4, Y4 \
	VPAND       g2bit4<>(SB), Y5, Y5 \
	VPAND       g2bit4<>(SB), Y4, Y4 \
	VPOR        Y5, Y9, Y9 \
	VPOR        Y4, Y8, Y8

#define FIVES \
	VPBROADCASTD   g2nibble<>(SB), Y12 \
	VBROADCASTI128 g2spread<>(SB), Y13 \
	VBROADCASTI128 g2spread<>+16(SB), Y14 \
	VPBROADCASTQ   g2each<>(SB), Y6

#define PAIRQ5_0(a, b, i) \
	TWO((6)a, (6)b) \
	FIFTHS((2)a, (2)b) \
	UNSIGNED(i)
#define PAIRQ5_1(a, b, i) \
	TWO((8)a, (8)b) \
	FIFTHS((4)a, (4)b) \
	UNSIGNED(i)

	// acc -= float32(Σx)·min·dx; ref's Min is minus the stored half, so it is added
#define PLUSMIN \
	SCALES(2) \
	VPBROADCASTD (DI), Y0 \
	VPMADDWD     Y11, Y0, Y0 \
	VCVTDQ2PS    Y0, Y0 \
	VMULPS       Y8, Y0, Y0 \
	VMULPS       Y1, Y0, Y0 \
	VADDPS       Y0, Y15, Y15

#define FETCH \
	PREFETCHT0 (R12) \
	PREFETCHT0 64(R12) \
	PREFETCHT0 128(R12)

// func gemvQ8_0AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ8_0AVX2(SB), NOSPLIT, $0-56
	ARGS

block:
	VMOVDQU (BX), Y10
	EIGHT(ROWQ8_0)
	FETCH
	PREFETCHT0 192(R12)
	PREFETCHT0 256(R12)
	ACROSS
	TERM
	NEXT(34, block)

// func gemvQ4_0AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ4_0AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD g2nibble<>(SB), Y12

block:
	FOURPAIRS(PAIRQ4_0)
	FETCH
	ACROSS4(Y0, Y1, Y2, Y3)
	BIAS(g2bias8<>(SB))
	TERM
	NEXT(18, block)

// func gemvQ4_1AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ4_1AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD g2nibble<>(SB), Y12

block:
	FOURPAIRS(PAIRQ4_1)
	FETCH
	ACROSS4(Y0, Y1, Y2, Y3)
	TERM
	PLUSMIN
	NEXT(20, block)

// func gemvIQ4_NLAVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvIQ4_NLAVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD   g2nibble<>(SB), Y12
	VBROADCASTI128 g2iq4<>(SB), Y13

block:
	FOURPAIRS(PAIRIQ4_NL)
	FETCH
	VPHADDD Y1, Y0, Y0
	VPHADDD Y3, Y2, Y2
	VPHADDD Y2, Y0, Y0
	TERM
	NEXT(18, block)

// func gemvQ5_0AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ5_0AVX2(SB), NOSPLIT, $0-56
	ARGS
	FIVES

block:
	FOURPAIRS(PAIRQ5_0)
	FETCH
	ACROSS5(Y0, Y1, Y2, Y3)
	BIAS(g2bias16<>(SB))
	TERM
	NEXT(22, block)

// func gemvQ5_1AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ5_1AVX2(SB), NOSPLIT, $0-56
	ARGS
	FIVES

block:
	FOURPAIRS(PAIRQ5_1)
	FETCH
	PREFETCHT0 192(R12)
	ACROSS5(Y0, Y1, Y2, Y3)
	TERM
	PLUSMIN
	NEXT(24, block)
