//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "stream_amd64.h"

// A few tokens times adjacent rows, read as one stream as in stream_avx512_amd64.s:
// the codes of 16 blocks are unpacked once and multiplied with each token.
//
//	func batchT·AVX512(a *batch)
//
//	SI weights   BX first halves of x's blocks   CX second halves   DI d   R8 sums   R9 terms
//	R12 bytes of x from token to token   R13 of d and sums   R14 of terms
//	AX steps left in the row   R10 rows left   R15 tokens left   R11 what the last step goes back in x
//	Z4-Z11 codes of 4 blocks each: first halves, second halves   Z16-Z19 int32 sums
//	Z24 order of the sums   Z25 bias pairs   Z2 scales   Z0, Z1, Z3, Z14 temporary   Z12, Z13, Z15, Z26-Z30 constants
//
//	for each row {
//		for each 16 blocks { // the last ones end with the row and may repeat terms
//			for each token {
//				i[block] = Σ (code+bias)·x - bias·Σx
//				terms[token][block] = float32(i)·scale·dx // lane = block, each rounded
//			}
//		}
//	}

DATA basign<>+0(SB)/4, $0x80808080
GLOBL basign<>(SB), RODATA|NOPTR, $4
DATA banibble<>+0(SB)/4, $0x0f0f0f0f
GLOBL banibble<>(SB), RODATA|NOPTR, $4
DATA babit4<>+0(SB)/4, $0x10101010
GLOBL babit4<>(SB), RODATA|NOPTR, $4
DATA babias128<>+0(SB)/4, $0xff80ff80 // two int16
GLOBL babias128<>(SB), RODATA|NOPTR, $4
DATA babias16<>+0(SB)/4, $0xfff0fff0
GLOBL babias16<>(SB), RODATA|NOPTR, $4
DATA babias8<>+0(SB)/4, $0xfff8fff8
GLOBL babias8<>(SB), RODATA|NOPTR, $4

// words of the scales in 136 bytes of Q8_0 and in 72 of Q4_0 (4 blocks)
DATA bascale34<>+0(SB)/8, $0x0031002000110000 // 0, 17, 32+0, 32+17
GLOBL bascale34<>(SB), RODATA|NOPTR, $8
DATA bascale18<>+0(SB)/8, $0x001b001200090000 // 0, 9, 18, 27
GLOBL bascale18<>(SB), RODATA|NOPTR, $8

// order of the sums of 4 blocks a register: dword i of lane j is block 4i+j
DATA baorder4<>+0(SB)/8, $0x0000000400000000
DATA baorder4<>+8(SB)/8, $0x0000000c00000008
DATA baorder4<>+16(SB)/8, $0x0000000500000001
DATA baorder4<>+24(SB)/8, $0x0000000d00000009
DATA baorder4<>+32(SB)/8, $0x0000000600000002
DATA baorder4<>+40(SB)/8, $0x0000000e0000000a
DATA baorder4<>+48(SB)/8, $0x0000000700000003
DATA baorder4<>+56(SB)/8, $0x0000000f0000000b
GLOBL baorder4<>(SB), RODATA|NOPTR, $64

// words of the codes of 4 blocks of Q4_0: of the first 64 of 72 bytes, from 32 on of the last 64
DATA bacodes18<>+0(SB)/8, $0x0004000300020001
DATA bacodes18<>+8(SB)/8, $0x0008000700060005
DATA bacodes18<>+16(SB)/8, $0x000d000c000b000a
DATA bacodes18<>+24(SB)/8, $0x00110010000f000e
DATA bacodes18<>+32(SB)/8, $0x0016001500140013
DATA bacodes18<>+40(SB)/8, $0x001a001900180017
DATA bacodes18<>+48(SB)/8, $0x001f001e001d001c
DATA bacodes18<>+56(SB)/8, $0x003f003e003d003c
GLOBL bacodes18<>(SB), RODATA|NOPTR, $64

