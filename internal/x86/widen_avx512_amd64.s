//go:build !noasm

#include "textflag.h"

// func widenAVX512(wide *float32, low, high *int32, sum *int16, blocks int)
//
// wide = float32(a+b), low = -a, high = -b of each pair a, b of sum
//
//	DI wide   R8 low   R9 high   SI sum   CX blocks left   K1 the blocks of a step
//	Z0-Z2 temporary   Z3 0
TEXT ·widenAVX512(SB), NOSPLIT, $0-40
	MOVQ   wide+0(FP), DI
	MOVQ   low+8(FP), R8
	MOVQ   high+16(FP), R9
	MOVQ   sum+24(FP), SI
	MOVQ   blocks+32(FP), CX
	KXNORW K1, K1, K1
	VPXORD Z3, Z3, Z3

step:
	CMPQ CX, $16
	JGE  whole
	MOVL  $0xffff, AX
	BZHIL CX, AX, AX
	KMOVW AX, K1
	MOVL  $16, CX

whole:
	VMOVDQU32.Z (SI), K1, Z0
	VPSRAD      $16, Z0, Z1
	VPSLLD      $16, Z0, Z0
	VPSRAD      $16, Z0, Z0
	VPADDD      Z1, Z0, Z2
	VCVTDQ2PS   Z2, Z2
	VPSUBD      Z0, Z3, Z0
	VPSUBD      Z1, Z3, Z1
	VMOVUPS     Z2, K1, (DI)
	VMOVDQU32   Z0, K1, (R8)
	VMOVDQU32   Z1, K1, (R9)
	ADDQ        $64, DI
	ADDQ        $64, R8
	ADDQ        $64, R9
	ADDQ        $64, SI
	SUBQ        $16, CX
	JNZ         step
	VZEROUPPER
	RET
