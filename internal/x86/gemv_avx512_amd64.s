//go:build !noasm

#include "textflag.h"

// One token times 16 adjacent rows, straight from the mapping.
//
//	func gemvT·AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
//
//	SI R8 R9 R10 rows 0, 4, 8, 12   DX stride, R11 3·stride   R12 what to fetch ahead: the next 16 rows
//	BX q   CX d   DI sums   AX blocks left
//	Z2 scales   Z16-Z23 int32 sums   Z24 float sums   Z25-Z31 constants and x
//
//	for each block {
//		i[row] = Σ (code+bias)·x - bias·Σx   // VPDPBUSD, then added across by unpacking
//		acc += float32(i)·scale·dx           // lane = row, each rounded
//	}

DATA gvnibble<>+0(SB)/4, $0x0f0f0f0f
GLOBL gvnibble<>(SB), RODATA|NOPTR, $4
DATA gvsign<>+0(SB)/4, $0x80808080
GLOBL gvsign<>(SB), RODATA|NOPTR, $4
DATA gvbit4<>+0(SB)/4, $0x10101010
GLOBL gvbit4<>(SB), RODATA|NOPTR, $4
DATA gvbias128<>+0(SB)/4, $0xff80ff80 // two int16: -128
GLOBL gvbias128<>(SB), RODATA|NOPTR, $4
DATA gvbias16<>+0(SB)/4, $0xfff0fff0
GLOBL gvbias16<>(SB), RODATA|NOPTR, $4
DATA gvbias8<>+0(SB)/4, $0xfff8fff8
GLOBL gvbias8<>(SB), RODATA|NOPTR, $4
DATA gveach<>+0(SB)/8, $0x8040201008040201
GLOBL gveach<>(SB), RODATA|NOPTR, $8
DATA gvlow<>+0(SB)/8, $0x0000000000000000
DATA gvlow<>+8(SB)/8, $0x0101010101010101
GLOBL gvlow<>(SB), RODATA|NOPTR, $16
DATA gvhigh<>+0(SB)/8, $0x0202020202020202
DATA gvhigh<>+8(SB)/8, $0x0303030303030303
GLOBL gvhigh<>(SB), RODATA|NOPTR, $16
DATA gviq4<>+0(SB)/8, $0x766a5d4f3f2d1801
DATA gviq4<>+8(SB)/8, $0xf1d9c5b5a6998d81
GLOBL gviq4<>(SB), RODATA|NOPTR, $16
DATA gvlanes<>+0(SB)/8, $0x0000000000000000 // dword i to all of lane i
DATA gvlanes<>+8(SB)/8, $0x0000000000000000
DATA gvlanes<>+16(SB)/8, $0x0000000100000001
DATA gvlanes<>+24(SB)/8, $0x0000000100000001
DATA gvlanes<>+32(SB)/8, $0x0000000200000002
DATA gvlanes<>+40(SB)/8, $0x0000000200000002
DATA gvlanes<>+48(SB)/8, $0x0000000300000003
DATA gvlanes<>+56(SB)/8, $0x0000000300000003
GLOBL gvlanes<>(SB), RODATA|NOPTR, $64

#define ARGS(bias) \
	MOVQ w+8(FP), SI \
	MOVQ stride+16(FP), DX \
	MOVQ blocks+24(FP), AX \
	MOVQ q+32(FP), BX \
	MOVQ d+40(FP), CX \
	MOVQ sum+48(FP), DI \
	LEAQ (DX)(DX*2), R11 \
	LEAQ (SI)(DX*4), R8 \
	LEAQ (R8)(DX*4), R9 \
	LEAQ (R9)(DX*4), R10 \
	LEAQ (R10)(DX*4), R12 \
	VPBROADCASTD bias, Z25 \
	VPXORD Z24, Z24, Z24

	// Z2 = the scales of 16 rows
#define SCALES \
	VPXOR       X2, X2, X2 \
	VPXOR       X3, X3, X3 \
	VPINSRW     $0, (SI), X2, X2 \
	VPINSRW     $0, (R9), X3, X3 \
	VPINSRW     $1, (SI)(DX*1), X2, X2 \
	VPINSRW     $1, (R9)(DX*1), X3, X3 \
	VPINSRW     $2, (SI)(DX*2), X2, X2 \
	VPINSRW     $2, (R9)(DX*2), X3, X3 \
	VPINSRW     $3, (SI)(R11*1), X2, X2 \
	VPINSRW     $3, (R9)(R11*1), X3, X3 \
	VPINSRW     $4, (R8), X2, X2 \
	VPINSRW     $4, (R10), X3, X3 \
	VPINSRW     $5, (R8)(DX*1), X2, X2 \
	VPINSRW     $5, (R10)(DX*1), X3, X3 \
	VPINSRW     $6, (R8)(DX*2), X2, X2 \
	VPINSRW     $6, (R10)(DX*2), X3, X3 \
	VPINSRW     $7, (R8)(R11*1), X2, X2 \
	VPINSRW     $7, (R10)(R11*1), X3, X3 \
	VINSERTI128 $1, X3, Y2, Y2 \
	VCVTPH2PS   Y2, Z2

	// a = sums of dwords 0 and 2, 1 and 3 of a and b in turn
