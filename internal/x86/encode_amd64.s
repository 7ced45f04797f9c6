//go:build !noasm

#include "textflag.h"

DATA eabs<>+0(SB)/4, $0x7fffffff
GLOBL eabs<>(SB), RODATA|NOPTR, $4
DATA einf<>+0(SB)/4, $0x7f800000
GLOBL einf<>(SB), RODATA|NOPTR, $4
DATA eone<>+0(SB)/4, $0x3f800000 // 1
GLOBL eone<>(SB), RODATA|NOPTR, $4
DATA ealmost<>+0(SB)/4, $0x3effffff // the largest float32 below 0.5
GLOBL ealmost<>(SB), RODATA|NOPTR, $4
DATA ehalf<>+0(SB)/4, $0x3f000000 // 0.5
GLOBL ehalf<>(SB), RODATA|NOPTR, $4
DATA e15<>+0(SB)/4, $0x41700000 // 15
GLOBL e15<>(SB), RODATA|NOPTR, $4
DATA e31<>+0(SB)/4, $0x41f80000 // 31
GLOBL e31<>(SB), RODATA|NOPTR, $4
DATA e127<>+0(SB)/4, $0x42fe0000 // 127
GLOBL e127<>(SB), RODATA|NOPTR, $4
DATA eeighth<>+0(SB)/4, $0xbe000000 // -1/8
GLOBL eeighth<>(SB), RODATA|NOPTR, $4
DATA esixteenth<>+0(SB)/4, $0xbd800000 // -1/16
GLOBL esixteenth<>(SB), RODATA|NOPTR, $4
DATA e8half<>+0(SB)/4, $0x41080000 // 8.5
GLOBL e8half<>(SB), RODATA|NOPTR, $4
DATA e16half<>+0(SB)/4, $0x41840000 // 16.5
GLOBL e16half<>(SB), RODATA|NOPTR, $4
DATA ebytes15<>+0(SB)/4, $0x0f0f0f0f
GLOBL ebytes15<>(SB), RODATA|NOPTR, $4
DATA ebytes31<>+0(SB)/4, $0x1f1f1f1f
GLOBL ebytes31<>(SB), RODATA|NOPTR, $4
DATA eround<>+0(SB)/4, $0x00007fff
GLOBL eround<>(SB), RODATA|NOPTR, $4
DATA elow<>+0(SB)/4, $0x00000001
GLOBL elow<>(SB), RODATA|NOPTR, $4
DATA equiet<>+0(SB)/4, $0x00000040
GLOBL equiet<>(SB), RODATA|NOPTR, $4
DATA eorder<>+0(SB)/8, $0x0000000400000000 // dwords after two packs within lanes
DATA eorder<>+8(SB)/8, $0x0000000500000001
DATA eorder<>+16(SB)/8, $0x0000000600000002
DATA eorder<>+24(SB)/8, $0x0000000700000003
GLOBL eorder<>(SB), RODATA|NOPTR, $32

// Encoders of blocks of 32: quant's, for finite values. Each returns at the first
// block that holds a value, or has a range, that is not finite, or gives blocks.
//
//	DI row  SI x  CX blocks  R10 block
//	Y0-Y3 the block, codes   Y4-Y8 free   X9 d   Y10 1/d   Y11 the first value or the least
//	Y12 Y13 of the type   Y14 order   Y15 magnitude mask
#define BEGIN \
	MOVQ row+0(FP), DI; \
	MOVQ x+8(FP), SI; \
	MOVQ blocks+16(FP), CX; \
	XORQ R10, R10; \
	VMOVDQU eorder<>(SB), Y14; \
	VPBROADCASTD eabs<>(SB), Y15

#define LOAD \
	VMOVUPS (SI), Y0; \
	VMOVUPS 32(SI), Y1; \
	VMOVUPS 64(SI), Y2; \
	VMOVUPS 96(SI), Y3

// MAGNITUDES: Y4-Y7 = |x|, X8 and AX the largest.
#define MAGNITUDES \
	VPAND Y15, Y0, Y4; \
	VPAND Y15, Y1, Y5; \
	VPAND Y15, Y2, Y6; \
	VPAND Y15, Y3, Y7; \
	VPMAXUD Y5, Y4, Y8; \
	VPMAXUD Y7, Y6, Y9; \
	VPMAXUD Y9, Y8, Y8; \
	VEXTRACTI128 $1, Y8, X9; \
	VPMAXUD X9, X8, X8; \
	VPSHUFD $0x4e, X8, X9; \
	VPMAXUD X9, X8, X8; \
	VPSHUFD $0xb1, X8, X9; \
	VPMAXUD X9, X8, X8; \
	VMOVD X8, AX

