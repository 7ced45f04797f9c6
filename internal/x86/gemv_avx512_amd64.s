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
#define SCALES(o) \
	VPXOR       X2, X2, X2 \
	VPXOR       X3, X3, X3 \
	VPINSRW     $0, (o)(SI), X2, X2 \
	VPINSRW     $0, (o)(R9), X3, X3 \
	VPINSRW     $1, (o)(SI)(DX*1), X2, X2 \
	VPINSRW     $1, (o)(R9)(DX*1), X3, X3 \
	VPINSRW     $2, (o)(SI)(DX*2), X2, X2 \
	VPINSRW     $2, (o)(R9)(DX*2), X3, X3 \
	VPINSRW     $3, (o)(SI)(R11*1), X2, X2 \
	VPINSRW     $3, (o)(R9)(R11*1), X3, X3 \
	VPINSRW     $4, (o)(R8), X2, X2 \
	VPINSRW     $4, (o)(R10), X3, X3 \
	VPINSRW     $5, (o)(R8)(DX*1), X2, X2 \
	VPINSRW     $5, (o)(R10)(DX*1), X3, X3 \
	VPINSRW     $6, (o)(R8)(DX*2), X2, X2 \
	VPINSRW     $6, (o)(R10)(DX*2), X3, X3 \
	VPINSRW     $7, (o)(R8)(R11*1), X2, X2 \
	VPINSRW     $7, (o)(R10)(R11*1), X3, X3 \
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
	SCALES(0)
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
	SCALES(0)
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
	SCALES(0)
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
	SCALES(0)
	FETCH4(0)
	PREFETCHT0 256(R12)
	PREFETCHT0 320(R12)
	ADDLANES
	TERM
	NEXT(22, block)

DATA gvones<>+0(SB)/4, $0x00010001
GLOBL gvones<>(SB), RODATA|NOPTR, $4
DATA gv63<>+0(SB)/4, $63
GLOBL gv63<>(SB), RODATA|NOPTR, $4
DATA gv15<>+0(SB)/4, $15
GLOBL gv15<>(SB), RODATA|NOPTR, $4
DATA gv48<>+0(SB)/4, $0x30
GLOBL gv48<>(SB), RODATA|NOPTR, $4
DATA gv48s<>+0(SB)/4, $0x30303030
GLOBL gv48s<>(SB), RODATA|NOPTR, $4

	// z = 16 bytes of 4 rows
#define LOAD4(a, b, c, d, x, z) \
	VMOVDQU32    a, x \
	VINSERTI32X4 $1, b, z, z \
	VINSERTI32X4 $2, c, z, z \
	VINSERTI32X4 $3, d, z, z

#define LOADROWS(o, x0, z0, x1, z1, x2, z2, x3, z3) \
	LOAD4((o)(SI), (o)(R8), (o)(R9), (o)(R10), x0, z0) \
	LOAD4((o)(SI)(DX*1), (o)(R8)(DX*1), (o)(R9)(DX*1), (o)(R10)(DX*1), x1, z1) \
	LOAD4((o)(SI)(DX*2), (o)(R8)(DX*2), (o)(R9)(DX*2), (o)(R10)(DX*2), x2, z2) \
	LOAD4((o)(SI)(R11*1), (o)(R8)(R11*1), (o)(R9)(R11*1), (o)(R10)(R11*1), x3, z3)

	// d0 to d3 = the dwords of the rows' 16 bytes in a to d, lane = row
#define DWORDS(a, b, c, d, d0, d1, d2, d3) \
	VPUNPCKLDQ  b, a, Z0 \
	VPUNPCKLDQ  d, c, Z1 \
	VPUNPCKHDQ  b, a, Z2 \
	VPUNPCKHDQ  d, c, Z3 \
	VPUNPCKLQDQ Z1, Z0, d0 \
	VPUNPCKHQDQ Z1, Z0, d1 \
	VPUNPCKLQDQ Z3, Z2, d2 \
	VPUNPCKHQDQ Z3, Z2, d3

	// 16 low and 16 high nibbles of 4 rows
#define NIBBLES4(a, b, c, d, even, odd) \
	FOUR(a, b, c, d) \
	VPDPBUSD Z31, Z0, even \
	VPDPBUSD Z29, Z1, odd

	// the 16 bytes at o of all rows: codes x to x+15 and x+32 to x+47 of 64
