//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "stream_amd64.h"

// The kernels of stream_avx512_amd64.s for super-blocks of 256.

DATA sknibble<>+0(SB)/4, $0x0f0f0f0f
GLOBL sknibble<>(SB), RODATA|NOPTR, $4
DATA sk48<>+0(SB)/4, $0x30303030
GLOBL sk48<>(SB), RODATA|NOPTR, $4
DATA skones<>+0(SB)/4, $0x00010001
GLOBL skones<>(SB), RODATA|NOPTR, $4
DATA sklowword<>+0(SB)/4, $0x0000ffff
GLOBL sklowword<>(SB), RODATA|NOPTR, $4

// dword i of lane j is term 4i+j
DATA skorder<>+0(SB)/8, $0x0000000400000000
DATA skorder<>+8(SB)/8, $0x0000000c00000008
DATA skorder<>+16(SB)/8, $0x0000000500000001
DATA skorder<>+24(SB)/8, $0x0000000d00000009
DATA skorder<>+32(SB)/8, $0x0000000600000002
DATA skorder<>+40(SB)/8, $0x0000000e0000000a
DATA skorder<>+48(SB)/8, $0x0000000700000003
DATA skorder<>+56(SB)/8, $0x0000000f0000000b
GLOBL skorder<>(SB), RODATA|NOPTR, $64

// rotations of the dwords of each half that bring the high bits to 4 and 5
DATA sklow6<>+0(SB)/8, $0x0000000200000004 // 4, 2
GLOBL sklow6<>(SB), RODATA|NOPTR, $8
DATA skhigh6<>+0(SB)/8, $0x0000001e00000000 // 0, 30
GLOBL skhigh6<>(SB), RODATA|NOPTR, $8

	// z = the first of two dwords in its lower half, the second in its upper half
#define HALVES(a, z, y, t, ty) \
	VPBROADCASTD a+0(SB), y \
	VPBROADCASTD a+4(SB), ty \
	VINSERTI64X4 $1, ty, z, z

	// i, j = codes·x of 8 sub-blocks, 4 partial sums each: low nibbles are 64 codes in
	// order, high ones the next 64; their high bits are at 0 | 2 and 4 | 6 of 32 bytes
#define HALF6(n, i, j) \
	VMOVDQU32       (64*n)(SI), Z0 \
	VBROADCASTI64X4 (128+32*n)(SI), Z2 \
	VPROLVD         Z28, Z2, Z3 \
	VPROLVD         Z29, Z2, Z2 \
	VPSRLW          $4, Z0, Z1 \
	VPANDD          Z31, Z3, Z3 \
	VPANDD          Z31, Z2, Z2 \
	VPTERNLOGD      $0xf8, Z30, Z0, Z3 \
	VPTERNLOGD      $0xf8, Z30, Z1, Z2 \
	VPXORD          i, i, i \
	VPXORD          j, j, j \
	VPDPBUSD        (128*n)(BX), Z3, i \
	VPDPBUSD        (128*n+64)(BX), Z2, j

// func streamQ6_KAVX512(a *stream)
//
// A step is one super-block, 16 terms.
TEXT ·streamQ6_KAVX512(SB), NOSPLIT, $0-8
	ARGS
	VPBROADCASTD sknibble<>(SB), Z30
	VPBROADCASTD sk48<>(SB), Z31
	VPBROADCASTD skones<>(SB), Z25
	HALVES(sklow6<>, Z28, Y28, Z0, Y0)
	HALVES(skhigh6<>, Z29, Y29, Z0, Y0)
	VMOVDQU32 skorder<>(SB), Z24

row:
	ROW

step:
	FETCH4(0)
	HALF6(0, Z16, Z17)
	HALF6(1, Z18, Z19)
	VPBROADCASTW 208(SI), Y4
	VPMOVSXBD    192(SI), Z2
	VCVTPH2PS    Y4, Z4
	VCVTDQ2PS    Z2, Z2
	VMULPS       Z4, Z2, Z2
	VPMOVSXWD    (R8), Z3
	VPSLLD       $5, Z3, Z3
	VPMOVZXDQ    (DI), Z4
	VMOVSLDUP    Z4, Z4
	PAIRS(Z25, Z17, Z16)
	PAIRS(Z25, Z19, Z18)
	ADD4PAIRS(Z16, Z18)
	VPERMD    Z16, Z24, Z16
	VPSUBD    Z3, Z16, Z16
	VCVTDQ2PS Z16, Z16
	VMULPS    Z2, Z16, Z16
	VMULPS    Z4, Z16, Z16
	VMOVUPS   Z16, (R9)
	NEXT(210, 256, 32, 64, row, step)