// words of the codes of 4 blocks of Q5_0: of the first 64 of 88 bytes, from 32 on of the last 64
DATA bacodes22<>+0(SB)/8, $0x0006000500040003
DATA bacodes22<>+8(SB)/8, $0x000a000900080007
DATA bacodes22<>+16(SB)/8, $0x00110010000f000e
DATA bacodes22<>+24(SB)/8, $0x0015001400130012
DATA bacodes22<>+32(SB)/8, $0x001c001b001a0019
DATA bacodes22<>+40(SB)/8, $0x0034001f001e001d
DATA bacodes22<>+48(SB)/8, $0x003b003a00390038
DATA bacodes22<>+56(SB)/8, $0x003f003e003d003c
GLOBL bacodes22<>(SB), RODATA|NOPTR, $64

// words of their scales, four times a lane, and of their high bits, twice
DATA baheads22<>+0(SB)/8, $0x0000000000000000
DATA baheads22<>+8(SB)/8, $0x0002000100020001
DATA baheads22<>+16(SB)/8, $0x000b000b000b000b
DATA baheads22<>+24(SB)/8, $0x000d000c000d000c
DATA baheads22<>+32(SB)/8, $0x0016001600160016
DATA baheads22<>+40(SB)/8, $0x0018001700180017
DATA baheads22<>+48(SB)/8, $0x0035003500350035
DATA baheads22<>+56(SB)/8, $0x0037003600370036
GLOBL baheads22<>(SB), RODATA|NOPTR, $64

// scales of 16 blocks from the words of Q5_0: word n of lane j is block 4n+j
DATA baorder22<>+0(SB)/8, $0x0018001000080000
DATA baorder22<>+8(SB)/8, $0x0019001100090001
DATA baorder22<>+16(SB)/8, $0x001a0012000a0002
DATA baorder22<>+24(SB)/8, $0x001b0013000b0003
DATA baorder22<>+32(SB)/8, $0x0000000000000000
DATA baorder22<>+40(SB)/8, $0x0000000000000000
DATA baorder22<>+48(SB)/8, $0x0000000000000000
DATA baorder22<>+56(SB)/8, $0x0000000000000000
GLOBL baorder22<>(SB), RODATA|NOPTR, $64

// bytes of the high bits of the first 16 codes, of the second; the bit of each code
DATA balow22<>+0(SB)/8, $0x0808080808080808
DATA balow22<>+8(SB)/8, $0x0909090909090909
GLOBL balow22<>(SB), RODATA|NOPTR, $16
DATA bahigh22<>+0(SB)/8, $0x0a0a0a0a0a0a0a0a
DATA bahigh22<>+8(SB)/8, $0x0b0b0b0b0b0b0b0b
GLOBL bahigh22<>(SB), RODATA|NOPTR, $16
DATA baeach<>+0(SB)/8, $0x8040201008040201
GLOBL baeach<>(SB), RODATA|NOPTR, $8

#define BATCHARGS \
	MOVQ a+0(FP), DX \
	MOVQ batch_w(DX), SI \
	MOVQ batch_rows(DX), R10 \
	MOVQ batch_xStride(DX), R12 \
	MOVQ batch_dStride(DX), R13 \
	MOVQ batch_termStride(DX), R14 \
	VMOVDQU32 baorder4<>(SB), Z24

#define BATCHROW \
	MOVQ batch_x(DX), BX \
	MOVQ batch_x2(DX), CX \
	MOVQ batch_d(DX), DI \
	MOVQ batch_sum(DX), R8 \
	MOVQ batch_terms(DX), R9 \
	MOVQ batch_steps(DX), AX \
	MOVQ batch_backX(DX), R11

	// all tokens of a step; then the next step, or back so far that one ends with
	// the row; then the next row
#define BATCHSTEP(bytes, TERMS, row, step) \
	MOVQ batch_tokens(DX), R15 \
