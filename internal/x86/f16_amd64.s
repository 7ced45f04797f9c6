//go:build !noasm

#include "textflag.h"

// func f16ToF32AVX2(dst *float32, src *byte, n int)
//
// Needs AVX and F16C. n is a multiple of 8.
//
//	DI dst   SI src   CX halves left
//	Y0-Y3 eight floats each
//
//	while n >= 32 { dst[0:32] = float32(src[0:32]); n -= 32 }
//	while n > 0   { dst[0:8] = float32(src[0:8]);   n -= 8 }
TEXT ·f16ToF32AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

loop32:
	CMPQ      CX, $32
	JLT       loop8
	VCVTPH2PS (SI), Y0
	VCVTPH2PS 16(SI), Y1
	VCVTPH2PS 32(SI), Y2
	VCVTPH2PS 48(SI), Y3
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	VMOVUPS   Y2, 64(DI)
	VMOVUPS   Y3, 96(DI)
	ADDQ      $64, SI
	ADDQ      $128, DI
	SUBQ      $32, CX
	JMP       loop32

loop8:
	TESTQ     CX, CX
	JLE       done
	VCVTPH2PS (SI), Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JMP       loop8

done:
	VZEROUPPER
	RET

// func f32ToF16AVX2(dst *byte, src *float32, n int)
//
// Rounds to nearest even. n is a multiple of 8.
//
//	DI dst   SI src   CX values left
TEXT ·f32ToF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

step:
	VMOVUPS   (SI), Y0
	VCVTPS2PH $0, Y0, (DI)
	ADDQ      $32, SI
	ADDQ      $16, DI
	SUBQ      $8, CX
	JNZ       step
	VZEROUPPER
	RET