// INVERSE: Y10 = 1/d in every lane, 0 where that is not finite.
#define INVERSE \
	VMOVSS eone<>(SB), X10; \
	VDIVSS X9, X10, X10; \
	VPAND X15, X10, X4; \
	VMOVD einf<>(SB), X5; \
	VPCMPGTD X4, X5, X5; \
	VPAND X5, X10, X10; \
	VBROADCASTSS X10, Y10

// PACK: Y0 = the low bytes of the 32 integers of Y0-Y3, in order.
#define PACK \
	VPACKSSDW Y1, Y0, Y0; \
	VPACKSSDW Y3, Y2, Y2; \
	VPACKSSWB Y2, Y0, Y0; \
	VPERMD Y0, Y14, Y0

// TRUNCATE: Y0-Y3 = trunc(x·(1/d) + Y13).
#define TRUNCATE \
	VMULPS Y10, Y0, Y0; \
	VMULPS Y10, Y1, Y1; \
	VMULPS Y10, Y2, Y2; \
	VMULPS Y10, Y3, Y3; \
	VADDPS Y13, Y0, Y0; \
	VADDPS Y13, Y1, Y1; \
	VADDPS Y13, Y2, Y2; \
	VADDPS Y13, Y3, Y3; \
	VCVTTPS2DQ Y0, Y0; \
	VCVTTPS2DQ Y1, Y1; \
	VCVTTPS2DQ Y2, Y2; \
	VCVTTPS2DQ Y3, Y3

// HALF stores X9 as a half at the start of the block.
#define HALF \
	VCVTPS2PH $0, X9, X4; \
	VPEXTRW $0, X4, (DI)

// NIBBLES: X0 = q[j] | q[j+16]<<4 of the codes in Y0, below 16.
#define NIBBLES \
	VEXTRACTI128 $1, Y0, X1; \
	VPSLLW $4, X1, X1; \
	VPOR X1, X0, X0

// FIFTH: DX = bit 4 of every code of Y0, which loses it.
#define FIFTH \
	VPSLLW $3, Y0, Y1; \
	VPMOVMSKB Y1, DX; \
	VPBROADCASTD ebytes15<>(SB), Y1; \
	VPAND Y1, Y0, Y0

// FIRST: DX = the index of the first value whose dword of Y4-Y7 is -1; there is one.
#define FIRST \
	VPACKSSDW Y5, Y4, Y4; \
	VPACKSSDW Y7, Y6, Y6; \
	VPACKSSWB Y6, Y4, Y4; \
	VPERMD Y4, Y14, Y4; \
	VPMOVMSKB Y4, DX; \
	BSFL DX, DX

// SIGNED: X11 = the first value of largest magnitude, with its sign, 0 where all
// are zeros. AX and X8 are that magnitude, Y4-Y7 all.
#define SIGNED \
	VPBROADCASTD X8, Y8; \
	VPCMPEQD Y8, Y4, Y4; \
	VPCMPEQD Y8, Y5, Y5; \
	VPCMPEQD Y8, Y6, Y6; \
	VPCMPEQD Y8, Y7, Y7; \
	FIRST; \
	MOVL (SI)(DX*4), DX; \
	TESTL AX, AX; \
	CMOVLEQ AX, DX; \
	VMOVD DX, X11

