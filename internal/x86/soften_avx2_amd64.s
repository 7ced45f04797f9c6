//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "exp_avx2_amd64.h"

	// Y0 = 8 scores at o, -∞ for those that the mask at m has not; Y11 the mask
#define SEEN(o, m) \
	VMOVDQU    m(R11), Y11 \
	VMASKMOVPS o(R10), Y11, Y0 \
	VBLENDVPS  Y11, Y0, Y10, Y0

// func softenAVX2(a *soften)
//
// See Soften; a step is 16 positions.
//
//	SI scores, R8 stride   DI m   DX sum   BX o, R9 stride   CX queries left   R15 a
//	R10 R11 scores, masks of a step   R12 steps left   R13 values left
//	Y6 Y7 lanes   Y8 top, Y9 m   Y10 -∞   Y11 mask, factor   X12 Σ   X13 sum
TEXT ·softenAVX2(SB), NOSPLIT, $0-8
	MOVQ         a+0(FP), R15
	MOVQ         soften_s(R15), SI
	MOVQ         soften_stride(R15), R8
	MOVQ         soften_m(R15), DI
	MOVQ         soften_l(R15), DX
	MOVQ         soften_o(R15), BX
	MOVQ         soften_oStride(R15), R9
	MOVQ         soften_queries(R15), CX
	VMOVUPS      xinf<>(SB), Y10
	VXORPS       xsign<>(SB), Y10, Y10

query:
	VBROADCASTSS (DI), Y8
	VMOVAPS      Y8, Y9
	MOVQ         SI, R10
	MOVQ         soften_lanes(R15), R11
	MOVQ         soften_steps(R15), R12

most:
	SEEN(0, 0)
	VMAXPS       Y0, Y8, Y8
	SEEN(32, 32)
	VMAXPS       Y0, Y8, Y8
	ADDQ         $64, R10
	ADDQ         $64, R11
	DECQ         R12
	JNZ          most
	VEXTRACTF128 $1, Y8, X0
	VMAXPS       X0, X8, X8
	VPSHUFD      $0x4e, X8, X0
	VMAXPS       X0, X8, X8
	VPSHUFD      $0xb1, X8, X0
	VMAXPS       X0, X8, X8
	VBROADCASTSS X8, Y8
	VXORPS       Y6, Y6, Y6
	VXORPS       Y7, Y7, Y7
	MOVQ         SI, R10
	MOVQ         soften_lanes(R15), R11
	MOVQ         soften_steps(R15), R12

step:
	SEEN(0, 0)
	VMOVMSKPS  Y11, AX
	VSUBPS     Y8, Y0, Y0
	EXP
	VADDPS     Y0, Y6, Y6
	CMPL       AX, $0xff
	JNE        part
	VMOVUPS    Y0, (R10)
	JMP        second

part:
	VMASKMOVPS Y0, Y11, (R10)

second:
	SEEN(32, 32)
	VMOVMSKPS  Y11, AX
	VSUBPS     Y8, Y0, Y0
	EXP
	VADDPS     Y0, Y7, Y7
	CMPL       AX, $0xff
	JNE        part2
	VMOVUPS    Y0, 32(R10)
	JMP        next

part2:
	VMASKMOVPS Y0, Y11, 32(R10)

next:
	ADDQ     $64, R10
	ADDQ     $64, R11
	DECQ     R12
	JNZ      step
	TREE
	VMOVAPS  X0, X12
	VMOVSS   (DX), X13
	VUCOMISS X8, X9
	JNE      scale
	JPS      scale

sum:
	VADDSS X12, X13, X13
	VMOVSS X13, (DX)
	VMOVSS X8, (DI)
	ADDQ   R8, SI
	ADDQ   R9, BX
	ADDQ   $4, DI
	ADDQ   $4, DX
	DECQ   CX
	JNZ    query
	VZEROUPPER
	RET

scale:
	VSUBPS  Y8, Y9, Y0
	EXP
	VMOVAPS Y0, Y11
	VMULSS  X11, X13, X13
	MOVQ    BX, R10
	MOVQ    soften_dim(R15), R13

values:
	SUBQ    $8, R13
	JLT     last
	VMULPS  (R10), Y11, Y0
	VMOVUPS Y0, (R10)
	ADDQ    $32, R10
	JMP     values

last:
	ADDQ   $8, R13
	JZ     sum

one:
	VMULSS (R10), X11, X0
	VMOVSS X0, (R10)
	ADDQ   $4, R10
	DECQ   R13
	JNZ    one
	JMP    sum
