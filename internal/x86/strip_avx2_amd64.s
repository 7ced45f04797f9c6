//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// Products of float rows with many tokens on AVX2, see strip_avx512_amd64.s: the
// same packing and order, half a panel (16 rows) and one quad of tokens at a time.
//
//	SI rows   BX tokens   CX steps of the lane left   R8 lanes done
//	R12 end of the stack of lane sums, 256 bytes each   DX a
//	Y0-Y7 sums of (token, 8 of the rows)   Y8 Y9 rows   Y10-Y13 tokens

#define TOKEN(o, x, a, b) \
	VBROADCASTSS o(BX), x \
	VFMADD231PS  x, Y8, a \
	VFMADD231PS  x, Y9, b

#define WF32(m, y) VMOVUPS m, y
#define WF16(m, y) VCVTPH2PS m, y
#define WBF16(m, y) \
	VPMOVZXWD m, y \
	VPSLLD    $16, y, y

#define PAIR(a, b, lo, hi) \
	VUNPCKLPS b, a, lo \
	VUNPCKHPS b, a, hi

#define QUAD(a, b, lo, hi) \
	VUNPCKLPD b, a, lo \
	VUNPCKHPD b, a, hi

	// values c and c+4 of 8 rows, to the places of their lanes
#define LANES(a, b, low, high) \
	VPERM2F128 $0x20, b, a, Y8 \
	VPERM2F128 $0x31, b, a, Y9 \
	VMOVUPS    Y8, low \
	VMOVUPS    Y9, high

	// the places of lanes 0 to 7 are dst + 0, 8, 4, 12, 2, 10, 6, 14 lanes
	//
	//	DI R9 R10 R11 dst + 0, 8, 2, 10 lanes   DX lane   SI src   CX steps left
#define PLACES \
	MOVQ dst+0(FP), DI \
	MOVQ lane+8(FP), DX \
	MOVQ src+16(FP), SI \
	MOVQ stride+24(FP), AX \
	MOVQ steps+32(FP), CX \
	LEAQ (DI)(DX*8), R9 \
	LEAQ (DI)(DX*2), R10 \
	LEAQ (R9)(DX*2), R11 \
	LEAQ (AX)(AX*2), BX

#define ADVANCE(from, to) \
	ADDQ $(from), SI \
	ADDQ $(to), DI \
	ADDQ $(to), R9 \
	ADDQ $(to), R10 \
	ADDQ $(to), R11

	// 8 of the 16 values of a step of 8 rows
	//
	//	R12 row 4   AX stride, BX 3 strides
#define PACK(W, bytes) \
	PLACES \
	LEAQ (SI)(AX*4), R12 \
step: \
	W((SI), Y0) \
	W((SI)(AX*1), Y1) \
	W((SI)(AX*2), Y2) \
	W((SI)(BX*1), Y3) \
	W((R12), Y4) \
	W((R12)(AX*1), Y5) \
	W((R12)(AX*2), Y6) \
	W((R12)(BX*1), Y7) \
	PAIR(Y0, Y1, Y8, Y9) \
	PAIR(Y2, Y3, Y10, Y11) \
	PAIR(Y4, Y5, Y12, Y13) \
	PAIR(Y6, Y7, Y14, Y15) \
	QUAD(Y8, Y10, Y0, Y1) \
	QUAD(Y9, Y11, Y2, Y3) \
	QUAD(Y12, Y14, Y4, Y5) \
	QUAD(Y13, Y15, Y6, Y7) \
	LANES(Y0, Y4, (DI), (DI)(DX*2)) \
	LANES(Y1, Y5, (R9), (R9)(DX*2)) \
	LANES(Y2, Y6, (DI)(DX*4), (R10)(DX*4)) \
	LANES(Y3, Y7, (R9)(DX*4), (R11)(DX*4)) \
	ADVANCE(bytes, 128) \
	ADDQ $(bytes), R12 \
	DECQ CX \
	JNZ  step \
	VZEROUPPER \
	RET

// func stripAVX2(a *strip)
TEXT ·stripAVX2(SB), NOSPLIT, $0-8
	MOVQ a+0(FP), DX
	MOVQ strip_w(DX), SI
	MOVQ strip_x(DX), BX
	MOVQ strip_stack(DX), R12
	XORQ R8, R8

lane:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	MOVQ   strip_steps(DX), CX

step:
	VMOVUPS (SI), Y8
	VMOVUPS 32(SI), Y9
	TOKEN(0, Y10, Y0, Y1)
	TOKEN(4, Y11, Y2, Y3)
	TOKEN(8, Y12, Y4, Y5)
	TOKEN(12, Y13, Y6, Y7)
	ADDQ    $128, SI
	ADDQ    $16, BX
	DECQ    CX
	JNZ     step
	MOVQ    R8, AX

pop:
	TESTQ  $1, AX
	JZ     push
	SUBQ   $256, R12
	VADDPS 0(R12), Y0, Y0
	VADDPS 32(R12), Y1, Y1
	VADDPS 64(R12), Y2, Y2
	VADDPS 96(R12), Y3, Y3
	VADDPS 128(R12), Y4, Y4
	VADDPS 160(R12), Y5, Y5
	VADDPS 192(R12), Y6, Y6
	VADDPS 224(R12), Y7, Y7
	SHRQ   $1, AX
	JMP    pop

push:
	INCQ    R8
	CMPQ    R8, $16
	JEQ     done
	VMOVUPS Y0, 0(R12)
	VMOVUPS Y1, 32(R12)
	VMOVUPS Y2, 64(R12)
	VMOVUPS Y3, 96(R12)
	VMOVUPS Y4, 128(R12)
	VMOVUPS Y5, 160(R12)
	VMOVUPS Y6, 192(R12)
	VMOVUPS Y7, 224(R12)
	ADDQ    $256, R12
	JMP     lane

done:
	MOVQ    strip_y(DX), DI
	MOVQ    strip_yStride(DX), AX
	MOVQ    strip_tokens(DX), CX
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	DECQ    CX
	JZ      end
	ADDQ    AX, DI
	VMOVUPS Y2, (DI)
	VMOVUPS Y3, 32(DI)
	DECQ    CX
	JZ      end
	ADDQ    AX, DI
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, 32(DI)
	DECQ    CX
	JZ      end
	ADDQ    AX, DI
	VMOVUPS Y6, (DI)
	VMOVUPS Y7, 32(DI)

end:
	VZEROUPPER
	RET

// func stripRowsF32AVX2(dst *float32, lane int, src *byte, stride, steps int)
TEXT ·stripRowsF32AVX2(SB), NOSPLIT, $0-40
	PACK(WF32, 64)

// func stripRowsF16AVX2(dst *float32, lane int, src *byte, stride, steps int)
TEXT ·stripRowsF16AVX2(SB), NOSPLIT, $0-40
	PACK(WF16, 32)

// func stripRowsBF16AVX2(dst *float32, lane int, src *byte, stride, steps int)
TEXT ·stripRowsBF16AVX2(SB), NOSPLIT, $0-40
	PACK(WBF16, 32)

#define PUT(x, y, low, high) \
	VMOVUPS      x, low \
	VEXTRACTF128 $1, y, high

// func stripTokensAVX2(dst *float32, lane int, src *float32, stride, steps int)
//
// 8 of the 16 values of a step of 4 tokens.
TEXT ·stripTokensAVX2(SB), NOSPLIT, $0-40
	PLACES

step:
	VMOVUPS (SI), Y0
	VMOVUPS (SI)(AX*1), Y1
	VMOVUPS (SI)(AX*2), Y2
	VMOVUPS (SI)(BX*1), Y3
	PAIR(Y0, Y1, Y4, Y5)
	PAIR(Y2, Y3, Y6, Y7)
	QUAD(Y4, Y6, Y0, Y1)
	QUAD(Y5, Y7, Y2, Y3)
	PUT(X0, Y0, (DI), (DI)(DX*2))
	PUT(X1, Y1, (R9), (R9)(DX*2))
	PUT(X2, Y2, (DI)(DX*4), (R10)(DX*4))
	PUT(X3, Y3, (R9)(DX*4), (R11)(DX*4))
	ADVANCE(64, 16)
	DECQ CX
	JNZ  step
	VZEROUPPER
	RET