#define PIECE(o, x) \
	VBROADCASTI32X4 (x)(BX), Z31 \
	VBROADCASTI32X4 (x+32)(BX), Z29 \
	NIBBLES4((o)(SI), (o)(R8), (o)(R9), (o)(R10), Z16, Z20) \
	NIBBLES4((o)(SI)(DX*1), (o)(R8)(DX*1), (o)(R9)(DX*1), (o)(R10)(DX*1), Z17, Z21) \
	NIBBLES4((o)(SI)(DX*2), (o)(R8)(DX*2), (o)(R9)(DX*2), (o)(R10)(DX*2), Z18, Z22) \
	NIBBLES4((o)(SI)(R11*1), (o)(R8)(R11*1), (o)(R9)(R11*1), (o)(R10)(R11*1), Z19, Z23)

	// Z2, Z3 = scale and min of sub-blocks 0 to 3 from dwords Z6, Z7, and 4 to 7 with Z8
#define LOWSIX(s) \
	VPSRLD $(8*s), Z6, Z2 \
	VPSRLD $(8*s), Z7, Z3 \
	VPANDD Z28, Z2, Z2 \
	VPANDD Z28, Z3, Z3
#define HIGHSIX(s) \
	VPSRLD $(8*s-32), Z8, Z2 \
	VPSRLD $(8*s-28), Z8, Z3 \
	VPSRLD $(8*s-30), Z6, Z0 \
	VPSRLD $(8*s-30), Z7, Z1 \
	VPANDD Z27, Z2, Z2 \
	VPANDD Z27, Z3, Z3 \
	VPANDD Z26, Z0, Z0 \
	VPANDD Z26, Z1, Z1 \
	VPORD  Z0, Z2, Z2 \
	VPORD  Z1, Z3, Z3

	// acc += float32(i)·scale·dx; acc -= float32(Σx)·min·dx
#define TERMMIN(s, i) \
	VCVTDQ2PS    Z2, Z2 \
	VCVTDQ2PS    Z3, Z3 \
	VMULPS       Z4, Z2, Z2 \
	VMULPS       Z5, Z3, Z3 \
	VCVTDQ2PS    i, i \
	VMULPS       Z2, i, i \
	VMULPS.BCST  (4*s)(CX), i, i \
	VADDPS       i, Z24, Z24 \
	VPBROADCASTD (4*s)(DI), Z0 \
	VPMADDWD     Z25, Z0, Z0 \
	VCVTDQ2PS    Z0, Z0 \
	VMULPS       Z3, Z0, Z0 \
	VMULPS.BCST  (4*s)(CX), Z0, Z0 \
	VSUBPS       Z0, Z24, Z24

#define CLEAR8 \
	VPXORD Z16, Z16, Z16 \
	VPXORD Z17, Z17, Z17 \
	VPXORD Z18, Z18, Z18 \
	VPXORD Z19, Z19, Z19 \
	VPXORD Z20, Z20, Z20 \
	VPXORD Z21, Z21, Z21 \
	VPXORD Z22, Z22, Z22 \
	VPXORD Z23, Z23, Z23

	// sub-blocks 2j and 2j+1 of a super-block
#define SUBS2(j, SIX) \
	CLEAR8 \
	PIECE(16+32*j, 64*j) \
	PIECE(32+32*j, 64*j+16) \
	FETCH4(576*j) \
	FETCH4(576*j+256) \
	PREFETCHT0 (576*j+512)(R12) \
	ADDLANES \
	ADD2(Z20, Z21) \
	ADD2(Z22, Z23) \
	ADD4(Z20, Z22) \
	SIX(2*j) \
	TERMMIN(2*j, Z16) \
	SIX((2*j+1)) \
	TERMMIN((2*j+1), Z20)

#define NEXT256(bytes, block) \
	ADDQ $(bytes), SI \
	ADDQ $(bytes), R8 \
	ADDQ $(bytes), R9 \
	ADDQ $(bytes), R10 \
	ADDQ $(16*bytes), R12 \
	ADDQ $256, BX \
	ADDQ $32, CX \
	ADDQ $32, DI \
	DECQ AX \
	JNZ  block \
	MOVQ y+0(FP), AX \
	VMOVUPS Z24, (AX) \
	VZEROUPPER \
	RET

