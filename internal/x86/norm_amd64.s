//go:build !noasm

#include "textflag.h"
#include "exp_avx2_amd64.h"

// Row operations of models that are not Llama-like: LayerNorm, GELU, softmax of a
// row, products. n is a multiple of 8, of those with lanes 16, and at least that.

#define LANES \
	MOVQ    lanes+0(FP), DI \
	MOVQ    x+8(FP), SI \
	MOVQ    n+16(FP), CX \
	VMOVUPS (DI), Y6 \
	VMOVUPS 32(DI), Y7

#define NEXT \
	ADDQ    $64, SI \
	SUBQ    $16, CX \
	JNZ     step \
	VMOVUPS Y6, (DI) \
	VMOVUPS Y7, 32(DI) \
	VZEROUPPER \
	RET

VEC(xg0, $0x3f317218)
VEC(xg1, $0x3f4c4234)
VEC(xg2, $0x3ea2f8a5)
VEC(xg3, $0x3d14f100)
VEC(xg4, $0xbb9e6bf3)
VEC(xg5, $0x3787601e)
VEC(xg6, $0x3942cffe)
VEC(xg7, $0xb853e556)
VEC(xg8, $0x36efc463)
VEC(xg9, $0xb513704d)
VEC(xg10, $0x329af65b)
VEC(xsix, $0x40c00000) // 6: beyond, Φ is 0 or 1
VEC(xcubic, $0x3d372713) // 0.044715
VEC(xtwice, $0xbfcc4229) // -2·sqrt(2/π)

// func geluAVX2(y, x *float32, n int)
//
// ref.GELU: t = |x|, p a polynomial of t, h = e^-p; y = x - x·h, x·h where x < 0.
//
//	DI y   SI x   CX n   Y6 x   Y7 t   Y8 x < 0
TEXT ·geluAVX2(SB), NOSPLIT, $0-24
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX

step:
	VMOVUPS   (SI), Y6
	VMOVUPS   xsign<>(SB), Y0
	VANDNPS   Y6, Y0, Y7
	VMULPS    xg10<>(SB), Y7, Y0
	VADDPS    xg9<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg8<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg7<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg6<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg5<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg4<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg3<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg2<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg1<>(SB), Y0, Y0
	VMULPS    Y7, Y0, Y0
	VADDPS    xg0<>(SB), Y0, Y0
	VXORPS    xsign<>(SB), Y0, Y0
	EXP
	VXORPS    Y1, Y1, Y1
	VCMPPS    $0x11, Y1, Y6, Y8
	VMULPS    Y0, Y6, Y2
	VSUBPS    Y2, Y6, Y3
	VBLENDVPS Y8, Y2, Y3, Y3
	VANDNPS   Y6, Y8, Y4
	VCMPPS    $0x1e, xsix<>(SB), Y7, Y5
	VBLENDVPS Y5, Y4, Y3, Y3
	VMOVUPS   Y3, (DI)
	ADDQ      $32, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JNZ       step
	VZEROUPPER
	RET

// func geluTanhAVX2(y, x *float32, n int)
//
// ref.GELUTanh: y = x/(1 + e^((x + ((x·x)·x)·0.044715)·-1.5957691)).
//
//	DI y   SI x   CX n   Y6 x
TEXT ·geluTanhAVX2(SB), NOSPLIT, $0-24
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX

step:
	VMOVUPS (SI), Y6
	VMULPS  Y6, Y6, Y0
	VMULPS  Y6, Y0, Y0
	VMULPS  xcubic<>(SB), Y0, Y0
	VADDPS  Y0, Y6, Y0
	VMULPS  xtwice<>(SB), Y0, Y0
	EXP
	VADDPS  xone<>(SB), Y0, Y0
	VDIVPS  Y0, Y6, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET

// func mulAVX2(y, x *float32, n int)
//
// y *= x.
TEXT ·mulAVX2(SB), NOSPLIT, $0-24
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX

step:
	VMOVUPS (DI), Y0
	VMULPS  (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET

// func divideAVX2(x *float32, s float32, n int)
//
// x /= s.
TEXT ·divideAVX2(SB), NOSPLIT, $0-24
	MOVQ         x+0(FP), DI
	VBROADCASTSS s+8(FP), Y1
	MOVQ         n+16(FP), CX

step:
	VMOVUPS (DI), Y0
	VDIVPS  Y1, Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET

// func largestAVX2(lanes *[16]float32, x *float32, n int)
//
// lanes[i mod 16] = the larger of it and x[i].
//
//	DI lanes   SI x   CX n   Y6 Y7 lanes
TEXT ·largestAVX2(SB), NOSPLIT, $0-24
	LANES

step:
	VMAXPS (SI), Y6, Y6
	VMAXPS 32(SI), Y7, Y7
	NEXT

// func sumAVX2(lanes *[16]float32, x *float32, n int)
//
// lanes[i mod 16] += x[i].
TEXT ·sumAVX2(SB), NOSPLIT, $0-24
	LANES

step:
	VADDPS (SI), Y6, Y6
	VADDPS 32(SI), Y7, Y7
	NEXT

// func squaresAVX2(lanes *[16]float32, x *float32, n int, mean float32)
//
// lanes[i mod 16] += (x[i]-mean)², products rounded.
//
//	Y8 mean
TEXT ·squaresAVX2(SB), NOSPLIT, $0-28
	LANES
	VBROADCASTSS mean+24(FP), Y8

step:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VSUBPS  Y8, Y0, Y0
	VSUBPS  Y8, Y1, Y1
	VMULPS  Y0, Y0, Y0
	VMULPS  Y1, Y1, Y1
	VADDPS  Y0, Y6, Y6
	VADDPS  Y1, Y7, Y7
	NEXT

// func expAVX2(lanes *[16]float32, x *float32, n int, top float32)
//
// x[i] = e^(x[i]-top); lanes[i mod 16] += x[i].
//
//	Y8 top
TEXT ·expAVX2(SB), NOSPLIT, $0-28
	LANES
	VBROADCASTSS top+24(FP), Y8

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
	NEXT

// func centerAVX2(y, x, w, b *float32, mean, s float32, n int)
//
// y = ((x-mean)·s)·w + b, without the product or the sum where w or b is nil.
//
//	DI y   SI x   DX w   BX b   CX n   R8 offset   Y8 mean   Y9 s
TEXT ·centerAVX2(SB), NOSPLIT, $0-48
	MOVQ         y+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         w+16(FP), DX
	MOVQ         b+24(FP), BX
	VBROADCASTSS mean+32(FP), Y8
	VBROADCASTSS s+36(FP), Y9
	MOVQ         n+40(FP), CX
	XORQ         R8, R8

step:
	VMOVUPS (SI)(R8*1), Y0
	VSUBPS  Y8, Y0, Y0
	VMULPS  Y9, Y0, Y0
	TESTQ   DX, DX
	JZ      sum
	VMULPS  (DX)(R8*1), Y0, Y0

sum:
	TESTQ  BX, BX
	JZ     store
	VADDPS (BX)(R8*1), Y0, Y0

store:
	VMOVUPS Y0, (DI)(R8*1)
	ADDQ    $32, R8
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET
