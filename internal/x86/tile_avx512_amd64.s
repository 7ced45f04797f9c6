//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// The tile on integer codes: 32 weight rows x 6, 4, 2 or 1 tokens, packed as
// [k/4][32 rows][4] unsigned codes with scales (and mins) [sub-block][32 rows].
//
//	func tileT·AVX512(a *tile), T = 6, 4, 2, 1
//	kind 0: sub-blocks of 32     kind 1: of 32 with mins
//	kind 2: sub-blocks of 16     kind 3: of 16 with mins
//
//	SI codes  R8 scales  R9 mins  AX blocks left  R14 output to resume from
//	BX q of token 0, R10 of token 3, DX stride     CX d of token 0, R11 of token 3, DI stride
//	R12 sums of token 0, R13 of token 3   R14, R15 those of the second sub-blocks of 16
//	Z0-Z11 int32 sums of (token, half of the rows)   Z12-Z23 float sums   Z24-Z25 codes
//	Z26 temporary   Z28-Z29 mins   Z30 bias   Z31 its bits
//
//	for each block of 32 (of 16: twice, 4 steps each) {
//		i = -bias·Σx                                    // one for all rows
//		for 8 steps of 4 codes { i += codes·x }         // VPDPBUSD
//		acc += float32(i)·scale·dx                      // each rounded
//		acc -= float32(Σx)·min·dx
//	}
//
// The sums are Acts.Sum in kind 0, Wide in kind 1, Low and High in 2 and 3: what makes
// them shares the pipes of VPDPBUSD.


#define DOT(x, i0, i1) \
	VPBROADCASTD x, Z26 \
	VPDPBUSD     Z26, Z24, i0 \
	VPDPBUSD     Z26, Z25, i1

#define CODES(o) \
	VMOVDQU32 (32*(o))(SI), Z24 \
	VMOVDQU32 (32*(o)+64)(SI), Z25

#define STEP1(o) \
	CODES(o) \
	DOT((o)(BX), Z0, Z1)

#define STEP2(o) \
	STEP1(o) \
	DOT((o)(BX)(DX*1), Z2, Z3)

#define STEP4(o) \
	STEP2(o) \
	DOT((o)(BX)(DX*2), Z4, Z5) \
	DOT((o)(R10), Z6, Z7)

#define STEP6(o) \
	STEP4(o) \
	DOT((o)(R10)(DX*1), Z8, Z9) \
	DOT((o)(R10)(DX*2), Z10, Z11)

	// i = bias·(sums of 16)
#define INIT(sums, bias, i0, i1) \
	VPBROADCASTD sums, Z26 \
	VPMADDWD     bias, Z26, i0 \
	VMOVDQA64    i0, i1

#define PAIRS(sums, i0, i1) INIT(sums, Z30, i0, i1)

	// i = -Σx << bits of the bias
#define SHIFTED(sums, i0, i1) \
	VPBROADCASTD sums, i0 \
	VPSLLVD      Z31, i0, i0 \
	VMOVDQA64    i0, i1

#define CLEAR(sums, i0, i1) \
	VPXORD i0, i0, i0 \
	VPXORD i1, i1, i1

	// of all tokens, the sums at lo of token 0, at hi of token 3
#define SUMS1(OP, lo, hi) \
	OP((lo), Z0, Z1)
#define SUMS2(OP, lo, hi) \
	SUMS1(OP, lo, hi) \
	OP((lo)(DI*1), Z2, Z3)
#define SUMS4(OP, lo, hi) \
	SUMS2(OP, lo, hi) \
	OP((lo)(DI*2), Z4, Z5) \
	OP((hi), Z6, Z7)
#define SUMS6(OP, lo, hi) \
	SUMS4(OP, lo, hi) \
	OP((hi)(DI*1), Z8, Z9) \
	OP((hi)(DI*2), Z10, Z11)

	// acc += float32(i)·scale·dx
#define TERM(s, dx, i0, i1, f0, f1) \
	VCVTDQ2PS   i0, i0 \
	VCVTDQ2PS   i1, i1 \
	VMULPS      (s)(R8), i0, i0 \
	VMULPS      (s+64)(R8), i1, i1 \
	VMULPS.BCST dx, i0, i0 \
	VMULPS.BCST dx, i1, i1 \
	VADDPS      i0, f0, f0 \
	VADDPS      i1, f1, f1

#define TERM1(s) TERM(s, (CX), Z0, Z1, Z12, Z13)
#define TERM2(s) \
	TERM1(s) \
	TERM(s, (CX)(DI*1), Z2, Z3, Z14, Z15)