// func gemvQ4_KAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
//
// blocks are super-blocks. Z4, Z5 d and dmin   Z6-Z8 the dwords of packed scales
TEXT ·gemvQ4_KAVX512(SB), NOSPLIT, $0-56
	ARGS(gvones<>(SB))
	VPBROADCASTD gvnibble<>(SB), Z30
	VPBROADCASTD gv63<>(SB), Z28
	VPBROADCASTD gv15<>(SB), Z27
	VPBROADCASTD gv48<>(SB), Z26

block:
	LOADROWS(0, X20, Z20, X21, Z21, X22, Z22, X23, Z23)
	DWORDS(Z20, Z21, Z22, Z23, Z5, Z6, Z7, Z8)
	VPMOVDW   Z5, Y4
	VPSRLD    $16, Z5, Z5
	VPMOVDW   Z5, Y5
	VCVTPH2PS Y4, Z4
	VCVTPH2PS Y5, Z5
	SUBS2(0, LOWSIX)
	SUBS2(1, LOWSIX)
	SUBS2(2, HIGHSIX)
	SUBS2(3, HIGHSIX)
	NEXT256(144, block)

	// 16 low and 16 high codes of 4 rows, with bits 2j and 2j+1 of the bytes at o as
	// their fifth
#define FIVES4(a, b, c, d, ha, hb, hc, hd, shift0, n0, shift1, n1, even, odd) \
	FOUR(a, b, c, d) \
	LOAD4(ha, hb, hc, hd, X2, Z2) \
	shift0     $n0, Z2, Z3 \
	VPTERNLOGD $0xf8, Z15, Z3, Z0 \
	shift1     $n1, Z2, Z3 \
	VPTERNLOGD $0xf8, Z15, Z3, Z1 \
	VPDPBUSD   Z31, Z0, even \
	VPDPBUSD   Z29, Z1, odd

#define PIECE5(o, h, x, shift0, n0, shift1, n1) \
	VBROADCASTI32X4 (x)(BX), Z31 \
	VBROADCASTI32X4 (x+32)(BX), Z29 \
	FIVES4((o)(SI), (o)(R8), (o)(R9), (o)(R10), (h)(SI), (h)(R8), (h)(R9), (h)(R10), shift0, n0, shift1, n1, Z16, Z20) \
	FIVES4((o)(SI)(DX*1), (o)(R8)(DX*1), (o)(R9)(DX*1), (o)(R10)(DX*1), (h)(SI)(DX*1), (h)(R8)(DX*1), (h)(R9)(DX*1), (h)(R10)(DX*1), shift0, n0, shift1, n1, Z17, Z21) \
	FIVES4((o)(SI)(DX*2), (o)(R8)(DX*2), (o)(R9)(DX*2), (o)(R10)(DX*2), (h)(SI)(DX*2), (h)(R8)(DX*2), (h)(R9)(DX*2), (h)(R10)(DX*2), shift0, n0, shift1, n1, Z18, Z22) \
	FIVES4((o)(SI)(R11*1), (o)(R8)(R11*1), (o)(R9)(R11*1), (o)(R10)(R11*1), (h)(SI)(R11*1), (h)(R8)(R11*1), (h)(R9)(R11*1), (h)(R10)(R11*1), shift0, n0, shift1, n1, Z19, Z23)

#define SUBS25(j, SIX, shift0, n0, shift1, n1) \
	CLEAR8 \
	PIECE5(48+32*j, 16, 64*j, shift0, n0, shift1, n1) \
	PIECE5(64+32*j, 32, 64*j+16, shift0, n0, shift1, n1) \
	FETCH4(704*j) \
	FETCH4(704*j+256) \
	PREFETCHT0 (704*j+512)(R12) \
	PREFETCHT0 (704*j+576)(R12) \
	PREFETCHT0 (704*j+640)(R12) \
	ADDLANES \
	ADD2(Z20, Z21) \
	ADD2(Z22, Z23) \
	ADD4(Z20, Z22) \
	SIX(2*j) \
	TERMMIN(2*j, Z16) \
	SIX((2*j+1)) \
	TERMMIN((2*j+1), Z20)

// func gemvQ5_KAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
//
// gemvQ4_KAVX512 with a fifth bit. Z15 its place
TEXT ·gemvQ5_KAVX512(SB), NOSPLIT, $0-56
	ARGS(gvones<>(SB))
	VPBROADCASTD gvnibble<>(SB), Z30
	VPBROADCASTD gv63<>(SB), Z28
	VPBROADCASTD gv15<>(SB), Z27
	VPBROADCASTD gv48<>(SB), Z26
	VPBROADCASTD gvbit4<>(SB), Z15

