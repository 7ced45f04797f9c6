//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "stream_amd64.h"

// One token times adjacent rows, read as one linear stream: the memory's prefetcher
// follows one stream of small pages at its full speed, sixteen at two thirds of it.
//
//	func streamT·AVX512(a *stream)
//
//	SI weights   BX x (CX second halves)   DI d   R8 sums   R9 terms   AX steps left in the row   R10 rows left
//	R11 what the last step of a row goes back in x, 0: it does not
//	Z16-Z23 int32 sums   Z25 bias pairs   Z2 scales   Z0, Z1, Z3 temporary   Z24, Z26-Z31 constants
//
//	for each row {
//		for each 16 blocks { // the last ones end with the row and may repeat terms
//			i[block] = Σ (code+bias)·x - bias·Σx
//			terms[block] = float32(i)·scale·dx // lane = block, each rounded
//		}
//	}
//
// sumTermsAVX512 then adds the terms of 16 rows in the order of the blocks.

DATA stsign<>+0(SB)/4, $0x80808080
GLOBL stsign<>(SB), RODATA|NOPTR, $4
DATA stnibble<>+0(SB)/4, $0x0f0f0f0f
GLOBL stnibble<>(SB), RODATA|NOPTR, $4
DATA stones<>+0(SB)/4, $0x00010001
GLOBL stones<>(SB), RODATA|NOPTR, $4
DATA stbias128<>+0(SB)/4, $0xff80ff80 // two int16
GLOBL stbias128<>(SB), RODATA|NOPTR, $4
DATA stbias16<>+0(SB)/4, $0xfff0fff0
GLOBL stbias16<>(SB), RODATA|NOPTR, $4
DATA stbias8<>+0(SB)/4, $0xfff8fff8
GLOBL stbias8<>(SB), RODATA|NOPTR, $4

// words of the scales in 128 bytes of Q8_0 (4 blocks)
DATA stscale34<>+0(SB)/8, $0x0031002000110000 // 0, 17, 32+0, 32+17
GLOBL stscale34<>(SB), RODATA|NOPTR, $8
// of the scales of 16 blocks of Q4_0, in those registers
DATA stscale18<>+0(SB)/8, $0x001b001200090000
DATA stscale18<>+8(SB)/8, $0x001f0016000d0004
DATA stscale18<>+16(SB)/8, $0x0003001a00110008
DATA stscale18<>+24(SB)/8, $0x0017001e0015000c
DATA stscale18<>+32(SB)/8, $0x0000000000000000
DATA stscale18<>+40(SB)/8, $0x0000000000000000
DATA stscale18<>+48(SB)/8, $0x0000000000000000
DATA stscale18<>+56(SB)/8, $0x0000000000000000
GLOBL stscale18<>(SB), RODATA|NOPTR, $64

// order of the blocks in sums of Q8_0: dword i of lane 0 is block 2i, of lane 1
// 2i+1, of lanes 2 and 3 8 further
DATA storder2<>+0(SB)/8, $0x0000000400000000
DATA storder2<>+8(SB)/8, $0x0000000500000001
DATA storder2<>+16(SB)/8, $0x0000000600000002
DATA storder2<>+24(SB)/8, $0x0000000700000003
DATA storder2<>+32(SB)/8, $0x0000000c00000008
DATA storder2<>+40(SB)/8, $0x0000000d00000009
DATA storder2<>+48(SB)/8, $0x0000000e0000000a
DATA storder2<>+56(SB)/8, $0x0000000f0000000b
GLOBL storder2<>(SB), RODATA|NOPTR, $64

// of 4 blocks a register: dword i of lane j is block 4i+j
DATA storder4<>+0(SB)/8, $0x0000000400000000
DATA storder4<>+8(SB)/8, $0x0000000c00000008
DATA storder4<>+16(SB)/8, $0x0000000500000001
DATA storder4<>+24(SB)/8, $0x0000000d00000009
DATA storder4<>+32(SB)/8, $0x0000000600000002
DATA storder4<>+40(SB)/8, $0x0000000e0000000a
DATA storder4<>+48(SB)/8, $0x0000000700000003
DATA storder4<>+56(SB)/8, $0x0000000f0000000b
GLOBL storder4<>(SB), RODATA|NOPTR, $64