token: \
	VPXORD   Z16, Z16, Z16 \
	VPXORD   Z17, Z17, Z17 \
	VPXORD   Z18, Z18, Z18 \
	VPXORD   Z19, Z19, Z19 \
	VPDPBUSD (BX), Z4, Z16 \
	VPDPBUSD 64(BX), Z6, Z17 \
	VPDPBUSD 128(BX), Z8, Z18 \
	VPDPBUSD 192(BX), Z10, Z19 \
	VPDPBUSD (CX), Z5, Z16 \
	VPDPBUSD 64(CX), Z7, Z17 \
	VPDPBUSD 128(CX), Z9, Z18 \
	VPDPBUSD 192(CX), Z11, Z19 \
	ADD2(Z16, Z17) \
	ADD2(Z18, Z19) \
	ADD4(Z16, Z18) \
	TERMS \
	ADDQ R12, BX \
	ADDQ R12, CX \
	ADDQ R13, DI \
	ADDQ R13, R8 \
	ADDQ R14, R9 \
	DECQ R15 \
	JNZ  token \
	ADDQ $(bytes), SI \
	ADDQ batch_nextX(DX), BX \
	ADDQ batch_nextX(DX), CX \
	ADDQ batch_nextD(DX), DI \
	ADDQ batch_nextD(DX), R8 \
	ADDQ batch_nextTerms(DX), R9 \
	DECQ AX \
	JG   step \
	TESTQ R11, R11 \
	JZ   2(PC) \
	JMP  back \
	MOVQ batch_stride(DX), R9 \
	ADDQ R9, batch_terms(DX) \
	DECQ R10 \
	JNZ  row \
	VZEROUPPER \
	RET \
back: \
	ADDQ batch_backBytes(DX), SI \
	ADDQ R11, BX \
	ADDQ R11, CX \
	MOVQ batch_back4(DX), R11 \
	ADDQ R11, DI \
	ADDQ R11, R8 \
	ADDQ batch_backTerms(DX), R9 \
	XORL R11, R11 \
	MOVL $1, AX \
	JMP  step

	// the codes of 4 blocks, their scales to every quadword of s
#define FOUR8(n, lo, hi, s) \
	VMOVDQU      (136*n+2)(SI), Y0 \
	VMOVDQU      (136*n+70)(SI), Y1 \
	VINSERTI64X4 $1, (136*n+36)(SI), Z0, Z0 \
	VINSERTI64X4 $1, (136*n+104)(SI), Z1, Z1 \
	VMOVDQU32    (136*n)(SI), s \
	VPERMT2W     (136*n+68)(SI), Z29, s \
	VSHUFI32X4   $0x88, Z1, Z0, lo \
	VSHUFI32X4   $0xdd, Z1, Z0, hi \
	VPXORD       Z30, lo, lo \
	VPXORD       Z30, hi, hi

// func batchQ8_0AVX512(a *batch)
TEXT ·batchQ8_0AVX512(SB), NOSPLIT, $0-8
	BATCHARGS
	VPBROADCASTD babias128<>(SB), Z25
	VPBROADCASTD basign<>(SB), Z30
	VPBROADCASTQ bascale34<>(SB), Z29

row:
	BATCHROW

step:
	FETCH5(0)
	FETCH5(272)
	FOUR8(0, Z4, Z5, Z2)
	FOUR8(1, Z6, Z7, Z3)
	FOUR8(2, Z8, Z9, Z16)
	FOUR8(3, Z10, Z11, Z17)
	VPUNPCKLQDQ Z3, Z2, Z2
	VPUNPCKLQDQ Z17, Z16, Z16
	VINSERTI32X4 $1, X16, Z2, Z2
	VCVTPH2PS   Y2, Z2
	BATCHSTEP(544, TERMS, row, step)

	// the same of Q4_0, the scales to lane n of Z2