block:
	LOADROWS(0, X20, Z20, X21, Z21, X22, Z22, X23, Z23)
	DWORDS(Z20, Z21, Z22, Z23, Z5, Z6, Z7, Z8)
	VPMOVDW   Z5, Y4
	VPSRLD    $16, Z5, Z5
	VPMOVDW   Z5, Y5
	VCVTPH2PS Y4, Z4
	VCVTPH2PS Y5, Z5
	SUBS25(0, LOWSIX, VPSLLW, 4, VPSLLW, 3)
	SUBS25(1, LOWSIX, VPSLLW, 2, VPSLLW, 1)
	SUBS25(2, HIGHSIX, VPSLLW, 0, VPSRLW, 1)
	SUBS25(3, HIGHSIX, VPSRLW, 2, VPSRLW, 3)
	NEXT256(176, block)

	// 4 sub-blocks of 16 codes, x to x+15 and 32, 64, 96 further: Z0, Z1 low bits, Z2
	// high bits of 4 rows; A | B & C is 0xf8
#define SIXBITS(x, i0, i1, i2, i3) \
	VPSLLW          $4, Z2, Z3 \
	VPANDD.BCST     gv48s<>(SB), Z3, Z3 \
	VPTERNLOGD      $0xf8, Z30, Z0, Z3 \
	VBROADCASTI32X4 (x)(BX), Z26 \
	VPXORD          i0, i0, i0 \
	VPDPBUSD        Z26, Z3, i0 \
	VPSLLW          $2, Z2, Z3 \
	VPANDD.BCST     gv48s<>(SB), Z3, Z3 \
	VPTERNLOGD      $0xf8, Z30, Z1, Z3 \
	VBROADCASTI32X4 (x+32)(BX), Z26 \
	VPXORD          i1, i1, i1 \
	VPDPBUSD        Z26, Z3, i1 \
	VPSRLW          $4, Z0, Z0 \
	VPANDD.BCST     gv48s<>(SB), Z2, Z3 \
	VPTERNLOGD      $0xf8, Z30, Z0, Z3 \
	VBROADCASTI32X4 (x+64)(BX), Z26 \
	VPXORD          i2, i2, i2 \
	VPDPBUSD        Z26, Z3, i2 \
	VPSRLW          $4, Z1, Z1 \
	VPSRLW          $2, Z2, Z3 \
	VPANDD.BCST     gv48s<>(SB), Z3, Z3 \
	VPTERNLOGD      $0xf8, Z30, Z1, Z3 \
	VBROADCASTI32X4 (x+96)(BX), Z26 \
	VPXORD          i3, i3, i3 \
	VPDPBUSD        Z26, Z3, i3

	// i = float32(i-32·Σx)·scale·dx of sub-block s; the sum is the low half of its
	// pair after a shift of half, the scale the top byte after a shift of left
#define TERM16(s, half, i, scales, left) \
	VPBROADCASTD (4*(s/2))(DI), Z0 \
	VPSLLD       $(half), Z0, Z0 \
	VPSRAD       $16, Z0, Z0 \
	VPSLLD       $5, Z0, Z0 \
	VPSUBD       Z0, i, i \
	VCVTDQ2PS    i, i \
	VPSLLD       $(left), scales, Z1 \
	VPSRAD       $24, Z1, Z1 \
	VCVTDQ2PS    Z1, Z1 \
	VMULPS       Z8, Z1, Z1 \
	VMULPS       Z1, i, i \
	VMULPS.BCST  (4*(s/2))(CX), i, i

#define SUM16(a, b, c, d) \
	ADD2(a, b) \
	ADD2(c, d) \
	ADD4(a, c)

	// piece q of 16 bytes in half n: sub-blocks 8n+q, 8n+q+2, 8n+q+4, 8n+q+6
