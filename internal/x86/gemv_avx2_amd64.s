//go:build !noasm

#include "textflag.h"

// One token times 8 adjacent rows, straight from the mapping.
//
//	func gemvT·AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
//
//	SI R8 rows 0, 4   DX stride, R11 3·stride   R12 what to fetch ahead: the next 8 rows
//	BX q   CX d   DI sums   AX blocks left
//	Y0-Y7 sums of the rows   Y8-Y9 temporary   Y10 x   Y11 words of 1   Y12-Y14 constants   Y15 float sums
//
//	for each block {
//		i[row] = Σ code·x (of 8 bits: |code|·(x with its sign)), - bias·Σx
//		acc += float32(i)·scale·dx           // lane = row, each rounded
//	}

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
	LEAQ (R8)(DX*4), R12 \
	VPBROADCASTD g2words<>(SB), Y11 \
	VXORPS Y15, Y15, Y15

	// Y8 = the scales of 8 rows
#define SCALES \
	VPXOR     X8, X8, X8 \
	VPINSRW   $0, (SI), X8, X8 \
	VPINSRW   $1, (SI)(DX*1), X8, X8 \
	VPINSRW   $2, (SI)(DX*2), X8, X8 \
	VPINSRW   $3, (SI)(R11*1), X8, X8 \
	VPINSRW   $4, (R8), X8, X8 \
	VPINSRW   $5, (R8)(DX*1), X8, X8 \
	VPINSRW   $6, (R8)(DX*2), X8, X8 \
	VPINSRW   $7, (R8)(R11*1), X8, X8 \
	VCVTPH2PS X8, Y8

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
	SCALES \
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

	// i = unsigned codes in Y9 times x
#define UNSIGNED(i) \
	VPMADDUBSW Y10, Y9, i \
	VPMADDWD   Y11, i, i

	// Y9 = 32 nibbles
#define NIBBLES(m) \
	VMOVDQU     m, X9 \
	VPSRLW      $4, X9, X8 \
	VINSERTI128 $1, X8, Y9, Y9 \
	VPAND       Y12, Y9, Y9

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

#define ROWQ4_0(m, i) \
	NIBBLES((2)m) \
	UNSIGNED(i)

#define ROWIQ4_NL(m, i) \
	NIBBLES((2)m) \
	VPSHUFB Y9, Y13, Y9 \
	SIGNED(i)

#define ROWQ5_0(m, i) \
	NIBBLES((6)m) \
	VPBROADCASTD (2)m, Y8 \
	VPSHUFB      Y13, Y8, Y8 \
	VPAND        Y14, Y8, Y8 \
	VPCMPEQB     Y14, Y8, Y8 \
	VPAND        g2bit4<>(SB), Y8, Y8 \
	VPOR         Y8, Y9, Y9 \
	UNSIGNED(i)

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
	VMOVDQU (BX), Y10
	EIGHT(ROWQ4_0)
	FETCH
	ACROSS
	BIAS(g2bias8<>(SB))
	TERM
	NEXT(18, block)

// func gemvIQ4_NLAVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvIQ4_NLAVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD   g2nibble<>(SB), Y12
	VBROADCASTI128 g2iq4<>(SB), Y13

block:
	VMOVDQU (BX), Y10
	EIGHT(ROWIQ4_NL)
	FETCH
	ACROSS
	TERM
	NEXT(18, block)

// func gemvQ5_0AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ5_0AVX2(SB), NOSPLIT, $0-56
	ARGS
	VPBROADCASTD g2nibble<>(SB), Y12
	VMOVDQU      g2spread<>(SB), Y13
	VPBROADCASTQ g2each<>(SB), Y14

block:
	VMOVDQU (BX), Y10
	EIGHT(ROWQ5_0)
	FETCH
	ACROSS
	BIAS(g2bias16<>(SB))
	TERM
	NEXT(22, block)