// RANGE: X11 the least value, X9 (the largest - the least)/X12. Jumps to done where
// X9 is not finite or a value is a NaN. With signs of zeros as the plain loop has them.
#define RANGE \
	VCMPPS $3, Y1, Y0, Y4; \
	VCMPPS $3, Y3, Y2, Y5; \
	VORPS Y5, Y4, Y4; \
	VPTEST Y4, Y4; \
	JNZ done; \
	VMINPS Y1, Y0, Y4; \
	VMINPS Y3, Y2, Y5; \
	VMINPS Y5, Y4, Y4; \
	VMAXPS Y1, Y0, Y6; \
	VMAXPS Y3, Y2, Y7; \
	VMAXPS Y7, Y6, Y6; \
	VEXTRACTF128 $1, Y4, X5; \
	VEXTRACTF128 $1, Y6, X7; \
	VMINPS X5, X4, X4; \
	VMAXPS X7, X6, X6; \
	VPSHUFD $0x4e, X4, X5; \
	VPSHUFD $0x4e, X6, X7; \
	VMINPS X5, X4, X4; \
	VMAXPS X7, X6, X6; \
	VPSHUFD $0xb1, X4, X5; \
	VPSHUFD $0xb1, X6, X7; \
	VMINPS X5, X4, X11; \
	VMAXPS X7, X6, X6; \
	VSUBSS X11, X6, X9; \
	VANDPS X15, X9, X9; \
	VDIVSS X12, X9, X9; \
	VMOVD X9, AX; \
	CMPL AX, $0x7f800000; \
	JAE done; \
	VMOVD X11, AX; \
	ADDL AX, AX; \
	JNZ least; \
	VXORPS Y8, Y8, Y8; \
	VCMPPS $0, Y8, Y0, Y4; \
	VCMPPS $0, Y8, Y1, Y5; \
	VCMPPS $0, Y8, Y2, Y6; \
	VCMPPS $0, Y8, Y3, Y7; \
	FIRST; \
	VMOVSS (SI)(DX*4), X11; \
least: \
	HALF; \
	VCVTPS2PH $0, X11, X4; \
	VPEXTRW $0, X4, 2(DI); \
	INVERSE; \
	VBROADCASTSS X11, Y11; \
	VSUBPS Y11, Y0, Y0; \
	VSUBPS Y11, Y1, Y1; \
	VSUBPS Y11, Y2, Y2; \
	VSUBPS Y11, Y3, Y3

#define END(size) \
	ADDQ $128, SI; \
	ADDQ $size, DI; \
	INCQ R10; \
	JMP block; \
done: \
	MOVQ R10, ret+24(FP); \
	VZEROUPPER; \
	RET

// func encodeQ8_0AVX2(row *byte, x *float32, blocks int) int
//
// d = max|x|/127; q = x·(1/d) to the nearest, half away from zero. Y13 almost 0.5.
TEXT ·encodeQ8_0AVX2(SB), NOSPLIT, $0-32
	BEGIN
	VBROADCASTSS ealmost<>(SB), Y13

block:
	CMPQ       R10, CX
	JGE        done
	LOAD
	MAGNITUDES
	CMPL       AX, $0x7f800000
	JAE        done
	VDIVSS     e127<>(SB), X8, X9
	HALF
	INVERSE
	VANDNPS    Y0, Y15, Y4         // the sign, with almost a half
	VANDNPS    Y1, Y15, Y5
	VANDNPS    Y2, Y15, Y6
	VANDNPS    Y3, Y15, Y7
	VORPS      Y13, Y4, Y4
	VORPS      Y13, Y5, Y5
	VORPS      Y13, Y6, Y6
	VORPS      Y13, Y7, Y7
	VMULPS     Y10, Y0, Y0
	VMULPS     Y10, Y1, Y1
	VMULPS     Y10, Y2, Y2
	VMULPS     Y10, Y3, Y3
	VADDPS     Y4, Y0, Y0
	VADDPS     Y5, Y1, Y1
	VADDPS     Y6, Y2, Y2
	VADDPS     Y7, Y3, Y3
	VCVTTPS2DQ Y0, Y0
	VCVTTPS2DQ Y1, Y1
	VCVTTPS2DQ Y2, Y2
	VCVTTPS2DQ Y3, Y3
	PACK
	VMOVDQU    Y0, 2(DI)
	END(34)

// func encodeQ4_0AVX2(row *byte, x *float32, blocks int) int
//
// m the first value of largest magnitude; d = m/-8; q = min(15, trunc(x·(1/d) + 8.5)).
TEXT ·encodeQ4_0AVX2(SB), NOSPLIT, $0-32
	BEGIN
	VBROADCASTSS e8half<>(SB), Y13
	VPBROADCASTD ebytes15<>(SB), Y12

