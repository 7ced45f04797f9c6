//go:build !noasm

#include "go_asm.h"
#include "textflag.h"

// The tile of tile_avx512_amd64.s for AVX2: half a panel, 16 weight rows, x 4, 2 or 1
// tokens. Codes of at most 6 bits are unsigned and their products stay in 16 bits for
// as many steps as fit; those of 8 bits are signed, and multiplied as |code|·(x with the
// code's sign), at most 128·127·2 in 16 bits.
//
//	func tileT·AVX2(a *tile), T = 4, 2, 1
//
//	SI codes  R8 scales  R9 mins  AX blocks left  R15 a  R11 output to resume from
//	BX q, DX stride, R10 3·stride   CX d, R12 sums, DI stride, R14 3·stride
//	R13 float sums [token][16 rows], at 256 more the int32 sums of the steps before
//	Y0-Y7 sums of (token, 8 rows)   Y8-Y9 codes, then scales   Y10-Y11 |codes|, then mins
//	Y12, Y13, Y15 temporary   Y14 words of 1
//
//	for each block of 32 (of 16: twice, 4 steps each) {
//		for 8 steps of 4 codes {
//			w = codes·x                             // VPMADDUBSW, up to 8 steps in int16
//			i += w's pairs                          // VPMADDWD
//		}
//		i -= bias·Σx                                    // one for all rows
//		acc += float32(i)·scale·dx                      // each rounded
//		acc -= float32(Σx)·min·dx
//	}
//
//	kind 0, 1: sub-blocks of 32, codes of 4 bits (8·2·15·127 < 2^15); with mins
//	kind 2, 3: of 32, 5 bits (4 steps in int16); with mins
//	kind 4, 5: of 16, at most 5 bits; with mins
//	kind 6: of 16, 6 bits (2 steps)
//	kind 7: of 32, signed codes of 8 bits

DATA words<>+0(SB)/4, $0x00010001
GLOBL words<>(SB), RODATA|NOPTR, $4

#define CODES(o) \
	VMOVDQU (32*(o))(SI), Y8 \
	VMOVDQU (32*(o)+32)(SI), Y9

	// w = codes·x, w += codes·x
#define DOT(x, w0, w1) \
	VPBROADCASTD x, Y12 \
	VPMADDUBSW   Y12, Y8, w0 \
	VPMADDUBSW   Y12, Y9, w1
#define ADDDOT(x, w0, w1) \
	VPBROADCASTD x, Y12 \
	VPMADDUBSW   Y12, Y8, Y13 \
	VPMADDUBSW   Y12, Y9, Y12 \
	VPADDW       Y13, w0, w0 \
	VPADDW       Y12, w1, w1

	// the same of signed codes, to int32
#define SIGNS(x) \
	VPBROADCASTD x, Y12 \
	VPSIGNB      Y8, Y12, Y13 \
	VPSIGNB      Y9, Y12, Y15 \
	VPMADDUBSW   Y13, Y10, Y13 \
	VPMADDUBSW   Y15, Y11, Y15
#define SIGNDOT(x, i0, i1) \
	SIGNS(x) \
	VPMADDWD Y14, Y13, i0 \
	VPMADDWD Y14, Y15, i1
#define ADDSIGNDOT(x, i0, i1) \
	SIGNS(x) \
	VPMADDWD Y14, Y13, Y13 \
	VPMADDWD Y14, Y15, Y15 \
	VPADDD   Y13, i0, i0 \
	VPADDD   Y15, i1, i1

#define TOKENS1(DOT, o) \
	DOT((o)(BX), Y0, Y1)
#define TOKENS2(DOT, o) \
	TOKENS1(DOT, o) \
	DOT((o)(BX)(DX*1), Y2, Y3)
#define TOKENS4(DOT, o) \
	TOKENS2(DOT, o) \
	DOT((o)(BX)(DX*2), Y4, Y5) \
	DOT((o)(BX)(R10*1), Y6, Y7)

#define FIRST(TOKENS, o) \
	CODES(o) \
	TOKENS(DOT, o)
#define NEXT(TOKENS, o) \
	CODES(o) \
	TOKENS(ADDDOT, o)
#define ABS(o) \
	CODES(o) \
	VPABSB Y8, Y10 \
	VPABSB Y9, Y11