// bytes of a super-block's first 16: dword j is the scale of sub-block j in its low
// word, the min in its high one. A word is B<<8|A, its value (A>>s & a) | (B>>2 & b)
DATA skheads<>+0(SB)/8, $0x8009800580088004 // 0 to 3: A
DATA skheads<>+8(SB)/8, $0x800b8007800a8006
DATA skheads<>+16(SB)/8, $0x090d050d080c040c // 4 to 7: A, B
DATA skheads<>+24(SB)/8, $0x0b0f070f0a0e060e
GLOBL skheads<>(SB), RODATA|NOPTR, $32
DATA skshift<>+0(SB)/8, $0x0000000000000000
DATA skshift<>+8(SB)/8, $0x0000000000000000
DATA skshift<>+16(SB)/8, $0x0004000000040000
DATA skshift<>+24(SB)/8, $0x0004000000040000
GLOBL skshift<>(SB), RODATA|NOPTR, $32
DATA skmaskA<>+0(SB)/8, $0x003f003f003f003f
DATA skmaskA<>+8(SB)/8, $0x003f003f003f003f
DATA skmaskA<>+16(SB)/8, $0x000f000f000f000f
DATA skmaskA<>+24(SB)/8, $0x000f000f000f000f
GLOBL skmaskA<>(SB), RODATA|NOPTR, $32
DATA skmaskB<>+0(SB)/8, $0x0000000000000000
DATA skmaskB<>+8(SB)/8, $0x0000000000000000
DATA skmaskB<>+16(SB)/8, $0x0030003000300030
DATA skmaskB<>+24(SB)/8, $0x0030003000300030
GLOBL skmaskB<>(SB), RODATA|NOPTR, $32

// words of d of the first and the second super-block, of dmin
DATA skdmin<>+0(SB)/8, $0x0000000000000000
DATA skdmin<>+8(SB)/8, $0x0000000000000000
DATA skdmin<>+16(SB)/8, $0x0010001000100010
DATA skdmin<>+24(SB)/8, $0x0010001000100010
DATA skdmin<>+32(SB)/8, $0x0001000100010001
DATA skdmin<>+40(SB)/8, $0x0001000100010001
DATA skdmin<>+48(SB)/8, $0x0011001100110011
DATA skdmin<>+56(SB)/8, $0x0011001100110011
GLOBL skdmin<>(SB), RODATA|NOPTR, $64

// terms and terms of mins, by turns
DATA skturns<>+0(SB)/8, $0x0000001000000000
DATA skturns<>+8(SB)/8, $0x0000001100000001
DATA skturns<>+16(SB)/8, $0x0000001200000002
DATA skturns<>+24(SB)/8, $0x0000001300000003
DATA skturns<>+32(SB)/8, $0x0000001400000004
DATA skturns<>+40(SB)/8, $0x0000001500000005
DATA skturns<>+48(SB)/8, $0x0000001600000006
DATA skturns<>+56(SB)/8, $0x0000001700000007
DATA skturns<>+64(SB)/8, $0x0000001800000008
DATA skturns<>+72(SB)/8, $0x0000001900000009
DATA skturns<>+80(SB)/8, $0x0000001a0000000a
DATA skturns<>+88(SB)/8, $0x0000001b0000000b
DATA skturns<>+96(SB)/8, $0x0000001c0000000c
DATA skturns<>+104(SB)/8, $0x0000001d0000000d
DATA skturns<>+112(SB)/8, $0x0000001e0000000e
DATA skturns<>+120(SB)/8, $0x0000001f0000000f
GLOBL skturns<>(SB), RODATA|NOPTR, $128

DATA skminus<>+0(SB)/4, $0xffffffff // two int16: -1
GLOBL skminus<>(SB), RODATA|NOPTR, $4

// words of two super-blocks by sub-block, from those of lanes 0 and 1 or 2 and 3
DATA skpairs<>+0(SB)/8, $0x0009000100080000
DATA skpairs<>+8(SB)/8, $0x0019001100180010
DATA skpairs<>+16(SB)/8, $0x000b0003000a0002
DATA skpairs<>+24(SB)/8, $0x001b0013001a0012
DATA skpairs<>+32(SB)/8, $0x000d0005000c0004
DATA skpairs<>+40(SB)/8, $0x001d0015001c0014
DATA skpairs<>+48(SB)/8, $0x000f0007000e0006
DATA skpairs<>+56(SB)/8, $0x001f0017001e0016
GLOBL skpairs<>(SB), RODATA|NOPTR, $64

	// what Q4_K and Q5_K share: K1 the second super-block, Z25-Z30, Z14, Z15
#define CONSTANTS \
	VPBROADCASTD    sknibble<>(SB), Z30 \
	VPBROADCASTD    skminus<>(SB), Z25 \
	VPBROADCASTD    skones<>(SB), Z9 \
	VBROADCASTI64X4 skheads<>(SB), Z29 \
	VBROADCASTI64X4 skshift<>(SB), Z28 \
	VBROADCASTI64X4 skmaskA<>(SB), Z27 \
	VBROADCASTI64X4 skmaskB<>(SB), Z26 \
	VMOVDQU32       skdmin<>(SB), Z24 \
	VMOVUPS         skturns<>(SB), Z14 \
	VMOVUPS         skturns<>+64(SB), Z15 \
	MOVL            $0xff00, AX \
	KMOVD           AX, K1

	// sub-blocks 0|2 and 1|3, or 4|6 and 5|7, of a super-block: 8 partial sums each
#define QUARTER(o, x, i, j) \
	VMOVDQU32 (o)(SI), Z0 \
	VPSRLW    $4, Z0, Z1 \
	VPANDD    Z30, Z0, Z0 \
	VPANDD    Z30, Z1, Z1 \
	VPXORD    i, i, i \
	VPXORD    j, j, j \
	VPDPBUSD  (x)(BX), Z0, i \
	VPDPBUSD  (x+64)(BX), Z1, j

	// dword i of lane j: the sum of lane j of register i of Z16-Z19, of Z20-Z23
#define SUM8 \
	PAIRS(Z9, Z17, Z16) \
	PAIRS(Z9, Z19, Z18) \
	PAIRS(Z9, Z21, Z20) \
	PAIRS(Z9, Z23, Z22) \
	PAIRS(Z9, Z18, Z16) \
	PAIRS(Z9, Z22, Z20)

	// scales, mins of two super-blocks to Z5, Z6; terms of Z16, in the order of sub-blocks
#define TERMS2(bytes) \
	VBROADCASTI32X4 (SI), Z4 \
	VBROADCASTI32X4 (bytes)(SI), K1, Z4 \
	VPSHUFB         Z29, Z4, Z5 \
	VPERMW          Z4, Z24, Z7 \
	VPSRLW          $10, Z5, Z6 \
	VPSRLVW         Z28, Z5, Z5 \
	VEXTRACTI64X4   $1, Z7, Y8 \
	VCVTPH2PS       Y7, Z7 \
	VCVTPH2PS       Y8, Z8 \
	VPANDD          Z27, Z5, Z5 \
	VPTERNLOGD      $0xf8, Z26, Z6, Z5 \
	VPSRLD          $16, Z5, Z6 \
	VPANDD.BCST     sklowword<>(SB), Z5, Z5 \
	VCVTDQ2PS       Z6, Z6 \
	VCVTDQ2PS       Z5, Z5 \
	VMULPS          Z8, Z6, Z6 \
	VMULPS          Z7, Z5, Z5 \
	VPMADDWD   (R8), Z25, Z2 \
	VCVTDQ2PS  Z2, Z2 \
	VCVTDQ2PS  Z16, Z16 \
	VMULPS     Z6, Z2, Z2 \
	VMULPS     Z5, Z16, Z16 \
	VMULPS     (DI), Z2, Z2 \
	VMULPS     (DI), Z16, Z16 \
	VMOVAPS    Z14, Z0 \
	VMOVAPS    Z15, Z1 \
	VPERMI2PS  Z2, Z16, Z0 \
	VPERMI2PS  Z2, Z16, Z1 \
	VMOVUPS    Z0, (R9) \
	VMOVUPS    Z1, 64(R9)