// words of the codes of blocks 4n to 4n+3 of Q4_0: of the registers n and n+1 that hold 64
// bytes from 0, 64, 128, 192, 224 on
DATA stcodes18<>+0(SB)/8, $0x0004000300020001
DATA stcodes18<>+8(SB)/8, $0x0008000700060005
DATA stcodes18<>+16(SB)/8, $0x000d000c000b000a
DATA stcodes18<>+24(SB)/8, $0x00110010000f000e
DATA stcodes18<>+32(SB)/8, $0x0016001500140013
DATA stcodes18<>+40(SB)/8, $0x001a001900180017
DATA stcodes18<>+48(SB)/8, $0x001f001e001d001c
DATA stcodes18<>+56(SB)/8, $0x0023002200210020
DATA stcodes18<>+64(SB)/8, $0x0008000700060005
DATA stcodes18<>+72(SB)/8, $0x000c000b000a0009
DATA stcodes18<>+80(SB)/8, $0x00110010000f000e
DATA stcodes18<>+88(SB)/8, $0x0015001400130012
DATA stcodes18<>+96(SB)/8, $0x001a001900180017
DATA stcodes18<>+104(SB)/8, $0x001e001d001c001b
DATA stcodes18<>+112(SB)/8, $0x0023002200210020
DATA stcodes18<>+120(SB)/8, $0x0027002600250024
DATA stcodes18<>+128(SB)/8, $0x000c000b000a0009
DATA stcodes18<>+136(SB)/8, $0x0010000f000e000d
DATA stcodes18<>+144(SB)/8, $0x0015001400130012
DATA stcodes18<>+152(SB)/8, $0x0019001800170016
DATA stcodes18<>+160(SB)/8, $0x001e001d001c001b
DATA stcodes18<>+168(SB)/8, $0x002200210020001f
DATA stcodes18<>+176(SB)/8, $0x0027002600250024
DATA stcodes18<>+184(SB)/8, $0x002b002a00290028
DATA stcodes18<>+192(SB)/8, $0x0010000f000e000d
DATA stcodes18<>+200(SB)/8, $0x0014001300120011
DATA stcodes18<>+208(SB)/8, $0x0019001800170016
DATA stcodes18<>+216(SB)/8, $0x001d001c001b001a
DATA stcodes18<>+224(SB)/8, $0x003200310030001f
DATA stcodes18<>+232(SB)/8, $0x0036003500340033
DATA stcodes18<>+240(SB)/8, $0x003b003a00390038
DATA stcodes18<>+248(SB)/8, $0x003f003e003d003c
GLOBL stcodes18<>(SB), RODATA|NOPTR, $256

	// i = codes·x of two blocks, 8 partial sums each
#define TWO(n, i) \
	VMOVDQU      (68*n+2)(SI), Y0 \
	VINSERTI64X4 $1, (68*n+36)(SI), Z0, Z0 \
	VPXORD       Z30, Z0, Z0 \
	VPXORD       i, i, i \
	VPDPBUSD     (64*n)(BX), Z0, i

	// the scales of 4 blocks in every quadword
#define SCALES4(n, z) \
	VMOVDQU32 (68*n)(SI), z \
	VPERMT2W  (68*n+68)(SI), Z29, z

// func streamQ8_0AVX512(a *stream)
TEXT ·streamQ8_0AVX512(SB), NOSPLIT, $0-8
	ARGS
	VPBROADCASTD stbias128<>(SB), Z25
	VPBROADCASTD stsign<>(SB), Z30
	VPBROADCASTQ stscale34<>(SB), Z29
	VMOVDQU32    storder2<>(SB), Z24

row:
	ROW

step:
	FETCH5(0)
	FETCH5(272)
	TWO(0, Z16)
	TWO(1, Z17)
	TWO(2, Z18)
	TWO(3, Z19)
	TWO(4, Z20)
	TWO(5, Z21)
	TWO(6, Z22)
	TWO(7, Z23)
	SCALES4(0, Z2)
	SCALES4(2, Z3)
	SCALES4(4, Z4)
	SCALES4(6, Z5)
	VPUNPCKLQDQ X3, X2, X2
	VPUNPCKLQDQ X5, X4, X4
	VINSERTI128 $1, X4, Y2, Y2
	VCVTPH2PS   Y2, Z2
	ADD2(Z16, Z17)
	ADD2(Z18, Z19)
	ADD2(Z20, Z21)
	ADD2(Z22, Z23)
	ADD4(Z16, Z18)
	ADD4(Z20, Z22)
	VSHUFI32X4 $0x88, Z20, Z16, Z0
	VSHUFI32X4 $0xdd, Z20, Z16, Z1
	VPADDD Z0, Z1, Z16
	TERMS
	NEXT(544, 512, 64, 64, row, step)

	// i = codes·x of four blocks, 4 partial sums each
#define FOUR(n, z, i) \
	VPSRLW   $4, z, Z1 \
	VPANDD   Z30, z, z \
	VPANDD   Z30, Z1, Z1 \
	VPXORD   i, i, i \
	VPDPBUSD (64*n)(BX), z, i \
	VPDPBUSD (64*n)(CX), Z1, i

// func streamQ4_0AVX512(a *stream)
TEXT ·streamQ4_0AVX512(SB), NOSPLIT, $0-8
	ARGS
	VPBROADCASTD stbias8<>(SB), Z25
	VPBROADCASTD stnibble<>(SB), Z30
	VPBROADCASTD stones<>(SB), Z31
	VMOVDQU32    stscale18<>(SB), Z29
	VMOVDQU32    stcodes18<>(SB), Z12
	VMOVDQU32    stcodes18<>+64(SB), Z13
	VMOVDQU32    stcodes18<>+128(SB), Z14
	VMOVDQU32    stcodes18<>+192(SB), Z15
	VMOVDQU32    storder4<>(SB), Z24
	MOVL $0x000f, AX // the scales in each register
	KMOVD AX, K1
	MOVL $0x00f0, AX
	KMOVD AX, K2
	MOVL $0x0700, AX
	KMOVD AX, K3
	MOVL $0x7800, AX
	KMOVD AX, K4
	MOVL $0x8000, AX
	KMOVD AX, K5

row:
	ROW

step:
	FETCH5(0)
	VMOVDQU32 (SI), Z4
	VMOVDQU32 64(SI), Z5
	VMOVDQU32 128(SI), Z6
	VMOVDQU32 192(SI), Z7
	VMOVDQU32 224(SI), Z8
	VPERMW.Z  Z4, Z29, K1, Z2
	VPERMW    Z5, Z29, K2, Z2
	VPERMW    Z6, Z29, K3, Z2
	VPERMW    Z7, Z29, K4, Z2
	VPERMW    Z8, Z29, K5, Z2
	VPERMT2W  Z5, Z12, Z4
	VPERMT2W  Z6, Z13, Z5
	VPERMT2W  Z7, Z14, Z6
	VPERMT2W  Z8, Z15, Z7
	FOUR(0, Z4, Z16)
	FOUR(1, Z5, Z17)
	FOUR(2, Z6, Z18)
	FOUR(3, Z7, Z19)
	PAIRS(Z31, Z17, Z16)
	PAIRS(Z31, Z19, Z18)
	PAIRS(Z31, Z18, Z16)
	VCVTPH2PS Y2, Z2
	TERMS
	NEXT(288, 256, 64, 64, row, step)

// words of the codes of 4 blocks of Q5_0 in two registers: of the 64 bytes where they
// begin and the next 64, then of those from 24 bytes before and from 24 after
DATA stcodes22<>+0(SB)/8, $0x0006000500040003
DATA stcodes22<>+8(SB)/8, $0x000a000900080007
DATA stcodes22<>+16(SB)/8, $0x00110010000f000e
DATA stcodes22<>+24(SB)/8, $0x0015001400130012
DATA stcodes22<>+32(SB)/8, $0x001c001b001a0019
DATA stcodes22<>+40(SB)/8, $0x0020001f001e001d
DATA stcodes22<>+48(SB)/8, $0x0027002600250024
DATA stcodes22<>+56(SB)/8, $0x002b002a00290028
DATA stcodes22<>+64(SB)/8, $0x001200110010000f
DATA stcodes22<>+72(SB)/8, $0x0016001500140013
DATA stcodes22<>+80(SB)/8, $0x001d001c001b001a
DATA stcodes22<>+88(SB)/8, $0x00290028001f001e
DATA stcodes22<>+96(SB)/8, $0x0030002f002e002d
DATA stcodes22<>+104(SB)/8, $0x0034003300320031
DATA stcodes22<>+112(SB)/8, $0x003b003a00390038
DATA stcodes22<>+120(SB)/8, $0x003f003e003d003c
GLOBL stcodes22<>(SB), RODATA|NOPTR, $128