#define TERM4(s) \
	TERM2(s) \
	TERM(s, (CX)(DI*2), Z4, Z5, Z16, Z17) \
	TERM(s, (R11), Z6, Z7, Z18, Z19)
#define TERM6(s) \
	TERM4(s) \
	TERM(s, (R11)(DI*1), Z8, Z9, Z20, Z21) \
	TERM(s, (R11)(DI*2), Z10, Z11, Z22, Z23)

	// acc -= float32(Σx)·min·dx; of 16 x: acc += float32(-Σx)·min·dx
#define MIN32(sums, dx, f0, f1) \
	VMULPS.BCST sums, Z28, Z24 \
	VMULPS.BCST sums, Z29, Z25 \
	VMULPS.BCST dx, Z24, Z24 \
	VMULPS.BCST dx, Z25, Z25 \
	VSUBPS      Z24, f0, f0 \
	VSUBPS      Z25, f1, f1
#define MIN16(sums, dx, f0, f1) \
	VCVTDQ2PS.BCST sums, Z26 \
	VMULPS         Z26, Z28, Z24 \
	VMULPS         Z26, Z29, Z25 \
	VMULPS.BCST    dx, Z24, Z24 \
	VMULPS.BCST    dx, Z25, Z25 \
	VADDPS         Z24, f0, f0 \
	VADDPS         Z25, f1, f1

#define MIN1(MIN, s, lo, hi) \
	VMOVUPS (s)(R9), Z28 \
	VMOVUPS (s+64)(R9), Z29 \
	MIN((lo), (CX), Z12, Z13)
#define MIN2(MIN, s, lo, hi) \
	MIN1(MIN, s, lo, hi) \
	MIN((lo)(DI*1), (CX)(DI*1), Z14, Z15)
#define MIN4(MIN, s, lo, hi) \
	MIN2(MIN, s, lo, hi) \
	MIN((lo)(DI*2), (CX)(DI*2), Z16, Z17) \
	MIN((hi), (R11), Z18, Z19)
#define MIN6(MIN, s, lo, hi) \
	MIN4(MIN, s, lo, hi) \
	MIN((hi)(DI*1), (R11)(DI*1), Z20, Z21) \
	MIN((hi)(DI*2), (R11)(DI*2), Z22, Z23)

#define LOAD \
	MOVQ         a+0(FP), AX \
	MOVQ         tile_codes(AX), SI \
	MOVQ         tile_scales(AX), R8 \
	MOVQ         tile_mins(AX), R9 \
	MOVQ         tile_q(AX), BX \
	MOVQ         tile_qStride(AX), DX \
	MOVQ         tile_d(AX), CX \
	MOVQ         tile_sum(AX), R12 \
	MOVQ         tile_dStride(AX), DI \
	LEAQ         (BX)(DX*2), R10 \
	ADDQ         DX, R10 \
	LEAQ         (CX)(DI*2), R11 \
	ADDQ         DI, R11 \
	LEAQ         (R12)(DI*2), R13 \
	ADDQ         DI, R13 \
	VPBROADCASTD tile_bias0(AX), Z30 \
	VPBROADCASTD tile_shift(AX), Z31 \
	KMOVW        tile_rows0(AX), K1 \
	KMOVW        tile_rows1(AX), K2 \
	VPXORD       Z12, Z12, Z12 \
	VPXORD       Z13, Z13, Z13 \
	VPXORD       Z14, Z14, Z14 \
	VPXORD       Z15, Z15, Z15 \
	VPXORD       Z16, Z16, Z16 \
	VPXORD       Z17, Z17, Z17 \
	VPXORD       Z18, Z18, Z18 \
	VPXORD       Z19, Z19, Z19 \
	VPXORD       Z20, Z20, Z20 \
	VPXORD       Z21, Z21, Z21 \
	VPXORD       Z22, Z22, Z22 \
	VPXORD       Z23, Z23, Z23 \
	MOVQ         tile_kind(AX), R15 \
	CMPQ         tile_resume(AX), $0 \
	MOVQ         tile_blocks(AX), AX

	// the next block: subs is 1 or 2 sub-blocks
#define NEXT(subs, loop) \
	ADDQ $1024, SI \
	ADDQ $(subs*128), R8 \
	ADDQ $(subs*128), R9 \
	ADDQ $32, BX \
	ADDQ $32, R10 \
	ADDQ $4, CX \
	ADDQ $4, R11 \
	ADDQ $4, R12 \
	ADDQ $4, R13 \
	DECQ AX \
	JNZ  loop

