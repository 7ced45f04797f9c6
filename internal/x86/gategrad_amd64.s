//go:build !noasm

#include "textflag.h"

DATA gradsign<>+0(SB)/4, $0x7fffffff
GLOBL gradsign<>(SB), RODATA|NOPTR, $4
DATA gradtiny<>+0(SB)/4, $0x0da24260
GLOBL gradtiny<>(SB), RODATA|NOPTR, $4
DATA gradhalf<>+0(SB)/4, $0x3f000000
GLOBL gradhalf<>(SB), RODATA|NOPTR, $4
DATA gradone<>+0(SB)/4, $0x3f800000
GLOBL gradone<>(SB), RODATA|NOPTR, $4

// func swigluGradAVX2(dg, du, gate, up, dy, s *float32, n int)
//
// The backward of silu(g)·u, s being silu(g); n is a multiple of 8. The operations
// and their order are SwiGLUGrad's, without FMA.
//
//	σ = |g| > 1e-30 ? s/g : 0.5   dg = (dy·u)·(σ + s·(1-σ))   du = dy·s
//
//	DI dg   SI du   R8 g   R9 u   R10 dy   R11 s   CX values left   BX offset
//	Y12 sign mask   Y13 1e-30   Y14 0.5   Y15 1
TEXT ·swigluGradAVX2(SB), NOSPLIT, $0-56
	MOVQ         dg+0(FP), DI
	MOVQ         du+8(FP), SI
	MOVQ         gate+16(FP), R8
	MOVQ         up+24(FP), R9
	MOVQ         dy+32(FP), R10
	MOVQ         s+40(FP), R11
	MOVQ         n+48(FP), CX
	VBROADCASTSS gradsign<>(SB), Y12
	VBROADCASTSS gradtiny<>(SB), Y13
	VBROADCASTSS gradhalf<>(SB), Y14
	VBROADCASTSS gradone<>(SB), Y15
	XORQ         BX, BX

step:
	VMOVUPS   (R8)(BX*1), Y0
	VMOVUPS   (R11)(BX*1), Y1
	VMOVUPS   (R10)(BX*1), Y2
	VMULPS    (R9)(BX*1), Y2, Y3
	VMULPS    Y1, Y2, Y4
	VDIVPS    Y0, Y1, Y5
	VANDPS    Y12, Y0, Y6
	VCMPPS    $0x1e, Y13, Y6, Y6
	VBLENDVPS Y6, Y5, Y14, Y5
	VSUBPS    Y5, Y15, Y6
	VMULPS    Y1, Y6, Y6
	VADDPS    Y5, Y6, Y6
	VMULPS    Y6, Y3, Y3
	VMOVUPS   Y3, (DI)(BX*1)
	VMOVUPS   Y4, (SI)(BX*1)
	ADDQ      $32, BX
	SUBQ      $8, CX
	JNZ       step
	VZEROUPPER
	RET