#define FOUR4(n, k, lo, hi) \
	VMOVDQU32 (72*n)(SI), lo \
	VPERMW    lo, Z29, k, Z2 \
	VPERMT2W  (72*n+8)(SI), Z28, lo \
	VPSRLW    $4, lo, hi \
	VPANDD    Z30, lo, lo \
	VPANDD    Z30, hi, hi

// func batchQ4_0AVX512(a *batch)
TEXT ·batchQ4_0AVX512(SB), NOSPLIT, $0-8
	BATCHARGS
	VPBROADCASTD babias8<>(SB), Z25
	VPBROADCASTD banibble<>(SB), Z30
	VPBROADCASTQ bascale18<>(SB), Z29
	VMOVDQU32    bacodes18<>(SB), Z28
	MOVL $0x000f, AX
	KMOVD AX, K1
	MOVL $0x00f0, AX
	KMOVD AX, K2
	MOVL $0x0f00, AX
	KMOVD AX, K3
	MOVL $0xf000, AX
	KMOVD AX, K4

row:
	BATCHROW

step:
	FETCH5(0)
	VPXORD Z2, Z2, Z2
	FOUR4(0, K1, Z4, Z5)
	FOUR4(1, K2, Z6, Z7)
	FOUR4(2, K3, Z8, Z9)
	FOUR4(3, K4, Z10, Z11)
	VCVTPH2PS Y2, Z2
	BATCHSTEP(288, TERMS, row, step)

	// the same of Q5_0, the scales to word n of the lanes of Z2
#define FOUR5(n, k, lo, hi) \
	VMOVDQU32 (88*n)(SI), lo \
	VMOVDQA64 Z26, Z3 \
	VPERMI2W  (88*n+24)(SI), lo, Z3 \
	VPERMT2W  (88*n+24)(SI), Z28, lo \
	VMOVDQU16 Z3, k, Z2 \
	VPSHUFB   Z12, Z3, Z14 \
	VPSHUFB   Z13, Z3, Z3 \
	VPTESTMB  Z15, Z14, K5 \
	VPTESTMB  Z15, Z3, K6 \
	VPSRLW    $4, lo, hi \
	VPANDD    Z30, lo, lo \
	VPANDD    Z30, hi, hi \
	VPADDB    Z29, lo, K5, lo \
	VPADDB    Z29, hi, K6, hi

// func batchQ5_0AVX512(a *batch)
TEXT ·batchQ5_0AVX512(SB), NOSPLIT, $0-8
	BATCHARGS
	VPBROADCASTD    babias16<>(SB), Z25
	VPBROADCASTD    banibble<>(SB), Z30
	VPBROADCASTD    babit4<>(SB), Z29
	VMOVDQU32       bacodes22<>(SB), Z28
	VMOVDQU32       baorder22<>(SB), Z27
	VMOVDQU32       baheads22<>(SB), Z26
	VPBROADCASTQ    baeach<>(SB), Z15
	VBROADCASTI32X4 bahigh22<>(SB), Z13
	VBROADCASTI32X4 balow22<>(SB), Z12
	MOVQ  $0x1111111111111111, AX // word 0 of each four
	KMOVQ AX, K1
	ADDQ  AX, AX
	KMOVQ AX, K2
	ADDQ  AX, AX
	KMOVQ AX, K3
	ADDQ  AX, AX
	KMOVQ AX, K4

row:
	BATCHROW

step:
	FETCH5(0)
	PREFETCHT0 (AHEAD+320)(SI)
	FOUR5(0, K1, Z4, Z5)
	FOUR5(1, K2, Z6, Z7)
	FOUR5(2, K3, Z8, Z9)
	FOUR5(3, K4, Z10, Z11)
	VPERMW    Z2, Z27, Z2
	VCVTPH2PS Y2, Z2
	BATCHSTEP(352, TERMS, row, step)