#define ADD2(a, b) \
	VPUNPCKLDQ b, a, Z0 \
	VPUNPCKHDQ b, a, Z1 \
	VPADDD     Z0, Z1, a

#define ADD4(a, b) \
	VPUNPCKLQDQ b, a, Z0 \
	VPUNPCKHQDQ b, a, Z1 \
	VPADDD      Z0, Z1, a

	// acc += float32(i - bias·Σx)·scale·dx, i in Z16
#define TERM \
	VPBROADCASTD (DI), Z0 \
	VPMADDWD     Z25, Z0, Z0 \
	VPADDD       Z0, Z16, Z16 \
	VCVTDQ2PS    Z16, Z16 \
	VMULPS       Z2, Z16, Z16 \
	VMULPS.BCST  (CX), Z16, Z16 \
	VADDPS       Z16, Z24, Z24

#define NEXT(bytes, block) \
	ADDQ $(bytes), SI \
	ADDQ $(bytes), R8 \
	ADDQ $(bytes), R9 \
	ADDQ $(bytes), R10 \
	ADDQ $(16*bytes), R12 \
	ADDQ $32, BX \
	ADDQ $4, CX \
	ADDQ $4, DI \
	DECQ AX \
	JNZ  block \
	MOVQ y+0(FP), AX \
	VMOVUPS Z24, (AX) \
	VZEROUPPER \
	RET

#define FETCH4(o) \
	PREFETCHT0 (o)(R12) \
	PREFETCHT0 (o+64)(R12) \
	PREFETCHT0 (o+128)(R12) \
	PREFETCHT0 (o+192)(R12)

	// i = codes·x of two rows, 8 partial sums each
#define TWO(a, b, i) \
	VMOVDQU      a, Y0 \
	VINSERTI64X4 $1, b, Z0, Z0 \
	VPXORD       Z30, Z0, Z0 \
	VPXORD       i, i, i \
	VPDPBUSD     Z31, Z0, i

// func gemvQ8_0AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ8_0AVX512(SB), NOSPLIT, $0-56
	ARGS(gvbias128<>(SB))
	VPBROADCASTD gvsign<>(SB), Z30

block:
	VBROADCASTI64X4 (BX), Z31
	TWO(2(SI), 2(R8), Z16)
	TWO(2(SI)(DX*1), 2(R8)(DX*1), Z17)
	TWO(2(SI)(DX*2), 2(R8)(DX*2), Z18)
	TWO(2(SI)(R11*1), 2(R8)(R11*1), Z19)
	TWO(2(R9), 2(R10), Z20)
	TWO(2(R9)(DX*1), 2(R10)(DX*1), Z21)
	TWO(2(R9)(DX*2), 2(R10)(DX*2), Z22)
	TWO(2(R9)(R11*1), 2(R10)(R11*1), Z23)
	SCALES
	FETCH4(0)
	FETCH4(256)
	PREFETCHT0 512(R12)
	ADD2(Z16, Z17)
	ADD2(Z18, Z19)
	ADD2(Z20, Z21)
	ADD2(Z22, Z23)
	ADD4(Z16, Z18)
	ADD4(Z20, Z22)
	VSHUFI32X4 $0x88, Z20, Z16, Z0
	VSHUFI32X4 $0xdd, Z20, Z16, Z1
	VPADDD Z0, Z1, Z16
	TERM
	NEXT(34, block)

	// Z0, Z1 = 16 low and 16 high codes of 4 rows, a lane each
#define FOUR(a, b, c, d) \
	VMOVDQU      a, X0 \
	VINSERTI32X4 $1, b, Z0, Z0 \
	VINSERTI32X4 $2, c, Z0, Z0 \
	VINSERTI32X4 $3, d, Z0, Z0 \
	VPSRLW       $4, Z0, Z1 \
	VPANDD       Z30, Z0, Z0 \
	VPANDD       Z30, Z1, Z1

#define DOT(i) \
	VPXORD   i, i, i \
	VPDPBUSD Z31, Z0, i \
	VPDPBUSD Z29, Z1, i

#define XHALVES \
	VBROADCASTI32X4 (BX), Z31 \
	VBROADCASTI32X4 16(BX), Z29

	// lane i of Z16-Z19 is row 4i+0 to 4i+3, four partial sums each