// words of their scales, four times a lane, and of their high bits, twice
DATA stheads22<>+0(SB)/8, $0x0000000000000000
DATA stheads22<>+8(SB)/8, $0x0002000100020001
DATA stheads22<>+16(SB)/8, $0x000b000b000b000b
DATA stheads22<>+24(SB)/8, $0x000d000c000d000c
DATA stheads22<>+32(SB)/8, $0x0016001600160016
DATA stheads22<>+40(SB)/8, $0x0018001700180017
DATA stheads22<>+48(SB)/8, $0x0021002100210021
DATA stheads22<>+56(SB)/8, $0x0023002200230022
DATA stheads22<>+64(SB)/8, $0x000c000c000c000c
DATA stheads22<>+72(SB)/8, $0x000e000d000e000d
DATA stheads22<>+80(SB)/8, $0x0017001700170017
DATA stheads22<>+88(SB)/8, $0x0019001800190018
DATA stheads22<>+96(SB)/8, $0x002a002a002a002a
DATA stheads22<>+104(SB)/8, $0x002c002b002c002b
DATA stheads22<>+112(SB)/8, $0x0035003500350035
DATA stheads22<>+120(SB)/8, $0x0037003600370036
GLOBL stheads22<>(SB), RODATA|NOPTR, $128

// scales of 16 blocks from the words of Q5_0: word n of lane j is block 4n+j
DATA storder22<>+0(SB)/8, $0x0018001000080000
DATA storder22<>+8(SB)/8, $0x0019001100090001
DATA storder22<>+16(SB)/8, $0x001a0012000a0002
DATA storder22<>+24(SB)/8, $0x001b0013000b0003
DATA storder22<>+32(SB)/8, $0x0000000000000000
DATA storder22<>+40(SB)/8, $0x0000000000000000
DATA storder22<>+48(SB)/8, $0x0000000000000000
DATA storder22<>+56(SB)/8, $0x0000000000000000
GLOBL storder22<>(SB), RODATA|NOPTR, $64

// bytes of the high bits of the first 16 codes, of the second
DATA stlow22<>+0(SB)/8, $0x0808080808080808
DATA stlow22<>+8(SB)/8, $0x0909090909090909
GLOBL stlow22<>(SB), RODATA|NOPTR, $16
DATA sthigh22<>+0(SB)/8, $0x0a0a0a0a0a0a0a0a
DATA sthigh22<>+8(SB)/8, $0x0b0b0b0b0b0b0b0b
GLOBL sthigh22<>(SB), RODATA|NOPTR, $16
DATA steach<>+0(SB)/8, $0x8040201008040201
GLOBL steach<>(SB), RODATA|NOPTR, $8
DATA stbit4<>+0(SB)/4, $0x10101010
GLOBL stbit4<>(SB), RODATA|NOPTR, $4

	// FOUR from registers a and b, with fifth bits; the scales to word n of the lanes of Z2
#define FOUR5(n, k, heads, codes, a, b, i) \
	VMOVDQA64 heads, Z3 \
	VPERMI2W  b, a, Z3 \
	VPERMT2W  b, codes, a \
	VMOVDQU16 Z3, k, Z2 \
	VPSHUFB   Z12, Z3, Z4 \
	VPSHUFB   Z13, Z3, Z3 \
	VPTESTMB  Z15, Z4, K5 \
	VPTESTMB  Z15, Z3, K6 \
	VPSRLW    $4, a, Z1 \
	VPANDD    Z30, a, Z0 \
	VPANDD    Z30, Z1, Z1 \
	VPADDB    Z29, Z0, K5, Z0 \
	VPADDB    Z29, Z1, K6, Z1 \
	VPXORD    i, i, i \
	VPDPBUSD  (64*n)(BX), Z0, i \
	VPDPBUSD  (64*n)(CX), Z1, i

