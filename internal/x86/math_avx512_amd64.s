//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// e^x on 16 lanes: the operations of math_amd64.s. The exponent is applied by
// VSCALEFPS, which rounds once, as the last of AVX2's two products does: the first
// is exact.
//
//	Z16-Z30 constants (CONSTANTS)   K7 K6 temporary

#define CONSTANT(bits, z) \
	MOVL         bits, AX \
	VPBROADCASTD AX, z

#define CONSTANTS \
	CONSTANT($0x3fb8aa3b, Z16) \ // log2 e
	CONSTANT($0x4b400000, Z17) \ // 1.5·2^23
	CONSTANT($0x3f318000, Z18) \ // ln 2, 9 bits
	CONSTANT($0xb95e8083, Z19) \ // the rest
	CONSTANT($0x3950a8d4, Z20) \
	CONSTANT($0x3ab6a1a9, Z21) \
	CONSTANT($0x3c088863, Z22) \
	CONSTANT($0x3d2aaa74, Z23) \
	CONSTANT($0x3e2aaaab, Z24) \
	CONSTANT($0x3f000000, Z25) \
	CONSTANT($0x3f800000, Z26) \ // 1
	CONSTANT($0x42b17217, Z27) \ // above: infinite
	CONSTANT($0xc2aeac4f, Z28) \ // below: 0
	CONSTANT($0x7f800000, Z29) \ // +Inf
	CONSTANT($0x80000000, Z30) // sign

	// Z0 = e^Z0; Z1 to Z4 are lost
#define EXP \
	VMULPS    Z16, Z0, Z1 \
	VADDPS    Z17, Z1, Z1 \
	VSUBPS    Z17, Z1, Z1 \
	VMULPS    Z18, Z1, Z2 \
	VSUBPS    Z2, Z0, Z2 \
	VMULPS    Z19, Z1, Z3 \
	VSUBPS    Z3, Z2, Z2 \
	VMULPS    Z20, Z2, Z3 \
	VADDPS    Z21, Z3, Z3 \
	VMULPS    Z2, Z3, Z3 \
	VADDPS    Z22, Z3, Z3 \
	VMULPS    Z2, Z3, Z3 \
	VADDPS    Z23, Z3, Z3 \
	VMULPS    Z2, Z3, Z3 \
	VADDPS    Z24, Z3, Z3 \
	VMULPS    Z2, Z3, Z3 \
	VADDPS    Z25, Z3, Z3 \
	VMULPS    Z2, Z2, Z4 \
	VMULPS    Z3, Z4, Z4 \
	VADDPS    Z2, Z4, Z4 \
	VADDPS    Z26, Z4, Z4 \
	VSCALEFPS Z1, Z4, Z4 \
	VCMPPS    $0x15, Z28, Z0, K7 \
	VCMPPS    $0x1e, Z27, Z0, K6 \
	VMOVAPS.Z Z4, K7, Z0 \
	VMOVAPS   Z29, K6, Z0

	// X0 = the sum of the 16 lanes of Z6: l + l+8, + l+4, + l+2, + l+1
#define TREE \
	VEXTRACTF64X4 $1, Z6, Y0 \
	VADDPS        Y0, Y6, Y0 \
	VEXTRACTF128  $1, Y0, X1 \
	VADDPS        X1, X0, X0 \
	VPSHUFD       $0x4e, X0, X1 \
	VADDPS        X1, X0, X0 \
	VPSHUFD       $0xb1, X0, X1 \
	VADDPS        X1, X0, X0

// func siluAVX512(y, x, u *float32, n, rows, yStride, xStride int)
//
// y = x/(1+e^-x)·u for n values in each of some rows, whose starts are yStride and
// xStride bytes apart; without the product where u is nil.
//
//	DI y   SI x   DX u   R8 rows left   R9 yStride   R10 xStride
//	CX values left of the row, BX offset   K1 the values of a step
TEXT ·siluAVX512(SB), NOSPLIT, $0-56
	MOVQ y+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ u+16(FP), DX
	MOVQ rows+32(FP), R8
	MOVQ yStride+40(FP), R9
	MOVQ xStride+48(FP), R10
	CONSTANTS

row:
	MOVQ n+24(FP), CX
	XORQ BX, BX
	KXNORW K1, K1, K1

step:
	CMPQ CX, $16
	JGE  whole
	MOVL $-1, AX
	SHLL CX, AX
	NOTL AX
	KMOVW AX, K1

whole:
	VMOVUPS.Z (SI)(BX*1), K1, Z6
	VPXORD    Z30, Z6, Z0
	EXP
	VADDPS    Z26, Z0, Z0
	VDIVPS    Z0, Z6, Z0
	TESTQ     DX, DX
	JZ        store
	VMULPS    (DX)(BX*1), Z0, K1, Z0

store:
	VMOVUPS Z0, K1, (DI)(BX*1)
	ADDQ    $64, BX
	SUBQ    $16, CX
	JG      step
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

// func expSumAVX512(s *float32, n int, m float32) (top, sum float32)
//
// As expSumAVX2: n is a multiple of 16.
//
//	SI s   CX n   Z6 lanes   Z8 top
TEXT ·expSumAVX512(SB), NOSPLIT, $0-32
	MOVQ         s+0(FP), SI
	MOVQ         n+8(FP), CX
	VBROADCASTSS m+16(FP), Z8
	CONSTANTS
	MOVQ         SI, DI
	MOVQ         CX, DX

largest:
	VMAXPS (DI), Z8, Z8
	ADDQ   $64, DI
	SUBQ   $16, DX
	JNZ    largest

	// all lanes of Z8 = the largest; Y0 is lost
#define LARGEST \
	VEXTRACTF64X4 $1, Z8, Y0 \
	VMAXPS        Y0, Y8, Y8 \
	VEXTRACTF128  $1, Y8, X0 \
	VMAXPS        X0, X8, X8 \
	VPSHUFD       $0x4e, X8, X0 \
	VMAXPS        X0, X8, X8 \
	VPSHUFD       $0xb1, X8, X0 \
	VMAXPS        X0, X8, X8 \
	VBROADCASTSS  X8, Z8

	LARGEST
	VMOVSS X8, top+24(FP)
	VPXORD Z6, Z6, Z6

step:
	VMOVUPS (SI), Z0
	VSUBPS  Z8, Z0, Z0
	EXP
	VMOVUPS Z0, (SI)
	VADDPS  Z0, Z6, Z6
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     step
	TREE
	VMOVSS  X0, sum+28(FP)
	VZEROUPPER
	RET

// func softenAVX512(a *soften)
//
// One page of the softmax for some queries, see Soften.
//
//	R15 a   SI scores, R8 stride   DI m   DX l   BX o, R9 stride   CX queries left
//	R10 pointer   R11 masks   R12 steps left   R13 values of o left
//	Z6 lanes   Z8 top   Z9 m   Z10 -Inf   Z11 factor   K1 the positions of a step
//
//	for each query {
//		top = max(m, max s)
//		s = e^(s-top); sum = Σ s
//		if m != top { f = e^(m-top); l = l·f; o = o·f }
//		l = l + sum; m = top
//	}
TEXT ·softenAVX512(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), R15
	MOVQ soften_s(R15), SI
	MOVQ soften_stride(R15), R8
	MOVQ soften_m(R15), DI
	MOVQ soften_l(R15), DX
	MOVQ soften_o(R15), BX
	MOVQ soften_oStride(R15), R9
	MOVQ soften_queries(R15), CX
	CONSTANTS
	VPXORD Z30, Z29, Z10

query:
	VBROADCASTSS (DI), Z8
	VMOVAPS      Z8, Z9
	MOVQ         SI, R10
	LEAQ         soften_masks(R15), R11
	MOVQ         soften_steps(R15), R12

most:
	KMOVW   (R11), K1
	VMOVAPS Z10, Z0
	VMOVUPS (R10), K1, Z0
	VMAXPS  Z0, Z8, Z8
	ADDQ    $64, R10
	ADDQ    $2, R11
	DECQ    R12
	JNZ     most
	LARGEST
	VPXORD  Z6, Z6, Z6
	MOVQ    SI, R10
	LEAQ    soften_masks(R15), R11
	MOVQ    soften_steps(R15), R12

step:
	KMOVW   (R11), K1
	VMOVAPS Z10, Z0
	VMOVUPS (R10), K1, Z0
	VSUBPS  Z8, Z0, Z0
	EXP
	VMOVUPS Z0, K1, (R10)
	VADDPS  Z0, Z6, Z6
	ADDQ    $64, R10
	ADDQ    $2, R11
	DECQ    R12
	JNZ     step
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
	VSUBPS  Z8, Z9, Z0
	EXP
	VMOVAPS Z0, Z11
	VMULSS  X11, X13, X13
	MOVQ    BX, R10
	MOVQ    soften_dim(R15), R13

values:
	CMPQ   R13, $16
	JLT    last
	VMULPS (R10), Z11, Z0
	VMOVUPS Z0, (R10)
	ADDQ   $64, R10
	SUBQ   $16, R13
	JNZ    values
	JMP    sum

last:
	MOVL      $-1, AX
	SHLXL     R13, AX, AX
	NOTL      AX
	KMOVW     AX, K1
	VMOVUPS.Z (R10), K1, Z0
	VMULPS    Z11, Z0, Z0
	VMOVUPS   Z0, K1, (R10)
	JMP       sum