#define SIGNED(TOKENS, o) \
	ABS(o) \
	TOKENS(ADDSIGNDOT, o)

	// words of 8, 4, 2 steps
#define STEPS2(TOKENS, o) \
	FIRST(TOKENS, o) \
	NEXT(TOKENS, (o+4))
#define STEPS4(TOKENS, o) \
	STEPS2(TOKENS, o) \
	NEXT(TOKENS, (o+8)) \
	NEXT(TOKENS, (o+12))
#define STEPS8(TOKENS, o) \
	STEPS4(TOKENS, o) \
	NEXT(TOKENS, (o+16)) \
	NEXT(TOKENS, (o+20)) \
	NEXT(TOKENS, (o+24)) \
	NEXT(TOKENS, (o+28))

#define ALL1(OP) \
	OP(0, Y0) \
	OP(1, Y1)
#define ALL2(OP) \
	ALL1(OP) \
	OP(2, Y2) \
	OP(3, Y3)
#define ALL4(OP) \
	ALL2(OP) \
	OP(4, Y4) \
	OP(5, Y5) \
	OP(6, Y6) \
	OP(7, Y7)

#define WIDEN(n, i) VPMADDWD Y14, i, i
	// i of the first steps away, i of the last ones plus that
#define AWAY(n, i) \
	VPMADDWD Y14, i, i \
	VMOVDQU  i, (256+32*n)(R13)
#define BACK(n, i) \
	VPMADDWD Y14, i, i \
	VPADDD   (256+32*n)(R13), i, i

	// i += bias·(sums of 16), bias in Y13
#define ADDBIAS(sums, i0, i1) \
	VPBROADCASTD sums, Y12 \
	VPMADDWD     Y13, Y12, Y12 \
	VPADDD       Y12, i0, i0 \
	VPADDD       Y12, i1, i1
#define BIAS(bias, SUMS) \
	VPBROADCASTD bias(R15), Y13 \
	SUMS(ADDBIAS)

#define SUMS1(OP) \
	OP((R12), Y0, Y1)
#define SUMS2(OP) \
	SUMS1(OP) \
	OP((R12)(DI*1), Y2, Y3)
#define SUMS4(OP) \
	SUMS2(OP) \
	OP((R12)(DI*2), Y4, Y5) \
	OP((R12)(R14*1), Y6, Y7)

	// acc += float32(i)·scale·dx
#define TERM(o, dx, sums, i0, i1) \
	VBROADCASTSS dx, Y12 \
	VCVTDQ2PS    i0, i0 \
	VCVTDQ2PS    i1, i1 \
	VMULPS       Y8, i0, i0 \
	VMULPS       Y9, i1, i1 \
	VMULPS       Y12, i0, i0 \
	VMULPS       Y12, i1, i1 \
	VADDPS       (o)(R13), i0, i0 \
	VADDPS       (o+32)(R13), i1, i1 \
	VMOVUPS      i0, (o)(R13) \
	VMOVUPS      i1, (o+32)(R13)

	// and acc -= float32(Σx)·min·dx
#define TERMMIN(SUM, o, dx, sums, i0, i1) \
	VPBROADCASTD sums, Y13 \
	VBROADCASTSS dx, Y12 \
	SUM \
	VCVTDQ2PS    Y13, Y13 \
	VMULPS       Y11, Y13, Y15 \
	VMULPS       Y10, Y13, Y13 \
	VMULPS       Y12, Y15, Y15 \
	VMULPS       Y12, Y13, Y13 \
	VCVTDQ2PS    i0, i0 \
	VCVTDQ2PS    i1, i1 \
	VMULPS       Y8, i0, i0 \
	VMULPS       Y9, i1, i1 \
	VMULPS       Y12, i0, i0 \
	VMULPS       Y12, i1, i1 \
	VADDPS       (o)(R13), i0, i0 \
	VADDPS       (o+32)(R13), i1, i1 \
	VSUBPS       Y13, i0, i0 \
	VSUBPS       Y15, i1, i1 \
	VMOVUPS      i0, (o)(R13) \
	VMOVUPS      i1, (o+32)(R13)

	// Y13 = the sum of both 16, of the first, of the second
#define BOTH VPMADDWD Y14, Y13, Y13
#define LOW \
	VPSLLD $16, Y13, Y13 \
	VPSRAD $16, Y13, Y13