#define PIECE6(n, q, s0, s1) \
	LOAD4((64*n+16*q)(SI), (64*n+16*q)(R8), (64*n+16*q)(R9), (64*n+16*q)(R10), X0, Z0) \
	LOAD4((64*n+16*q+32)(SI), (64*n+16*q+32)(R8), (64*n+16*q+32)(R9), (64*n+16*q+32)(R10), X1, Z1) \
	LOAD4((128+32*n+16*q)(SI), (128+32*n+16*q)(R8), (128+32*n+16*q)(R9), (128+32*n+16*q)(R10), X2, Z2) \
	SIXBITS(128*n+16*q, Z9, Z13, Z17, Z21) \
	LOAD4((64*n+16*q)(SI)(DX*1), (64*n+16*q)(R8)(DX*1), (64*n+16*q)(R9)(DX*1), (64*n+16*q)(R10)(DX*1), X0, Z0) \
	LOAD4((64*n+16*q+32)(SI)(DX*1), (64*n+16*q+32)(R8)(DX*1), (64*n+16*q+32)(R9)(DX*1), (64*n+16*q+32)(R10)(DX*1), X1, Z1) \
	LOAD4((128+32*n+16*q)(SI)(DX*1), (128+32*n+16*q)(R8)(DX*1), (128+32*n+16*q)(R9)(DX*1), (128+32*n+16*q)(R10)(DX*1), X2, Z2) \
	SIXBITS(128*n+16*q, Z10, Z14, Z18, Z22) \
	LOAD4((64*n+16*q)(SI)(DX*2), (64*n+16*q)(R8)(DX*2), (64*n+16*q)(R9)(DX*2), (64*n+16*q)(R10)(DX*2), X0, Z0) \
	LOAD4((64*n+16*q+32)(SI)(DX*2), (64*n+16*q+32)(R8)(DX*2), (64*n+16*q+32)(R9)(DX*2), (64*n+16*q+32)(R10)(DX*2), X1, Z1) \
	LOAD4((128+32*n+16*q)(SI)(DX*2), (128+32*n+16*q)(R8)(DX*2), (128+32*n+16*q)(R9)(DX*2), (128+32*n+16*q)(R10)(DX*2), X2, Z2) \
	SIXBITS(128*n+16*q, Z11, Z15, Z19, Z23) \
	LOAD4((64*n+16*q)(SI)(R11*1), (64*n+16*q)(R8)(R11*1), (64*n+16*q)(R9)(R11*1), (64*n+16*q)(R10)(R11*1), X0, Z0) \
	LOAD4((64*n+16*q+32)(SI)(R11*1), (64*n+16*q+32)(R8)(R11*1), (64*n+16*q+32)(R9)(R11*1), (64*n+16*q+32)(R10)(R11*1), X1, Z1) \
	LOAD4((128+32*n+16*q)(SI)(R11*1), (128+32*n+16*q)(R8)(R11*1), (128+32*n+16*q)(R9)(R11*1), (128+32*n+16*q)(R10)(R11*1), X2, Z2) \
	SIXBITS(128*n+16*q, Z12, Z16, Z20, Z24) \
	FETCH4(1680*n+840*q) \
	FETCH4(1680*n+840*q+256) \
	FETCH4(1680*n+840*q+512) \
	PREFETCHT0 (1680*n+840*q+768)(R12) \
	SUM16(Z9, Z10, Z11, Z12) \
	SUM16(Z13, Z14, Z15, Z16) \
	SUM16(Z17, Z18, Z19, Z20) \
	SUM16(Z21, Z22, Z23, Z24) \
	TERM16((8*n), (16-16*q), Z9, s0, (24-8*q)) \
	TERM16((8*n+2), (16-16*q), Z13, s0, (8-8*q)) \
	TERM16((8*n+4), (16-16*q), Z17, s1, (24-8*q)) \
	TERM16((8*n+6), (16-16*q), Z21, s1, (8-8*q))

	// both pieces of a half; the terms of the first wait to be added in order
#define HALF6(n, s0, s1) \
	PIECE6(n, 0, s0, s1) \
	VMOVAPS Z9, Z27 \
	VMOVAPS Z13, Z28 \
	VMOVAPS Z17, Z29 \
	VMOVAPS Z21, Z31 \
	PIECE6(n, 1, s0, s1) \
	VADDPS  Z27, Z25, Z25 \
	VADDPS  Z9, Z25, Z25 \
	VADDPS  Z28, Z25, Z25 \
	VADDPS  Z13, Z25, Z25 \
	VADDPS  Z29, Z25, Z25 \
	VADDPS  Z17, Z25, Z25 \
	VADDPS  Z31, Z25, Z25 \
	VADDPS  Z21, Z25, Z25

// func gemvQ6_KAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
//
// blocks are super-blocks. Z4-Z7 the dwords of scales   Z8 d   Z9-Z24 int32 sums
// Z25 float sums   Z27-Z29, Z31 terms
TEXT ·gemvQ6_KAVX512(SB), NOSPLIT, $0-56
	ARGS(gvones<>(SB))
	VPBROADCASTD gvnibble<>(SB), Z30
	VPXORD       Z25, Z25, Z25