#define STORE(f0, f1) \
	VMOVUPS f0, K1, (SI) \
	VMOVUPS f1, K2, 64(SI) \
	ADDQ    R8, SI

#define STORE1 \
	MOVQ a+0(FP), AX \
	MOVQ tile_y(AX), SI \
	MOVQ tile_yStride(AX), R8 \
	STORE(Z12, Z13)
#define STORE2 \
	STORE1 \
	STORE(Z14, Z15)
#define STORE4 \
	STORE2 \
	STORE(Z16, Z17) \
	STORE(Z18, Z19)
#define STORE6 \
	STORE4 \
	STORE(Z20, Z21) \
	STORE(Z22, Z23)

	// the float sums of the codes before, from the output
#define RESUME(f0, f1) \
	VMOVUPS.Z (R14), K1, f0 \
	VMOVUPS.Z 64(R14), K2, f1 \
	ADDQ      tile_yStride(AX), R14

#define RESUME1 \
	MOVQ a+0(FP), AX \
	MOVQ tile_y(AX), R14 \
	RESUME(Z12, Z13)
#define RESUME2 \
	RESUME1 \
	RESUME(Z14, Z15)
#define RESUME4 \
	RESUME2 \
	RESUME(Z16, Z17) \
	RESUME(Z18, Z19)
#define RESUME6 \
	RESUME4 \
	RESUME(Z20, Z21) \
	RESUME(Z22, Z23)

#define TILE(SUMS, STEP, TERM, MIN, STORE, RESUME) \
	LOAD        \
	JEQ  begin \
	RESUME \
	MOVQ tile_blocks(AX), AX \
begin: \
	CMPQ R15, $1 \
	JLT  plain32 \
	JEQ  min32 \
	CMPQ R15, $2 \
	MOVQ a+0(FP), R14 \
	MOVQ tile_highs(R14), R14 \
	LEAQ (R14)(DI*2), R15 \
	LEAQ (R15)(DI*1), R15 \
	JEQ  plain16 \
	JMP  min16 \
plain32: \
	SUMS(PAIRS, R12, R13) \
	STEP(0) \
	STEP(4) \
	STEP(8) \
	STEP(12) \
	STEP(16) \
	STEP(20) \
	STEP(24) \
	STEP(28) \
	TERM(0) \
	NEXT(1, plain32) \
	JMP  done \
min32: \
	SUMS(CLEAR, R12, R13) \
	STEP(0) \
	STEP(4) \
	STEP(8) \
	STEP(12) \
	STEP(16) \
	STEP(20) \
	STEP(24) \
	STEP(28) \
	TERM(0) \
	MIN(MIN32, 0, R12, R13) \
	NEXT(1, min32) \
	JMP  done \
plain16: \
	SUMS(SHIFTED, R12, R13) \
	STEP(0) \
	STEP(4) \
	STEP(8) \
	STEP(12) \
	TERM(0) \
	SUMS(SHIFTED, R14, R15) \
	STEP(16) \
	STEP(20) \
	STEP(24) \
	STEP(28) \
	TERM(128) \
	ADDQ $4, R14 \
	ADDQ $4, R15 \
	NEXT(2, plain16) \
	JMP  done \
min16: \
	SUMS(CLEAR, R12, R13) \
	STEP(0) \
	STEP(4) \
	STEP(8) \
	STEP(12) \
	TERM(0) \
	MIN(MIN16, 0, R12, R13) \
	SUMS(CLEAR, R14, R15) \
	STEP(16) \
	STEP(20) \
	STEP(24) \
	STEP(28) \
	TERM(128) \
	MIN(MIN16, 128, R14, R15) \
	ADDQ $4, R14 \
	ADDQ $4, R15 \
	NEXT(2, min16) \
done: \
	STORE \
	VZEROUPPER \
	RET

// func tile6AVX512(a *tile)
TEXT ·tile6AVX512(SB), NOSPLIT, $0-8
	TILE(SUMS6, STEP6, TERM6, MIN6, STORE6, RESUME6)

// func tile4AVX512(a *tile)
TEXT ·tile4AVX512(SB), NOSPLIT, $0-8
	TILE(SUMS4, STEP4, TERM4, MIN4, STORE4, RESUME4)

// func tile2AVX512(a *tile)
TEXT ·tile2AVX512(SB), NOSPLIT, $0-8
	TILE(SUMS2, STEP2, TERM2, MIN2, STORE2, RESUME2)

// func tile1AVX512(a *tile)
TEXT ·tile1AVX512(SB), NOSPLIT, $0-8
	TILE(SUMS1, STEP1, TERM1, MIN1, STORE1, RESUME1)