#define HIGH VPSRAD $16, Y13, Y13

#define TERMBOTH(o, dx, sums, i0, i1) TERMMIN(BOTH, o, dx, sums, i0, i1)
#define TERMLOW(o, dx, sums, i0, i1) TERMMIN(LOW, o, dx, sums, i0, i1)
#define TERMHIGH(o, dx, sums, i0, i1) TERMMIN(HIGH, o, dx, sums, i0, i1)

#define TERMS1(TERM) \
	TERM(0, (CX), (R12), Y0, Y1)
#define TERMS2(TERM) \
	TERMS1(TERM) \
	TERM(64, (CX)(DI*1), (R12)(DI*1), Y2, Y3)
#define TERMS4(TERM) \
	TERMS2(TERM) \
	TERM(128, (CX)(DI*2), (R12)(DI*2), Y4, Y5) \
	TERM(192, (CX)(R14*1), (R12)(R14*1), Y6, Y7)

#define SCALES(s) \
	VMOVUPS (s)(R8), Y8 \
	VMOVUPS (s+32)(R8), Y9
#define MINS(s) \
	VMOVUPS (s)(R9), Y10 \
	VMOVUPS (s+32)(R9), Y11

#define LOAD \
	MOVQ         a+0(FP), R15 \
	MOVQ         tile_codes(R15), SI \
	MOVQ         tile_scales(R15), R8 \
	MOVQ         tile_mins(R15), R9 \
	MOVQ         tile_q(R15), BX \
	MOVQ         tile_qStride(R15), DX \
	LEAQ         (DX)(DX*2), R10 \
	MOVQ         tile_d(R15), CX \
	MOVQ         tile_sum(R15), R12 \
	MOVQ         tile_dStride(R15), DI \
	LEAQ         (DI)(DI*2), R14 \
	MOVQ         tile_acc(R15), R13 \
	VPBROADCASTD words<>(SB), Y14 \
	VXORPS       Y0, Y0, Y0 \
	VXORPS       Y1, Y1, Y1 \
	VXORPS       Y2, Y2, Y2 \
	VXORPS       Y3, Y3, Y3 \
	VXORPS       Y4, Y4, Y4 \
	VXORPS       Y5, Y5, Y5 \
	VXORPS       Y6, Y6, Y6 \
	VXORPS       Y7, Y7, Y7 \
	MOVQ         tile_blocks(R15), AX \
	CMPQ         tile_resume(R15), $0

#define BLOCK(subs, loop) \
	ADDQ $1024, SI \
	ADDQ $(subs*128), R8 \
	ADDQ $(subs*128), R9 \
	ADDQ $32, BX \
	ADDQ $4, CX \
	ADDQ $4, R12 \
	DECQ AX \
	JNZ  loop

	// the float sums of the codes before, from the output; Y8, Y9 the mask
#define RESUME(i0, i1) \
	VMASKMOVPS (R11), Y8, i0 \
	VMASKMOVPS 32(R11), Y9, i1 \
	ADDQ       tile_yStride(R15), R11
#define RESUME1 \
	RESUME(Y0, Y1)
#define RESUME2 \
	RESUME1 \
	RESUME(Y2, Y3)
#define RESUME4 \
	RESUME2 \
	RESUME(Y4, Y5) \
	RESUME(Y6, Y7)

#define KEEP(n, i) VMOVUPS i, (32*n)(R13)

#define STORE(o) \
	VMOVUPS    (o)(R13), Y0 \
	VMOVUPS    (o+32)(R13), Y1 \
	VMASKMOVPS Y0, Y8, (R11) \
	VMASKMOVPS Y1, Y9, 32(R11) \
	ADDQ       tile_yStride(R15), R11
#define STORE1 \
	STORE(0)
#define STORE2 \
	STORE1 \
	STORE(64)
#define STORE4 \
	STORE2 \
	STORE(128) \
	STORE(192)

#define MASK \
	MOVQ    tile_mask(R15), R11 \
	VMOVUPS (R11), Y8 \
	VMOVUPS 32(R11), Y9 \
	MOVQ    tile_y(R15), R11

#define TILE(TOKENS, ALL, SUMS, TERMS, RESUME, STORE) \
	LOAD \
	JEQ  begin \
	MASK \
	RESUME \