// order of the sums of 4 sub-blocks a register, 0 2 1 3: dword i of lane j
DATA baswapped<>+0(SB)/8, $0x0000000800000000
DATA baswapped<>+8(SB)/8, $0x0000000c00000004
DATA baswapped<>+16(SB)/8, $0x0000000900000001
DATA baswapped<>+24(SB)/8, $0x0000000d00000005
DATA baswapped<>+32(SB)/8, $0x0000000a00000002
DATA baswapped<>+40(SB)/8, $0x0000000e00000006
DATA baswapped<>+48(SB)/8, $0x0000000b00000003
DATA baswapped<>+56(SB)/8, $0x0000000f00000007
GLOBL baswapped<>(SB), RODATA|NOPTR, $64

// scales and mins of Q4_K as in streamk_avx512_amd64.s
DATA baheads<>+0(SB)/8, $0x8009800580088004
DATA baheads<>+8(SB)/8, $0x800b8007800a8006
DATA baheads<>+16(SB)/8, $0x090d050d080c040c
DATA baheads<>+24(SB)/8, $0x0b0f070f0a0e060e
GLOBL baheads<>(SB), RODATA|NOPTR, $32
DATA bashift<>+0(SB)/8, $0x0000000000000000
DATA bashift<>+8(SB)/8, $0x0000000000000000
DATA bashift<>+16(SB)/8, $0x0004000000040000
DATA bashift<>+24(SB)/8, $0x0004000000040000
GLOBL bashift<>(SB), RODATA|NOPTR, $32
DATA bamaskA<>+0(SB)/8, $0x003f003f003f003f
DATA bamaskA<>+8(SB)/8, $0x003f003f003f003f
DATA bamaskA<>+16(SB)/8, $0x000f000f000f000f
DATA bamaskA<>+24(SB)/8, $0x000f000f000f000f
GLOBL bamaskA<>(SB), RODATA|NOPTR, $32
DATA bamaskB<>+0(SB)/8, $0x0000000000000000
DATA bamaskB<>+8(SB)/8, $0x0000000000000000
DATA bamaskB<>+16(SB)/8, $0x0030003000300030
DATA bamaskB<>+24(SB)/8, $0x0030003000300030
GLOBL bamaskB<>(SB), RODATA|NOPTR, $32
DATA badmin<>+0(SB)/8, $0x0000000000000000
DATA badmin<>+8(SB)/8, $0x0000000000000000
DATA badmin<>+16(SB)/8, $0x0010001000100010
DATA badmin<>+24(SB)/8, $0x0010001000100010
DATA badmin<>+32(SB)/8, $0x0001000100010001
DATA badmin<>+40(SB)/8, $0x0001000100010001
DATA badmin<>+48(SB)/8, $0x0011001100110011
DATA badmin<>+56(SB)/8, $0x0011001100110011
GLOBL badmin<>(SB), RODATA|NOPTR, $64
DATA baturns<>+0(SB)/8, $0x0000001000000000
DATA baturns<>+8(SB)/8, $0x0000001100000001
DATA baturns<>+16(SB)/8, $0x0000001200000002
DATA baturns<>+24(SB)/8, $0x0000001300000003
DATA baturns<>+32(SB)/8, $0x0000001400000004
DATA baturns<>+40(SB)/8, $0x0000001500000005
DATA baturns<>+48(SB)/8, $0x0000001600000006
DATA baturns<>+56(SB)/8, $0x0000001700000007
DATA baturns<>+64(SB)/8, $0x0000001800000008
DATA baturns<>+72(SB)/8, $0x0000001900000009
DATA baturns<>+80(SB)/8, $0x0000001a0000000a
DATA baturns<>+88(SB)/8, $0x0000001b0000000b
DATA baturns<>+96(SB)/8, $0x0000001c0000000c
DATA baturns<>+104(SB)/8, $0x0000001d0000000d
DATA baturns<>+112(SB)/8, $0x0000001e0000000e
DATA baturns<>+120(SB)/8, $0x0000001f0000000f
GLOBL baturns<>(SB), RODATA|NOPTR, $128
DATA baminus<>+0(SB)/4, $0xffffffff
GLOBL baminus<>(SB), RODATA|NOPTR, $4

	// the codes of 4 sub-blocks, 0 2 1 3
