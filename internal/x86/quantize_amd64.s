//go:build !noasm

#include "textflag.h"

DATA qabs<>+0(SB)/4, $0x7fffffff
GLOBL qabs<>(SB), RODATA|NOPTR, $4
DATA q127<>+0(SB)/4, $0x42fe0000 // 127
GLOBL q127<>(SB), RODATA|NOPTR, $4
DATA qorder<>+0(SB)/8, $0x0000000400000000 // dwords after two packs within lanes
DATA qorder<>+8(SB)/8, $0x0000000500000001
DATA qorder<>+16(SB)/8, $0x0000000600000002
DATA qorder<>+24(SB)/8, $0x0000000700000003
GLOBL qorder<>(SB), RODATA|NOPTR, $32

// func quantizeAVX2(q *int8, d *float32, sum *int16, x *float32, blocks int) int
//
//	DI q  R8 d  R9 sum  SI x  CX blocks   R10 block
//	Y0-Y3 the block   Y4-Y7 magnitudes, codes   Y13 127   Y14 order   Y15 magnitude mask
//
//	for each block {
//		m = max |x| as bits
//		if m is not finite { return block }
//		if m < 2^-100 { q, d, sum = 0 } else {
//			d = m/127
//			q = round(x·(127/m)), to even
//			sum = Σ of each 16
//		}
//	}
TEXT ·quantizeAVX2(SB), NOSPLIT, $0-48
	MOVQ         q+0(FP), DI
	MOVQ         d+8(FP), R8
	MOVQ         sum+16(FP), R9
	MOVQ         x+24(FP), SI
	MOVQ         blocks+32(FP), CX
	XORQ         R10, R10
	VPBROADCASTD q127<>(SB), Y13
	VMOVDQU      qorder<>(SB), Y14
	VPBROADCASTD qabs<>(SB), Y15

block:
	CMPQ         R10, CX
	JGE          done
	VMOVUPS      (SI), Y0
	VMOVUPS      32(SI), Y1
	VMOVUPS      64(SI), Y2
	VMOVUPS      96(SI), Y3
	VPAND        Y15, Y0, Y4
	VPAND        Y15, Y1, Y5
	VPAND        Y15, Y2, Y6
	VPAND        Y15, Y3, Y7
	VPMAXUD      Y5, Y4, Y4
	VPMAXUD      Y7, Y6, Y6
	VPMAXUD      Y6, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPMAXUD      X5, X4, X4
	VPSHUFD      $0x4e, X4, X5
	VPMAXUD      X5, X4, X4
	VPSHUFD      $0xb1, X4, X5
	VPMAXUD      X5, X4, X4
	VMOVD        X4, AX
	CMPL         AX, $0x7f800000
	JAE          done
	CMPL         AX, $0x0d800000         // 2^-100
	JB           zero
	VDIVSS       X13, X4, X5             // m/127
	VDIVSS       X4, X13, X6             // 127/m
	VMOVSS       X5, (R8)
	VBROADCASTSS X6, Y6
	VMULPS       Y6, Y0, Y0
	VMULPS       Y6, Y1, Y1
	VMULPS       Y6, Y2, Y2
	VMULPS       Y6, Y3, Y3
	VCVTPS2DQ    Y0, Y0
	VCVTPS2DQ    Y1, Y1
	VCVTPS2DQ    Y2, Y2
	VCVTPS2DQ    Y3, Y3
	VPADDD       Y1, Y0, Y4
	VPADDD       Y3, Y2, Y5
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPACKSSWB    Y2, Y0, Y0
	VPERMD       Y0, Y14, Y0
	VMOVDQU      Y0, (DI)
	VPHADDD      Y5, Y4, Y4
	VPHADDD      Y4, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPADDD       X5, X4, X4
	VPACKSSDW    X4, X4, X4
	VMOVD        X4, (R9)

next:
	ADDQ $128, SI
	ADDQ $32, DI
	ADDQ $4, R8
	ADDQ $4, R9
	INCQ R10
	JMP  block

zero:
	VPXOR   Y0, Y0, Y0
	VMOVDQU Y0, (DI)
	VMOVD   X0, (R8)
	VMOVD   X0, (R9)
	JMP     next

done:
	MOVQ R10, ret+40(FP)
	VZEROUPPER
	RET