begin: \
	ALL(KEEP) \
	MOVQ tile_kind(R15), R11 \
	CMPQ R11, $1 \
	JLT  plain4 \
	JEQ  min4 \
	CMPQ R11, $3 \
	JLT  plain5 \
	JEQ  min5 \
	CMPQ R11, $5 \
	JLT  plain16 \
	JEQ  min16 \
	CMPQ R11, $7 \
	JLT  plain6 \
signed: \
	ABS(0) \
	TOKENS(SIGNDOT, 0) \
	SIGNED(TOKENS, 4) \
	SIGNED(TOKENS, 8) \
	SIGNED(TOKENS, 12) \
	SIGNED(TOKENS, 16) \
	SIGNED(TOKENS, 20) \
	SIGNED(TOKENS, 24) \
	SIGNED(TOKENS, 28) \
	SCALES(0) \
	TERMS(TERM) \
	BLOCK(1, signed) \
	JMP  done \
plain4: \
	STEPS8(TOKENS, 0) \
	ALL(WIDEN) \
	BIAS(tile_bias0, SUMS) \
	SCALES(0) \
	TERMS(TERM) \
	BLOCK(1, plain4) \
	JMP  done \
min4: \
	STEPS8(TOKENS, 0) \
	ALL(WIDEN) \
	SCALES(0) \
	MINS(0) \
	TERMS(TERMBOTH) \
	BLOCK(1, min4) \
	JMP  done \
plain5: \
	STEPS4(TOKENS, 0) \
	ALL(AWAY) \
	STEPS4(TOKENS, 16) \
	ALL(BACK) \
	BIAS(tile_bias0, SUMS) \
	SCALES(0) \
	TERMS(TERM) \
	BLOCK(1, plain5) \
	JMP  done \
min5: \
	STEPS4(TOKENS, 0) \
	ALL(AWAY) \
	STEPS4(TOKENS, 16) \
	ALL(BACK) \
	SCALES(0) \
	MINS(0) \
	TERMS(TERMBOTH) \
	BLOCK(1, min5) \
	JMP  done \
plain16: \
	STEPS4(TOKENS, 0) \
	ALL(WIDEN) \
	BIAS(tile_bias0, SUMS) \
	SCALES(0) \
	TERMS(TERM) \
	STEPS4(TOKENS, 16) \
	ALL(WIDEN) \
	BIAS(tile_bias1, SUMS) \
	SCALES(128) \
	TERMS(TERM) \
	BLOCK(2, plain16) \
	JMP  done \
min16: \
	STEPS4(TOKENS, 0) \
	ALL(WIDEN) \
	SCALES(0) \
	MINS(0) \
	TERMS(TERMLOW) \
	STEPS4(TOKENS, 16) \
	ALL(WIDEN) \
	SCALES(128) \
	MINS(128) \
	TERMS(TERMHIGH) \
	BLOCK(2, min16) \
	JMP  done \
plain6: \
	STEPS2(TOKENS, 0) \
	ALL(AWAY) \
	STEPS2(TOKENS, 8) \
	ALL(BACK) \
	BIAS(tile_bias0, SUMS) \
	SCALES(0) \
	TERMS(TERM) \
	STEPS2(TOKENS, 16) \
	ALL(AWAY) \
	STEPS2(TOKENS, 24) \
	ALL(BACK) \
	BIAS(tile_bias1, SUMS) \
	SCALES(128) \
	TERMS(TERM) \
	BLOCK(2, plain6) \
done: \
	MASK \
	STORE \
	VZEROUPPER \
	RET

// func tile4AVX2(a *tile)
TEXT ·tile4AVX2(SB), NOSPLIT, $0-8
	TILE(TOKENS4, ALL4, SUMS4, TERMS4, RESUME4, STORE4)

// func tile2AVX2(a *tile)
TEXT ·tile2AVX2(SB), NOSPLIT, $0-8
	TILE(TOKENS2, ALL2, SUMS2, TERMS2, RESUME2, STORE2)

// func tile1AVX2(a *tile)
TEXT ·tile1AVX2(SB), NOSPLIT, $0-8
	TILE(TOKENS1, ALL1, SUMS1, TERMS1, RESUME1, STORE1)