#define QUARTER4(o, lo, hi) \
	VMOVDQU32  (o)(SI), Z0 \
	VPSRLW     $4, Z0, Z1 \
	VPANDD     Z30, Z0, Z0 \
	VPANDD     Z30, Z1, Z1 \
	VSHUFI32X4 $0x88, Z1, Z0, lo \
	VSHUFI32X4 $0xdd, Z1, Z0, hi

	// terms = float32(i)·scale·dx and -float32(Σx)·min·dx, by turns
#define TERMSMIN \
	VPERMD    Z16, Z24, Z16 \
	VPMADDWD  (R8), Z25, Z1 \
	VCVTDQ2PS Z16, Z16 \
	VCVTDQ2PS Z1, Z1 \
	VMULPS    Z2, Z16, Z16 \
	VMULPS    Z3, Z1, Z1 \
	VMULPS    (DI), Z16, Z16 \
	VMULPS    (DI), Z1, Z1 \
	VMOVAPS   Z14, Z0 \
	VMOVAPS   Z15, Z17 \
	VPERMI2PS Z1, Z16, Z0 \
	VPERMI2PS Z1, Z16, Z17 \
	VMOVUPS   Z0, (R9) \
	VMOVUPS   Z17, 64(R9)

// func batchQ4_KAVX512(a *batch)
//
// A step is two super-blocks. Z2 scales, Z3 mins, Z16-Z20 temporary before the tokens.
TEXT ·batchQ4_KAVX512(SB), NOSPLIT, $0-8
	BATCHARGS
	VMOVDQU32       baswapped<>(SB), Z24
	VPBROADCASTD    baminus<>(SB), Z25
	VPBROADCASTD    banibble<>(SB), Z30
	VBROADCASTI64X4 baheads<>(SB), Z29
	VBROADCASTI64X4 bashift<>(SB), Z28
	VBROADCASTI64X4 bamaskA<>(SB), Z27
	VBROADCASTI64X4 bamaskB<>(SB), Z26
	VMOVDQU32       badmin<>(SB), Z31
	VMOVUPS         baturns<>(SB), Z14
	VMOVUPS         baturns<>+64(SB), Z15
	MOVL            $0xff00, AX
	KMOVD           AX, K1

row:
	BATCHROW

step:
	FETCH5(0)
	QUARTER4(16, Z4, Z5)
	QUARTER4(80, Z6, Z7)
	QUARTER4(160, Z8, Z9)
	QUARTER4(224, Z10, Z11)
	VBROADCASTI32X4 (SI), Z16
	VBROADCASTI32X4 144(SI), K1, Z16
	VPSHUFB         Z29, Z16, Z17
	VPERMW          Z16, Z31, Z18
	VPSRLW          $10, Z17, Z19
	VPSRLVW         Z28, Z17, Z17
	VEXTRACTI64X4   $1, Z18, Y20
	VCVTPH2PS       Y18, Z18
	VCVTPH2PS       Y20, Z20
	VPANDD          Z27, Z17, Z17
	VPTERNLOGD      $0xf8, Z26, Z19, Z17
	VPSRLD          $16, Z17, Z19
	VPSLLD          $16, Z17, Z17
	VPSRLD          $16, Z17, Z17
	VCVTDQ2PS       Z19, Z19
	VCVTDQ2PS       Z17, Z17
	VMULPS          Z20, Z19, Z3
	VMULPS          Z18, Z17, Z2
	BATCHSTEP(288, TERMSMIN, row, step)
