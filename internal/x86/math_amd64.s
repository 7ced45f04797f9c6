//go:build !noasm

#include "textflag.h"
#include "exp_avx2_amd64.h"

// func expSumAVX2(s *float32, n int, m float32) (top, sum float32)
//
// top = the largest of m and s; s[i] = e^(s[i]-top); the sum has 16 lanes, i mod
// 16. n is a multiple of 16.
//
//	SI s   CX n   Y6 Y7 lanes   Y8 top
TEXT ·expSumAVX2(SB), NOSPLIT, $0-32
	MOVQ         s+0(FP), SI
	MOVQ         n+8(FP), CX
	VBROADCASTSS m+16(FP), Y8
	VMOVAPS      Y8, Y0
	MOVQ         SI, DI
	MOVQ         CX, DX

largest:
	VMAXPS       (DI), Y8, Y8
	VMAXPS       32(DI), Y0, Y0
	ADDQ         $64, DI
	SUBQ         $16, DX
	JNZ          largest
	VMAXPS       Y0, Y8, Y8
	VEXTRACTF128 $1, Y8, X0
	VMAXPS       X0, X8, X8
	VPSHUFD      $0x4e, X8, X0
	VMAXPS       X0, X8, X8
	VPSHUFD      $0xb1, X8, X0
	VMAXPS       X0, X8, X8
	VBROADCASTSS X8, Y8
	VMOVSS       X8, top+24(FP)
	VXORPS       Y6, Y6, Y6
	VXORPS       Y7, Y7, Y7

step:
	VMOVUPS (SI), Y0
	VSUBPS  Y8, Y0, Y0
	EXP
	VMOVUPS Y0, (SI)
	VADDPS  Y0, Y6, Y6
	VMOVUPS 32(SI), Y0
	VSUBPS  Y8, Y0, Y0
	EXP
	VMOVUPS Y0, 32(SI)
	VADDPS  Y0, Y7, Y7
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     step
	TREE
	VMOVSS  X0, sum+28(FP)
	VZEROUPPER
	RET

// func siluAVX2(y, x, u *float32, n, rows, yStride, xStride int)
//
// y = x/(1+e^-x)·u for n values in each of some rows, whose starts are yStride and
// xStride bytes apart; without the product where u is nil. n is a multiple of 8.
//
//	DI y   SI x   DX u   R8 rows left   R9 yStride   R10 xStride   CX values left, BX offset
TEXT ·siluAVX2(SB), NOSPLIT, $0-56
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ u+16(FP), DX
	MOVQ rows+32(FP), R8
	MOVQ yStride+40(FP), R9
	MOVQ xStride+48(FP), R10

row:
	MOVQ n+24(FP), CX
	XORQ BX, BX

step:
	VMOVUPS (SI)(BX*1), Y6
	VXORPS  xsign<>(SB), Y6, Y0
	EXP
	VADDPS  xone<>(SB), Y0, Y0
	VDIVPS  Y0, Y6, Y0
	TESTQ   DX, DX
	JZ      store
	VMULPS  (DX)(BX*1), Y0, Y0

store:
	VMOVUPS Y0, (DI)(BX*1)
	ADDQ    $32, BX
	SUBQ    $8, CX
	JNZ     step
	ADDQ    R9, DI
	ADDQ    R10, SI
	TESTQ   DX, DX
	JZ      next
	ADDQ    R10, DX

next:
	DECQ R8
	JNZ  row
	VZEROUPPER
	RET

// func sumSquaresAVX2(lanes *[16]float32, x *float32, n int)
//
// lanes[i mod 16] = Σ x[i]², products rounded. n is a multiple of 16.
//
//	DI lanes   SI x   CX n   Y6 Y7 lanes
TEXT ·sumSquaresAVX2(SB), NOSPLIT, $0-24
	MOVQ   lanes+0(FP), DI
	MOVQ   x+8(FP), SI
	MOVQ   n+16(FP), CX
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7

step:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMULPS  Y0, Y0, Y0
	VMULPS  Y1, Y1, Y1
	VADDPS  Y0, Y6, Y6
	VADDPS  Y1, Y7, Y7
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     step
	VMOVUPS Y6, (DI)
	VMOVUPS Y7, 32(DI)
	VZEROUPPER
	RET

// func scaleAVX2(y, x, w *float32, s float32, n int)
//
// y = (x·s)·w, each product rounded. n is a multiple of 8.
//
//	DI y   SI x   DX w   CX n   Y8 s
TEXT ·scaleAVX2(SB), NOSPLIT, $0-40
	MOVQ         y+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         w+16(FP), DX
	VBROADCASTSS s+24(FP), Y8
	MOVQ         n+32(FP), CX

step:
	VMULPS  (SI), Y8, Y0
	VMULPS  (DX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	ADDQ    $32, DX
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET

// func scaleByAVX2(y, x *float32, s float32, n int)
//
// y = x·s. n is a multiple of 8.
//
//	DI y   SI x   Y8 s   CX n
TEXT ·scaleByAVX2(SB), NOSPLIT, $0-32
	MOVQ         y+0(FP), DI
	MOVQ         x+8(FP), SI
	VBROADCASTSS s+16(FP), Y8
	MOVQ         n+24(FP), CX

step:
	VMULPS  (SI), Y8, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET

// func addAVX2(y, x *float32, n int)
//
// y += x. n is a multiple of 8.
TEXT ·addAVX2(SB), NOSPLIT, $0-24
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX

step:
	VMOVUPS (DI), Y0
	VADDPS  (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET

// func rotateHalvesAVX2(a, b, cos, sin *float32, n int)
//
// a, b = a·cos - b·sin, a·sin + b·cos, each product rounded. n is a multiple of 8.
//
//	DI a   SI b   DX cos   BX sin   CX n
TEXT ·rotateHalvesAVX2(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), SI
	MOVQ cos+16(FP), DX
	MOVQ sin+24(FP), BX
	MOVQ n+32(FP), CX

step:
	VMOVUPS (DI), Y0
	VMOVUPS (SI), Y1
	VMOVUPS (DX), Y2
	VMOVUPS (BX), Y3
	VMULPS  Y2, Y0, Y4
	VMULPS  Y3, Y1, Y5
	VSUBPS  Y5, Y4, Y4
	VMULPS  Y3, Y0, Y0
	VMULPS  Y2, Y1, Y1
	VADDPS  Y1, Y0, Y0
	VMOVUPS Y4, (DI)
	VMOVUPS Y0, (SI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	ADDQ    $32, DX
	ADDQ    $32, BX
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET

DATA xdup<>+0(SB)/8, $0x0000000000000000
DATA xdup<>+8(SB)/8, $0x0000000100000001
DATA xdup<>+16(SB)/8, $0x0000000200000002
DATA xdup<>+24(SB)/8, $0x0000000300000003
GLOBL xdup<>(SB), RODATA|NOPTR, $32

// func rotatePairsAVX2(x, cos, sin *float32, n int)
//
// The same for neighbours: a = x[2i], b = x[2i+1]; n pairs, a multiple of 4.
//
//	DI x   DX cos   BX sin   CX n   Y8 index that doubles
TEXT ·rotatePairsAVX2(SB), NOSPLIT, $0-32
	MOVQ    x+0(FP), DI
	MOVQ    cos+8(FP), DX
	MOVQ    sin+16(FP), BX
	MOVQ    n+24(FP), CX
	VMOVDQU xdup<>(SB), Y8

step:
	VMOVUPS   (DI), Y0
	VMOVUPS   (DX), X2
	VMOVUPS   (BX), X3
	VPERMPS   Y2, Y8, Y2
	VPERMPS   Y3, Y8, Y3
	VPERMILPS $0xb1, Y0, Y1
	VMULPS    Y2, Y0, Y0
	VMULPS    Y3, Y1, Y1
	VADDSUBPS Y1, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $32, DI
	ADDQ      $16, DX
	ADDQ      $16, BX
	SUBQ      $4, CX
	JNZ       step
	VZEROUPPER
	RET
