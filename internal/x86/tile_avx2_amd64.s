//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// The tile of tile_avx512_amd64.s for AVX2: half a panel, 16 weight rows, x 2 or 1
// tokens. Codes of at most 6 bits are unsigned, those of 8 bits signed (kind 4),
// and multiplied as |code|·(x with the code's sign), at most 128·127·2 in 16 bits.
//
//	func tileT·AVX2(a *tile), T = 2, 1
//
//	SI codes  R8 scales  R9 mins  AX blocks left  R15 a  R11 output to resume from
//	BX q, DX stride   CX d, R12 sums, DI stride
//	Y0-Y3 int32 sums of (token, 8 rows)   Y4-Y7 float sums   Y8-Y9 codes   Y10-Y11 |codes|
//	Y12-Y13 temporary   Y14 words of 1
//
//	for each block of 32 (of 16: twice, 4 steps each) {
//		i = -bias·Σx                                    // one for all rows
//		for 8 steps of 4 codes { i += codes·x }         // VPMADDUBSW, VPMADDWD
//		acc += float32(i)·scale·dx                      // each rounded
//		acc -= float32(Σx)·min·dx
//	}

DATA words<>+0(SB)/4, $0x00010001
GLOBL words<>(SB), RODATA|NOPTR, $4

#define CODES(o) \
	VMOVDQU (32*(o))(SI), Y8 \
	VMOVDQU (32*(o)+32)(SI), Y9

#define ADD(t, i) \
	VPMADDWD Y14, t, t \
	VPADDD   t, i, i

#define DOT(x, i0, i1) \
	VPBROADCASTD x, Y12 \
	VPMADDUBSW   Y12, Y8, Y13 \
	VPMADDUBSW   Y12, Y9, Y15 \
	ADD(Y13, i0) \
	ADD(Y15, i1)

#define STEP1(o) \
	CODES(o) \
	DOT((o)(BX), Y0, Y1)
#define STEP2(o) \
	STEP1(o) \
	DOT((o)(BX)(DX*1), Y2, Y3)

#define DOTSIGNED(x, i0, i1) \
	VPBROADCASTD x, Y12 \
	VPSIGNB      Y8, Y12, Y13 \
	VPSIGNB      Y9, Y12, Y15 \
	VPMADDUBSW   Y13, Y10, Y13 \
	VPMADDUBSW   Y15, Y11, Y15 \
	ADD(Y13, i0) \
	ADD(Y15, i1)

#define SIGNED1(o) \
	CODES(o) \
	VPABSB Y8, Y10 \
	VPABSB Y9, Y11 \
	DOTSIGNED((o)(BX), Y0, Y1)
#define SIGNED2(o) \
	SIGNED1(o) \
	DOTSIGNED((o)(BX)(DX*1), Y2, Y3)

#define INIT(sums, bias, i0, i1) \
	VPBROADCASTD bias, Y13 \
	VPBROADCASTD sums, Y12 \
	VPMADDWD     Y13, Y12, i0 \
	VMOVDQA      i0, i1
#define INIT1(bias) INIT((R12), bias, Y0, Y1)
#define INIT2(bias) \
	INIT1(bias) \
	INIT((R12)(DI*1), bias, Y2, Y3)

#define TERM(s, dx, i0, i1, f0, f1) \
	VCVTDQ2PS    i0, i0 \
	VCVTDQ2PS    i1, i1 \
	VBROADCASTSS dx, Y12 \
	VMULPS       (s)(R8), i0, i0 \
	VMULPS       (s+32)(R8), i1, i1 \
	VMULPS       Y12, i0, i0 \
	VMULPS       Y12, i1, i1 \
	VADDPS       i0, f0, f0 \
	VADDPS       i1, f1, f1
#define TERM1(s) TERM(s, (CX), Y0, Y1, Y4, Y5)
#define TERM2(s) \
	TERM1(s) \
	TERM(s, (CX)(DI*1), Y2, Y3, Y6, Y7)

#define MIN(s, sums, ones, dx, f0, f1) \
	VPBROADCASTD ones, Y13 \
	VPBROADCASTD sums, Y12 \
	VPMADDWD     Y13, Y12, Y12 \
	VCVTDQ2PS    Y12, Y12 \
	VBROADCASTSS dx, Y13 \
	VMULPS       (s)(R9), Y12, Y8 \
	VMULPS       (s+32)(R9), Y12, Y9 \
	VMULPS       Y13, Y8, Y8 \
	VMULPS       Y13, Y9, Y9 \
	VSUBPS       Y8, f0, f0 \
	VSUBPS       Y9, f1, f1
#define MIN1(s, ones) MIN(s, (R12), ones, (CX), Y4, Y5)
#define MIN2(s, ones) \
	MIN1(s, ones) \
	MIN(s, (R12)(DI*1), ones, (CX)(DI*1), Y6, Y7)