// func streamQ5_0AVX512(a *stream)
TEXT ·streamQ5_0AVX512(SB), NOSPLIT, $0-8
	ARGS
	VPBROADCASTD    stbias16<>(SB), Z25
	VPBROADCASTD    stnibble<>(SB), Z30
	VPBROADCASTD    stones<>(SB), Z31
	VPBROADCASTD    stbit4<>(SB), Z29
	VMOVDQU32       stcodes22<>(SB), Z28
	VMOVDQU32       stcodes22<>+64(SB), Z14
	VMOVDQU32       stheads22<>(SB), Z26
	VMOVDQU32       stheads22<>+64(SB), Z11
	VMOVDQU32       storder22<>(SB), Z27
	VMOVDQU32       storder4<>(SB), Z24
	VPBROADCASTQ    steach<>(SB), Z15
	VBROADCASTI32X4 sthigh22<>(SB), Z13
	VBROADCASTI32X4 stlow22<>(SB), Z12
	MOVQ  $0x1111111111111111, AX // word 0 of each four
	KMOVQ AX, K1
	ADDQ  AX, AX
	KMOVQ AX, K2
	ADDQ  AX, AX
	KMOVQ AX, K3
	ADDQ  AX, AX
	KMOVQ AX, K4

row:
	ROW

step:
	FETCH5(0)
	PREFETCHT0 (AHEAD+320)(SI)
	VMOVDQU32 (SI), Z5
	VMOVDQU32 64(SI), Z6
	VMOVDQU32 112(SI), Z7
	VMOVDQU32 176(SI), Z8
	VMOVDQU32 240(SI), Z9
	VMOVDQU32 288(SI), Z10
	FOUR5(0, K1, Z26, Z28, Z5, Z6, Z16)
	FOUR5(1, K2, Z11, Z14, Z6, Z7, Z17)
	FOUR5(2, K3, Z26, Z28, Z8, Z9, Z18)
	FOUR5(3, K4, Z11, Z14, Z9, Z10, Z19)
	VPERMW    Z2, Z27, Z2
	VCVTPH2PS Y2, Z2
	PAIRS(Z31, Z17, Z16)
	PAIRS(Z31, Z19, Z18)
	ADD4PAIRS(Z16, Z18)
	TERMS
	NEXT(352, 256, 64, 64, row, step)

	// z = 4 terms of rows r, r+4, r+8, r+12; a masked load, unlike an insertion, is no shuffle
#define LOAD4(a, b, c, d, x, z) \
	VMOVUPS         a, x \
	VBROADCASTF32X4 b, K1, z \
	VBROADCASTF32X4 c, K2, z \
	VBROADCASTF32X4 d, K3, z

// func sumTermsAVX512(y, terms *float32, stride, n int)
//
// y[row] = Σ terms[row·stride+i] of 16 rows, i ascending; lane = row
TEXT ·sumTermsAVX512(SB), NOSPLIT, $0-32
	MOVQ y+0(FP), DI
	MOVQ terms+8(FP), SI
	MOVQ stride+16(FP), DX
	MOVQ n+24(FP), AX
	MOVL $0x00f0, R11
	KMOVD R11, K1
	MOVL $0x0f00, R11
	KMOVD R11, K2
	MOVL $0xf000, R11
	KMOVD R11, K3
	LEAQ (DX)(DX*2), R11
	LEAQ (SI)(DX*4), R8
	LEAQ (R8)(DX*4), R9
	LEAQ (R9)(DX*4), R10
	VPXORD Z16, Z16, Z16

four:
	LOAD4((SI), (R8), (R9), (R10), X0, Z0)
	LOAD4((SI)(DX*1), (R8)(DX*1), (R9)(DX*1), (R10)(DX*1), X1, Z1)
	LOAD4((SI)(DX*2), (R8)(DX*2), (R9)(DX*2), (R10)(DX*2), X2, Z2)
	LOAD4((SI)(R11*1), (R8)(R11*1), (R9)(R11*1), (R10)(R11*1), X3, Z3)
	VUNPCKLPS Z1, Z0, Z4
	VUNPCKLPS Z3, Z2, Z5
	VUNPCKHPS Z1, Z0, Z6
	VUNPCKHPS Z3, Z2, Z7
	VUNPCKLPD Z5, Z4, Z0
	VUNPCKHPD Z5, Z4, Z1
	VUNPCKLPD Z7, Z6, Z2
	VUNPCKHPD Z7, Z6, Z3
	VADDPS Z0, Z16, Z16
	CMPQ AX, $2
	JLT  done
	VADDPS Z1, Z16, Z16
	JEQ  done
	VADDPS Z2, Z16, Z16
	CMPQ AX, $4
	JLT  done
	VADDPS Z3, Z16, Z16
	ADDQ $16, SI
	ADDQ $16, R8
	ADDQ $16, R9
	ADDQ $16, R10
	SUBQ $4, AX
	JNZ  four

done:
	VMOVUPS Z16, (DI)
	VZEROUPPER
	RET