block:
	LOADROWS(192, X20, Z20, X21, Z21, X22, Z22, X23, Z23)
	DWORDS(Z20, Z21, Z22, Z23, Z4, Z5, Z6, Z7)
	SCALES(208)
	VMOVAPS Z2, Z8
	HALF6(0, Z4, Z5)
	HALF6(1, Z6, Z7)
	ADDQ $210, SI
	ADDQ $210, R8
	ADDQ $210, R9
	ADDQ $210, R10
	ADDQ $(16*210), R12
	ADDQ $256, BX
	ADDQ $32, CX
	ADDQ $32, DI
	DECQ AX
	JNZ  block
	MOVQ y+0(FP), AX
	VMOVUPS Z25, (AX)
	VZEROUPPER
	RET

	// acc -= float32(Σx)·min·dx; ref's Min is minus the stored half, so it is added
#define TERMPLUS \
	VCVTDQ2PS    Z16, Z16 \
	VMULPS       Z2, Z16, Z16 \
	VMULPS.BCST  (CX), Z16, Z16 \
	VADDPS       Z16, Z24, Z24 \
	SCALES(2) \
	VPBROADCASTD (DI), Z0 \
	VPMADDWD     Z25, Z0, Z0 \
	VCVTDQ2PS    Z0, Z0 \
	VMULPS       Z2, Z0, Z0 \
	VMULPS.BCST  (CX), Z0, Z0 \
	VADDPS       Z0, Z24, Z24

// func gemvQ4_1AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ4_1AVX512(SB), NOSPLIT, $0-56
	ARGS(gvones<>(SB))
	VPBROADCASTD gvnibble<>(SB), Z30

block:
	XHALVES
	FOUR(4(SI), 4(R8), 4(R9), 4(R10))
	DOT(Z16)
	FOUR(4(SI)(DX*1), 4(R8)(DX*1), 4(R9)(DX*1), 4(R10)(DX*1))
	DOT(Z17)
	FOUR(4(SI)(DX*2), 4(R8)(DX*2), 4(R9)(DX*2), 4(R10)(DX*2))
	DOT(Z18)
	FOUR(4(SI)(R11*1), 4(R8)(R11*1), 4(R9)(R11*1), 4(R10)(R11*1))
	DOT(Z19)
	SCALES(0)
	FETCH4(0)
	PREFETCHT0 256(R12)
	ADDLANES
	TERMPLUS
	NEXT(20, block)

// func gemvQ5_1AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)
TEXT ·gemvQ5_1AVX512(SB), NOSPLIT, $0-56
	ARGS(gvones<>(SB))
	VPBROADCASTD    gvnibble<>(SB), Z30
	VPBROADCASTD    gvbit4<>(SB), Z28
	VPBROADCASTQ    gveach<>(SB), Z15
	VMOVDQU32       gvlanes<>(SB), Z14
	VBROADCASTI32X4 gvlow<>(SB), Z12
	VBROADCASTI32X4 gvhigh<>(SB), Z13

block:
	XHALVES
	FOUR(8(SI), 8(R8), 8(R9), 8(R10))
	FIFTHS(4(SI), 4(R8), 4(R9), 4(R10))
	DOT(Z16)
	FOUR(8(SI)(DX*1), 8(R8)(DX*1), 8(R9)(DX*1), 8(R10)(DX*1))
	FIFTHS(4(SI)(DX*1), 4(R8)(DX*1), 4(R9)(DX*1), 4(R10)(DX*1))
	DOT(Z17)
	FOUR(8(SI)(DX*2), 8(R8)(DX*2), 8(R9)(DX*2), 8(R10)(DX*2))
	FIFTHS(4(SI)(DX*2), 4(R8)(DX*2), 4(R9)(DX*2), 4(R10)(DX*2))
	DOT(Z18)
	FOUR(8(SI)(R11*1), 8(R8)(R11*1), 8(R9)(R11*1), 8(R10)(R11*1))
	FIFTHS(4(SI)(R11*1), 4(R8)(R11*1), 4(R9)(R11*1), 4(R10)(R11*1))
	DOT(Z19)
	SCALES(0)
	FETCH4(0)
	PREFETCHT0 256(R12)
	PREFETCHT0 320(R12)
	ADDLANES
	TERMPLUS
	NEXT(24, block)
