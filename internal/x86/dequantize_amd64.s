//go:build !noasm

#include "textflag.h"

// func dequantizeAVX2(y, scale, min *float32, q *byte, n, step, bias int)
//
// y[i] = float32(q[i] - bias)·scale - min, each rounded. The scale and the min of 16
// codes are at scale and min, the next at step bytes further. n is a positive multiple
// of 32; scales are read for 16 codes each.
//
//	DI y   R8 scale   R9 min   SI q   CX codes left   DX step   Y15 bias
//	Y0-Y3 values   Y4 Y5 scales   Y6 Y7 mins
TEXT ·dequantizeAVX2(SB), NOSPLIT, $0-56
	MOVQ         y+0(FP), DI
	MOVQ         scale+8(FP), R8
	MOVQ         min+16(FP), R9
	MOVQ         q+24(FP), SI
	MOVQ         n+32(FP), CX
	MOVQ         step+40(FP), DX
	VPBROADCASTD bias+48(FP), Y15

codes:
	VPMOVZXBD    (SI), Y0
	VPMOVZXBD    8(SI), Y1
	VPMOVZXBD    16(SI), Y2
	VPMOVZXBD    24(SI), Y3
	VPSUBD       Y15, Y0, Y0
	VPSUBD       Y15, Y1, Y1
	VPSUBD       Y15, Y2, Y2
	VPSUBD       Y15, Y3, Y3
	VCVTDQ2PS    Y0, Y0
	VCVTDQ2PS    Y1, Y1
	VCVTDQ2PS    Y2, Y2
	VCVTDQ2PS    Y3, Y3
	VBROADCASTSS (R8), Y4
	VBROADCASTSS (R8)(DX*1), Y5
	VBROADCASTSS (R9), Y6
	VBROADCASTSS (R9)(DX*1), Y7
	VMULPS       Y4, Y0, Y0
	VMULPS       Y4, Y1, Y1
	VMULPS       Y5, Y2, Y2
	VMULPS       Y5, Y3, Y3
	VSUBPS       Y6, Y0, Y0
	VSUBPS       Y6, Y1, Y1
	VSUBPS       Y7, Y2, Y2
	VSUBPS       Y7, Y3, Y3
	VMOVUPS      Y0, (DI)
	VMOVUPS      Y1, 32(DI)
	VMOVUPS      Y2, 64(DI)
	VMOVUPS      Y3, 96(DI)
	ADDQ         $32, SI
	ADDQ         $128, DI
	LEAQ         4(R8)(DX*1), R8
	LEAQ         4(R9)(DX*1), R9
	SUBQ         $32, CX
	JNZ          codes
	VZEROUPPER
	RET

// func dequantizeAVX512(y, scale, min *float32, q *byte, n, step, bias int)
//
// The same.
//
//	Z0 Z1 values   Z15 bias
TEXT ·dequantizeAVX512(SB), NOSPLIT, $0-56
	MOVQ         y+0(FP), DI
	MOVQ         scale+8(FP), R8
	MOVQ         min+16(FP), R9
	MOVQ         q+24(FP), SI
	MOVQ         n+32(FP), CX
	MOVQ         step+40(FP), DX
	VPBROADCASTD bias+48(FP), Z15

codes:
	VPMOVZXBD   (SI), Z0
	VPMOVZXBD   16(SI), Z1
	VPSUBD      Z15, Z0, Z0
	VPSUBD      Z15, Z1, Z1
	VCVTDQ2PS   Z0, Z0
	VCVTDQ2PS   Z1, Z1
	VMULPS.BCST (R8), Z0, Z0
	VMULPS.BCST (R8)(DX*1), Z1, Z1
	VSUBPS.BCST (R9), Z0, Z0
	VSUBPS.BCST (R9)(DX*1), Z1, Z1
	VMOVUPS     Z0, (DI)
	VMOVUPS     Z1, 64(DI)
	ADDQ        $32, SI
	ADDQ        $128, DI
	LEAQ        4(R8)(DX*1), R8
	LEAQ        4(R9)(DX*1), R9
	SUBQ        $32, CX
	JNZ         codes
	VZEROUPPER
	RET

// func bf16ToF32AVX2(y *float32, row *byte, n int)
//
// n is a positive multiple of 16.
//
//	DI y   SI row   CX values left   Y0 Y1 values
TEXT ·bf16ToF32AVX2(SB), NOSPLIT, $0-24
	MOVQ y+0(FP), DI
	MOVQ row+8(FP), SI
	MOVQ n+16(FP), CX

values:
	VPMOVZXWD (SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPSLLD    $16, Y0, Y0
	VPSLLD    $16, Y1, Y1
	VMOVDQU   Y0, (DI)
	VMOVDQU   Y1, 32(DI)
	ADDQ      $32, SI
	ADDQ      $64, DI
	SUBQ      $16, CX
	JNZ       values
	VZEROUPPER
	RET