block:
	CMPQ    R10, CX
	JGE     done
	LOAD
	MAGNITUDES
	CMPL    AX, $0x7f800000
	JAE     done
	SIGNED
	VMULSS  eeighth<>(SB), X11, X9
	HALF
	INVERSE
	TRUNCATE
	PACK
	VPMINUB Y12, Y0, Y0
	NIBBLES
	VMOVDQU X0, 2(DI)
	END(18)

// func encodeQ5_0AVX2(row *byte, x *float32, blocks int) int
//
// The same with d = m/-16; q = min(31, trunc(x·(1/d) + 16.5)).
TEXT ·encodeQ5_0AVX2(SB), NOSPLIT, $0-32
	BEGIN
	VBROADCASTSS e16half<>(SB), Y13
	VPBROADCASTD ebytes31<>(SB), Y12

block:
	CMPQ    R10, CX
	JGE     done
	LOAD
	MAGNITUDES
	CMPL    AX, $0x7f800000
	JAE     done
	SIGNED
	VMULSS  esixteenth<>(SB), X11, X9
	HALF
	INVERSE
	TRUNCATE
	PACK
	VPMINUB Y12, Y0, Y0
	FIFTH
	MOVL    DX, 2(DI)
	NIBBLES
	VMOVDQU X0, 6(DI)
	END(22)

// func encodeQ4_1AVX2(row *byte, x *float32, blocks int) int
//
// m the least value; d = (the largest - m)/15; q = min(15, trunc((x-m)·(1/d) + 0.5)).
TEXT ·encodeQ4_1AVX2(SB), NOSPLIT, $0-32
	BEGIN
	VBROADCASTSS ehalf<>(SB), Y13
	VMOVSS       e15<>(SB), X12

block:
	CMPQ         R10, CX
	JGE          done
	LOAD
	RANGE
	TRUNCATE
	PACK
	VPBROADCASTD ebytes15<>(SB), Y1
	VPMINUB      Y1, Y0, Y0
	NIBBLES
	VMOVDQU      X0, 4(DI)
	END(20)

// func encodeQ5_1AVX2(row *byte, x *float32, blocks int) int
//
// The same with d = (the largest - m)/31; q = trunc((x-m)·(1/d) + 0.5).
TEXT ·encodeQ5_1AVX2(SB), NOSPLIT, $0-32
	BEGIN
	VBROADCASTSS ehalf<>(SB), Y13
	VMOVSS       e31<>(SB), X12

block:
	CMPQ    R10, CX
	JGE     done
	LOAD
	RANGE
	TRUNCATE
	PACK
	FIFTH
	MOVL    DX, 4(DI)
	NIBBLES
	VMOVDQU X0, 8(DI)
	END(24)

// BFLOAT rounds x to the lower words of its dwords, to even; a NaN becomes quiet.
// free1 and free2 are lost.
#define BFLOAT(x, free1, free2) \
	VPSRLD $16, x, free1; \
	VPAND Y15, x, free2; \
	VPCMPGTD Y12, free2, free2; \
	VPADDD Y13, x, x; \
	VPAND Y11, free1, Y8; \
	VPADDD Y8, x, x; \
	VPSRLD $16, x, x; \
	VPOR Y10, free1, free1; \
	VPBLENDVB free2, free1, x, x

// func encodeBF16AVX2(row *byte, x *float32, n int)
//
// n is a positive multiple of 16.
//
//	DI row   SI x   CX values left   Y0-Y5 free   Y8 free
//	Y10 64   Y11 1   Y12 infinity   Y13 0x7fff   Y15 magnitude mask
TEXT ·encodeBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ         row+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), CX
	VPBROADCASTD equiet<>(SB), Y10
	VPBROADCASTD elow<>(SB), Y11
	VPBROADCASTD einf<>(SB), Y12
	VPBROADCASTD eround<>(SB), Y13
	VPBROADCASTD eabs<>(SB), Y15

step:
	VMOVDQU   (SI), Y0
	VMOVDQU   32(SI), Y1
	BFLOAT(Y0, Y2, Y3)
	BFLOAT(Y1, Y4, Y5)
	VPACKUSDW Y1, Y0, Y0
	VPERMQ    $0xd8, Y0, Y0
	VMOVDQU   Y0, (DI)
	ADDQ      $64, SI
	ADDQ      $32, DI
	SUBQ      $16, CX
	JNZ       step
	VZEROUPPER
	RET