#define ADDLANES \
	ADD2(Z16, Z17) \
	ADD2(Z18, Z19) \
	ADD4(Z16, Z18)

// func gemvQ4_0AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ4_0AVX512(SB), NOSPLIT, $0-56
	ARGS(gvbias8<>(SB))
	VPBROADCASTD gvnibble<>(SB), Z30

block:
	XHALVES
	FOUR(2(SI), 2(R8), 2(R9), 2(R10))
	DOT(Z16)
	FOUR(2(SI)(DX*1), 2(R8)(DX*1), 2(R9)(DX*1), 2(R10)(DX*1))
	DOT(Z17)
	FOUR(2(SI)(DX*2), 2(R8)(DX*2), 2(R9)(DX*2), 2(R10)(DX*2))
	DOT(Z18)
	FOUR(2(SI)(R11*1), 2(R8)(R11*1), 2(R9)(R11*1), 2(R10)(R11*1))
	DOT(Z19)
	SCALES
	FETCH4(0)
	PREFETCHT0 256(R12)
	ADDLANES
	TERM
	NEXT(18, block)

#define TABLE \
	VPSHUFB Z0, Z28, Z0 \
	VPSHUFB Z1, Z28, Z1

// func gemvIQ4_NLAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvIQ4_NLAVX512(SB), NOSPLIT, $0-56
	ARGS(gvbias128<>(SB))
	VPBROADCASTD    gvnibble<>(SB), Z30
	VBROADCASTI32X4 gviq4<>(SB), Z28

block:
	XHALVES
	FOUR(2(SI), 2(R8), 2(R9), 2(R10))
	TABLE
	DOT(Z16)
	FOUR(2(SI)(DX*1), 2(R8)(DX*1), 2(R9)(DX*1), 2(R10)(DX*1))
	TABLE
	DOT(Z17)
	FOUR(2(SI)(DX*2), 2(R8)(DX*2), 2(R9)(DX*2), 2(R10)(DX*2))
	TABLE
	DOT(Z18)
	FOUR(2(SI)(R11*1), 2(R8)(R11*1), 2(R9)(R11*1), 2(R10)(R11*1))
	TABLE
	DOT(Z19)
	SCALES
	FETCH4(0)
	PREFETCHT0 256(R12)
	ADDLANES
	TERM
	NEXT(18, block)

	// the fifth bits of the codes in Z0 and Z1
#define FIFTHS(a, b, c, d) \
	VMOVD     a, X4 \
	VPINSRD   $1, b, X4, X4 \
	VPINSRD   $2, c, X4, X4 \
	VPINSRD   $3, d, X4, X4 \
	VPERMD    Z4, Z14, Z4 \
	VPSHUFB   Z12, Z4, Z5 \
	VPSHUFB   Z13, Z4, Z4 \
	VPTESTMB  Z15, Z5, K1 \
	VPTESTMB  Z15, Z4, K2 \
	VPADDB    Z28, Z0, K1, Z0 \
	VPADDB    Z28, Z1, K2, Z1

// func gemvQ5_0AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ5_0AVX512(SB), NOSPLIT, $0-56
	ARGS(gvbias16<>(SB))
	VPBROADCASTD    gvnibble<>(SB), Z30
	VPBROADCASTD    gvbit4<>(SB), Z28
	VPBROADCASTQ    gveach<>(SB), Z15
	VMOVDQU32       gvlanes<>(SB), Z14
	VBROADCASTI32X4 gvlow<>(SB), Z12
	VBROADCASTI32X4 gvhigh<>(SB), Z13

block:
	XHALVES
	FOUR(6(SI), 6(R8), 6(R9), 6(R10))
	FIFTHS(2(SI), 2(R8), 2(R9), 2(R10))
	DOT(Z16)
	FOUR(6(SI)(DX*1), 6(R8)(DX*1), 6(R9)(DX*1), 6(R10)(DX*1))
	FIFTHS(2(SI)(DX*1), 2(R8)(DX*1), 2(R9)(DX*1), 2(R10)(DX*1))
	DOT(Z17)
	FOUR(6(SI)(DX*2), 6(R8)(DX*2), 6(R9)(DX*2), 6(R10)(DX*2))
	FIFTHS(2(SI)(DX*2), 2(R8)(DX*2), 2(R9)(DX*2), 2(R10)(DX*2))
	DOT(Z18)
	FOUR(6(SI)(R11*1), 6(R8)(R11*1), 6(R9)(R11*1), 6(R10)(R11*1))
	FIFTHS(2(SI)(R11*1), 2(R8)(R11*1), 2(R9)(R11*1), 2(R10)(R11*1))
	DOT(Z19)
	SCALES
	FETCH4(0)
	PREFETCHT0 256(R12)
	PREFETCHT0 320(R12)
	ADDLANES
	TERM
	NEXT(22, block)
