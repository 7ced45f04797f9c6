//go:build !noasm

#include "textflag.h"

// func scaleMaxAVX2(y, x *float32, n int, s float32) (top float32)
//
// y = x·s; top = the largest of y. n is a multiple of 16.
//
//	DI y   SI x   CX n   Y0 s   Y3 Y4 the largest
TEXT ·scaleMaxAVX2(SB), NOSPLIT, $0-36
	MOVQ         y+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         n+16(FP), CX
	VBROADCASTSS s+24(FP), Y0
	VMULPS       (SI), Y0, Y3
	VMOVAPS      Y3, Y4

step:
	VMULPS       (SI), Y0, Y1
	VMULPS       32(SI), Y0, Y2
	VMOVUPS      Y1, (DI)
	VMOVUPS      Y2, 32(DI)
	VMAXPS       Y3, Y1, Y3
	VMAXPS       Y4, Y2, Y4
	ADDQ         $64, SI
	ADDQ         $64, DI
	SUBQ         $16, CX
	JNZ          step
	VMAXPS       Y4, Y3, Y3
	VEXTRACTF128 $1, Y3, X0
	VMAXPS       X0, X3, X3
	VPSHUFD      $0x4e, X3, X0
	VMAXPS       X0, X3, X3
	VPSHUFD      $0xb1, X3, X0
	VMAXPS       X0, X3, X3
	VMOVSS       X3, top+32(FP)
	VZEROUPPER
	RET

// func dotDiffAVX2(e, x, y *float32, n int) (sum float32)
//
// Σ e·(x-y): lane l sums the products i = l mod 16; l + l+8, + l+4, + l+2, + l+1.
// n is a multiple of 16.
//
//	DI e   SI x   DX y   CX n   Y0 Y1 lanes
TEXT ·dotDiffAVX2(SB), NOSPLIT, $0-36
	MOVQ   e+0(FP), DI
	MOVQ   x+8(FP), SI
	MOVQ   y+16(FP), DX
	MOVQ   n+24(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1

step:
	VMOVUPS      (SI), Y2
	VMOVUPS      32(SI), Y3
	VSUBPS       (DX), Y2, Y2
	VSUBPS       32(DX), Y3, Y3
	VMULPS       (DI), Y2, Y2
	VMULPS       32(DI), Y3, Y3
	VADDPS       Y2, Y0, Y0
	VADDPS       Y3, Y1, Y1
	ADDQ         $64, DI
	ADDQ         $64, SI
	ADDQ         $64, DX
	SUBQ         $16, CX
	JNZ          step
	VADDPS       Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VPSHUFD      $0x4e, X0, X1
	VADDPS       X1, X0, X0
	VPSHUFD      $0xb1, X0, X1
	VADDPS       X1, X0, X0
	VMOVSS       X0, sum+32(FP)
	VZEROUPPER
	RET

// func mixAVX2(dst, x, y, z *float32, n int, a, b, c float32)
//
// dst = (x·a + y·b) + z·c. n is a multiple of 16.
//
//	DI dst   SI x   R8 y   R9 z   CX n   Y13 a   Y14 b   Y15 c
TEXT ·mixAVX2(SB), NOSPLIT, $0-52
	MOVQ         dst+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         y+16(FP), R8
	MOVQ         z+24(FP), R9
	MOVQ         n+32(FP), CX
	VBROADCASTSS a+40(FP), Y13
	VBROADCASTSS b+44(FP), Y14
	VBROADCASTSS c+48(FP), Y15

step:
	VMULPS  (SI), Y13, Y0
	VMULPS  32(SI), Y13, Y1
	VMULPS  (R8), Y14, Y2
	VMULPS  32(R8), Y14, Y3
	VADDPS  Y2, Y0, Y0
	VADDPS  Y3, Y1, Y1
	VMULPS  (R9), Y15, Y2
	VMULPS  32(R9), Y15, Y3
	VADDPS  Y2, Y0, Y0
	VADDPS  Y3, Y1, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ    $64, DI
	ADDQ    $64, SI
	ADDQ    $64, R8
	ADDQ    $64, R9
	SUBQ    $16, CX
	JNZ     step
	VZEROUPPER
	RET
