//go:build !noasm

#include "textflag.h"

// func adamAVX2(w, grad, m, v *float32, n int, a *AdamArgs)
//
// One step of Adam, see Adam; n is a multiple of 8. The operations and their order
// are AdamArgs.Apply's, without FMA.
//
//	DI w   SI g   R8 m   R9 v   CX n
//	Y7 Scale   Y8 L2   Y9 Beta1C   Y10 Beta2   Y11 Beta2C   Y12 Correct   Y13 Eps
//	Y14 Step   Y15 Keep   Y0 g'   Y1 w   Y2 m   Y3 v   Y4 Y5 intermediate
TEXT ·adamAVX2(SB), NOSPLIT, $0-48
	MOVQ         w+0(FP), DI
	MOVQ         grad+8(FP), SI
	MOVQ         m+16(FP), R8
	MOVQ         v+24(FP), R9
	MOVQ         n+32(FP), CX
	MOVQ         a+40(FP), AX
	VBROADCASTSS (AX), Y7
	VBROADCASTSS 4(AX), Y8
	VBROADCASTSS 8(AX), Y9
	VBROADCASTSS 12(AX), Y10
	VBROADCASTSS 16(AX), Y11
	VBROADCASTSS 20(AX), Y12
	VBROADCASTSS 24(AX), Y13
	VBROADCASTSS 28(AX), Y14
	VBROADCASTSS 32(AX), Y15

step:
	VMOVUPS (DI), Y1
	VMOVUPS (R8), Y2
	VMOVUPS (R9), Y3
	VMULPS  (SI), Y7, Y0
	VMULPS  Y1, Y8, Y4
	VADDPS  Y4, Y0, Y0
	VSUBPS  Y2, Y0, Y4
	VMULPS  Y9, Y4, Y4
	VADDPS  Y4, Y2, Y2
	VMOVUPS Y2, (R8)
	VMULPS  Y10, Y3, Y3
	VMULPS  Y0, Y0, Y0
	VMULPS  Y11, Y0, Y0
	VADDPS  Y0, Y3, Y3
	VMOVUPS Y3, (R9)
	VSQRTPS Y3, Y3
	VMULPS  Y12, Y3, Y3
	VADDPS  Y13, Y3, Y3
	VDIVPS  Y3, Y2, Y2
	VMULPS  Y14, Y2, Y2
	VMULPS  Y15, Y1, Y1
	VSUBPS  Y2, Y1, Y1
	VMOVUPS Y1, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	ADDQ    $32, R8
	ADDQ    $32, R9
	SUBQ    $8, CX
	JNZ     step
	VZEROUPPER
	RET