#define LOAD \
	MOVQ         a+0(FP), R15 \
	MOVQ         tile_codes(R15), SI \
	MOVQ         tile_scales(R15), R8 \
	MOVQ         tile_mins(R15), R9 \
	MOVQ         tile_q(R15), BX \
	MOVQ         tile_qStride(R15), DX \
	MOVQ         tile_d(R15), CX \
	MOVQ         tile_sum(R15), R12 \
	MOVQ         tile_dStride(R15), DI \
	VPBROADCASTD words<>(SB), Y14 \
	VXORPS       Y4, Y4, Y4 \
	VXORPS       Y5, Y5, Y5 \
	VXORPS       Y6, Y6, Y6 \
	VXORPS       Y7, Y7, Y7 \
	MOVQ         tile_kind(R15), R10 \
	CMPQ         tile_resume(R15), $0 \
	MOVQ         tile_blocks(R15), AX

#define NEXT(subs, loop) \
	ADDQ $1024, SI \
	ADDQ $(subs*128), R8 \
	ADDQ $(subs*128), R9 \
	ADDQ $32, BX \
	ADDQ $4, CX \
	ADDQ $4, R12 \
	DECQ AX \
	JNZ  loop

#define STORE(f0, f1) \
	VMASKMOVPS f0, Y8, (SI) \
	VMASKMOVPS f1, Y9, 32(SI) \
	ADDQ       tile_yStride(R15), SI

#define STORE1 \
	MOVQ    tile_mask(R15), SI \
	VMOVUPS (SI), Y8 \
	VMOVUPS 32(SI), Y9 \
	MOVQ    tile_y(R15), SI \
	STORE(Y4, Y5)
#define STORE2 \
	STORE1 \
	STORE(Y6, Y7)

#define STEPS8(STEP) \
	STEP(0) \
	STEP(4) \
	STEP(8) \
	STEP(12) \
	STEP(16) \
	STEP(20) \
	STEP(24) \
	STEP(28)

#define HALF0(STEP) \
	STEP(0) \
	STEP(4) \
	STEP(8) \
	STEP(12)

#define HALF1(STEP) \
	STEP(16) \
	STEP(20) \
	STEP(24) \
	STEP(28)

	// the float sums of the codes before, from the output
#define RESUME(f0, f1) \
	VMASKMOVPS (R11), Y8, f0 \
	VMASKMOVPS 32(R11), Y9, f1 \
	ADDQ       tile_yStride(R15), R11

#define RESUME1 \
	MOVQ    tile_mask(R15), R11 \
	VMOVUPS (R11), Y8 \
	VMOVUPS 32(R11), Y9 \
	MOVQ    tile_y(R15), R11 \
	RESUME(Y4, Y5)
#define RESUME2 \
	RESUME1 \
	RESUME(Y6, Y7)

#define TILE(INIT, STEP, SIGNED, TERM, MIN, STORE, RESUME) \
	LOAD        \
	JEQ  begin \
	RESUME \
begin: \
	CMPQ R10, $1 \
	JLT  plain32 \
	JEQ  min32 \
	CMPQ R10, $3 \
	JLT  plain16 \
	JEQ  min16 \
signed32: \
	INIT(tile_bias0(R15)) \
	STEPS8(SIGNED) \
	TERM(0) \
	NEXT(1, signed32) \
	JMP  done \
plain32: \
	INIT(tile_bias0(R15)) \
	STEPS8(STEP) \
	TERM(0) \
	NEXT(1, plain32) \
	JMP  done \
min32: \
	INIT(tile_bias0(R15)) \
	STEPS8(STEP) \
	TERM(0) \
	MIN(0, tile_ones0(R15)) \
	NEXT(1, min32) \
	JMP  done \
plain16: \
	INIT(tile_bias0(R15)) \
	HALF0(STEP) \
	TERM(0) \
	INIT(tile_bias1(R15)) \
	HALF1(STEP) \
	TERM(128) \
	NEXT(2, plain16) \
	JMP  done \
min16: \
	INIT(tile_bias0(R15)) \
	HALF0(STEP) \
	TERM(0) \
	MIN(0, tile_ones0(R15)) \
	INIT(tile_bias1(R15)) \
	HALF1(STEP) \
	TERM(128) \
	MIN(128, tile_ones1(R15)) \
	NEXT(2, min16) \
done: \
	STORE \
	VZEROUPPER \
	RET

// func tile2AVX2(a *tile)
TEXT ·tile2AVX2(SB), NOSPLIT, $0-8
	TILE(INIT2, STEP2, SIGNED2, TERM2, MIN2, STORE2, RESUME2)

// func tile1AVX2(a *tile)
TEXT ·tile1AVX2(SB), NOSPLIT, $0-8
	TILE(INIT1, STEP1, SIGNED1, TERM1, MIN1, STORE1, RESUME1)