// func streamQ4_KAVX512(a *stream)
//
// A step is two super-blocks, 16 terms and 16 of mins: minus them, to be added. x is
// in the order of the sub-blocks 0 2 1 3 4 6 5 7.
TEXT ·streamQ4_KAVX512(SB), NOSPLIT, $0-8
	ARGS
	CONSTANTS
	VMOVDQU32 skpairs<>(SB), Z31

row:
	ROW

step:
	FETCH5(0)
	QUARTER(16, 0, Z16, Z17)
	QUARTER(80, 128, Z18, Z19)
	QUARTER(160, 256, Z20, Z21)
	QUARTER(224, 384, Z22, Z23)
	SUM8
	VPACKSSDW Z20, Z16, Z16 // 16 products of 15·128 fit 16 bits
	VPERMW    Z16, Z31, Z16
	VPMADDWD  Z9, Z16, Z16
	TERMS2(144)
	NEXT(288, 512, 64, 128, row, step)

DATA sk16<>+0(SB)/4, $0x10101010
GLOBL sk16<>(SB), RODATA|NOPTR, $4

// rotations of the dwords of each half that bring a bit to 4: bits 0|2, 1|3, 4|6, 5|7
DATA skbits02<>+0(SB)/8, $0x0000000200000004
GLOBL skbits02<>(SB), RODATA|NOPTR, $8
DATA skbits13<>+0(SB)/8, $0x0000000100000003
GLOBL skbits13<>(SB), RODATA|NOPTR, $8
DATA skbits46<>+0(SB)/8, $0x0000001e00000000
GLOBL skbits46<>(SB), RODATA|NOPTR, $8
DATA skbits57<>+0(SB)/8, $0x0000001d0000001f
GLOBL skbits57<>(SB), RODATA|NOPTR, $8

	// QUARTER with a fifth bit from Z2
#define QUARTER5(o, x, a, b, i, j) \
	VMOVDQU32  (o)(SI), Z0 \
	VPROLVD    a, Z2, Z3 \
	VPROLVD    b, Z2, Z4 \
	VPSRLW     $4, Z0, Z1 \
	VPANDD     Z31, Z3, Z3 \
	VPANDD     Z31, Z4, Z4 \
	VPTERNLOGD $0xf8, Z30, Z0, Z3 \
	VPTERNLOGD $0xf8, Z30, Z1, Z4 \
	VPXORD     i, i, i \
	VPXORD     j, j, j \
	VPDPBUSD   (x)(BX), Z3, i \
	VPDPBUSD   (x+64)(BX), Z4, j

// func streamQ5_KAVX512(a *stream)
TEXT ·streamQ5_KAVX512(SB), NOSPLIT, $0-8
	ARGS
	CONSTANTS
	VPBROADCASTD sk16<>(SB), Z31
	HALVES(skbits02<>, Z10, Y10, Z0, Y0)
	HALVES(skbits13<>, Z11, Y11, Z0, Y0)
	HALVES(skbits46<>, Z12, Y12, Z0, Y0)
	HALVES(skbits57<>, Z13, Y13, Z0, Y0)

row:
	ROW

step:
	FETCH5(0)
	PREFETCHT0 (AHEAD+320)(SI)
	VBROADCASTI64X4 16(SI), Z2
	QUARTER5(48, 0, Z10, Z11, Z16, Z17)
	QUARTER5(112, 128, Z12, Z13, Z18, Z19)
	VBROADCASTI64X4 192(SI), Z2
	QUARTER5(224, 256, Z10, Z11, Z20, Z21)
	QUARTER5(288, 384, Z12, Z13, Z22, Z23)
	SUM8
	VSHUFI32X4 $0x88, Z20, Z16, Z0
	VSHUFI32X4 $0xdd, Z20, Z16, Z1
	VPADDD     Z0, Z1, Z16
	VPERMQ     $0xd8, Z16, Z16
	TERMS2(176)
	NEXT(352, 512, 64, 128, row, step)
