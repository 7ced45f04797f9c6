// Macros of the kernels in stream*_amd64.s, whose registers they describe.

// what is fetched ahead of the stream; 1 to 4 KB is too late, one line a step too few
#define AHEAD 8192

#define FETCH2(o) \
	PREFETCHT0 (AHEAD+o)(SI) \
	PREFETCHT0 (AHEAD+o+64)(SI)

#define FETCH4(o) \
	FETCH2(o) \
	PREFETCHT0 (AHEAD+o+128)(SI) \
	PREFETCHT0 (AHEAD+o+192)(SI)

#define FETCH5(o) \
	FETCH4(o) \
	PREFETCHT0 (AHEAD+o+256)(SI)

#define ARGS \
	MOVQ a+0(FP), DX \
	MOVQ stream_w(DX), SI \
	MOVQ stream_rows(DX), R10

#define ROW \
	MOVQ stream_x(DX), BX \
	MOVQ stream_x2(DX), CX \
	MOVQ stream_d(DX), DI \
	MOVQ stream_sum(DX), R8 \
	MOVQ stream_terms(DX), R9 \
	MOVQ stream_steps(DX), AX \
	MOVQ stream_backX(DX), R11

	// to the next step, or back so far that one ends with the row; then the next row
#define NEXT(bytes, x, sums, terms, row, step) \
	ADDQ $(bytes), SI \
	ADDQ $(x), BX \
	ADDQ $(x), CX \
	ADDQ $(sums), DI \
	ADDQ $(sums), R8 \
	ADDQ $(terms), R9 \
	DECQ AX \
	JG   step \
	TESTQ R11, R11 \
	JZ   2(PC) \
	JMP  back \
	MOVQ stream_stride(DX), R9 \
	ADDQ R9, stream_terms(DX) \
	DECQ R10 \
	JNZ  row \
	VZEROUPPER \
	RET \
back: \
	ADDQ stream_backBytes(DX), SI \
	ADDQ R11, BX \
	ADDQ R11, CX \
	MOVQ stream_back4(DX), R11 \
	ADDQ R11, DI \
	ADDQ R11, R8 \
	ADDQ stream_backTerms(DX), R9 \
	XORL R11, R11 \
	MOVL $1, AX \
	JMP  step

#define ADD2(a, b) \
	VPUNPCKLDQ b, a, Z0 \
	VPUNPCKHDQ b, a, Z1 \
	VPADDD     Z0, Z1, a

#define ADD4(a, b) \
	VPUNPCKLQDQ b, a, Z0 \
	VPUNPCKHQDQ b, a, Z1 \
	VPADDD      Z0, Z1, a

	// ADD2, then ADD4, for sums that fit 16 bits: one shuffle in place of two. ones: of int16
#define PAIRS(ones, b, a) \
	VPACKSSDW b, a, a \
	VPMADDWD  ones, a, a

	// a = sums of dwords 0 and 1, 2 and 3 of a, then of b: ADD4 after PAIRS
#define ADD4PAIRS(a, b) \
	VSHUFPS $0x88, b, a, Z0 \
	VSHUFPS $0xdd, b, a, Z1 \
	VPADDD  Z0, Z1, a

	// terms = float32(i - bias·Σx)·scale·dx, i in Z16 in the order Z24
#define TERMS \
	VPERMD    Z16, Z24, Z16 \
	VPMADDWD  (R8), Z25, Z0 \
	VPADDD    Z0, Z16, Z16 \
	VCVTDQ2PS Z16, Z16 \
	VMULPS    Z2, Z16, Z16 \
	VMULPS    (DI), Z16, Z16 \
	VMOVUPS   Z16, (R9)
