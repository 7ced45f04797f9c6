//go:build !noasm

#include "go_asm.h"
#include "textflag.h"
#include "stream_amd64.h"

// One token times adjacent rows of super-blocks, read as one linear stream, see
// stream_avx512_amd64.s. A step is one super-block, so none goes back.
//
//	func streamT·AVX2(a *stream)
//
//	SI weights   BX x   DI d   R8 sums   R9 terms   AX steps left in the row   R10 rows left
//	Y15 nibbles   Y14 words of 1   Y9-Y13 constants   Y0-Y8 temporary
//
//	for each row {
//		for each super-block {
//			i[sub] = Σ code·x, - bias·Σx      // in words while they fit
//			terms[sub] = float32(i)·scale·dx  // lane = sub-block, each rounded
//			after each 8 of them float32(Σx)·min·dx, to be subtracted // types with a min
//		}
//	}

DATA s2nibble<>+0(SB)/4, $0x0f0f0f0f
GLOBL s2nibble<>(SB), RODATA|NOPTR, $4
DATA s2ones<>+0(SB)/4, $0x00010001
GLOBL s2ones<>(SB), RODATA|NOPTR, $4

// fields of the 12 bytes of scales and mins of 6 bits, eight at a time
DATA s2low6<>+0(SB)/8, $0x3f3f3f3f3f3f3f3f
GLOBL s2low6<>(SB), RODATA|NOPTR, $8
DATA s2high2<>+0(SB)/8, $0x3030303030303030
GLOBL s2high2<>(SB), RODATA|NOPTR, $8
DATA s2low4<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL s2low4<>(SB), RODATA|NOPTR, $8

	// what Q4_K and Q5_K share
#define CONSTANTS \
	VPBROADCASTD s2nibble<>(SB), Y15 \
	VPBROADCASTD s2ones<>(SB), Y14

	// i = words of two sub-blocks, by halves of each lane: Y4 and Y5 times x
#define PRODUCTS(x, i) \
	VPMADDUBSW (x)(BX), Y4, Y4 \
	VPMADDUBSW (x+32)(BX), Y5, Y5 \
	VPMADDWD   Y14, Y4, Y4 \
	VPMADDWD   Y14, Y5, Y5 \
	VPACKSSDW  Y5, Y4, i

#define QUARTER(o, x, i) \
	VMOVDQU (o)(SI), Y4 \
	VPSRLW  $4, Y4, Y5 \
	VPAND   Y15, Y4, Y4 \
	VPAND   Y15, Y5, Y5 \
	PRODUCTS(x, i)

	// Y0 = the sums of 8 sub-blocks of Y0-Y3: 8 products of 31·127 fit a word
#define SUM8 \
	VPMADDWD   Y14, Y0, Y0 \
	VPMADDWD   Y14, Y1, Y1 \
	VPMADDWD   Y14, Y2, Y2 \
	VPMADDWD   Y14, Y3, Y3 \
	VPACKSSDW  Y1, Y0, Y0 \
	VPACKSSDW  Y3, Y2, Y2 \
	VPMADDWD   Y14, Y0, Y0 \
	VPMADDWD   Y14, Y2, Y2 \
	VPERM2I128 $0x20, Y2, Y0, Y1 \
	VPERM2I128 $0x31, Y2, Y0, Y3 \
	VPADDD     Y3, Y1, Y0

	// terms of Y0. d and dmin are the first 4 bytes; then scales 0-3, mins 0-3 in 6
	// bits of a byte each, whose high 2 bits belong to scales and mins 4-7, and 4 bytes
	// of their low nibbles: scale, min. CX, R13: a word's scales, R12: mins. The vector
	// units are busy, so that the fields are taken apart in general registers
#define TERMS6 \
	MOVQ         4(SI), R12 \
	MOVL         12(SI), R13 \
	VPBROADCASTD (SI), X7 \
	MOVQ         R12, CX \
	MOVQ         R13, R15 \
	SHRQ         $2, CX \
	SHLQ         $28, R15 \
	ANDQ         s2high2<>(SB), CX \
	ORQ          R13, R15 \
	ANDQ         s2low6<>(SB), R12 \
	ANDQ         s2low4<>(SB), R15 \
	ORQ          CX, R15 \
	VCVTPH2PS    X7, Y7 \
	MOVQ         R15, CX \
	MOVL         R12, R13 \
	SHLQ         $32, CX \
	SHRQ         $32, R15 \
	ORQ          R13, CX \
	SHLQ         $32, R15 \
	SHRQ         $32, R12 \
	VMOVQ        CX, X5 \
	ORQ          R15, R12 \
	VMOVQ        R12, X6 \
	VPMOVZXBD    X5, Y5 \
	VPMOVZXBD    X6, Y6 \
	VMOVSHDUP    Y7, Y8 \
	VMOVSLDUP    Y7, Y7 \
	VCVTDQ2PS    Y5, Y5 \
	VCVTDQ2PS    Y6, Y6 \
	VMULPS       Y7, Y5, Y5 \
	VMULPS       Y8, Y6, Y6 \
	VMOVUPS      (DI), Y7 \
	VCVTDQ2PS    Y0, Y0 \
	VMULPS       Y5, Y0, Y0 \
	VMULPS       (R8), Y6, Y1 \
	VMULPS       Y7, Y0, Y0 \
	VMULPS       Y7, Y1, Y1 \
	VMOVUPS      Y0, (R9) \
	VMOVUPS      Y1, 32(R9)

// func streamQ4_KAVX2(a *stream)
TEXT ·streamQ4_KAVX2(SB), NOSPLIT, $0-8
	ARGS
	CONSTANTS

row:
	ROW

step:
	FETCH2(0)
	PREFETCHT0 (AHEAD+128)(SI)
	QUARTER(16, 0, Y0)
	QUARTER(48, 64, Y1)
	QUARTER(80, 128, Y2)
	QUARTER(112, 192, Y3)
	SUM8
	TERMS6
	NEXT(144, 256, 32, 64, row, step)

DATA s2bit4<>+0(SB)/8, $0x1010101010101010
DATA s2bit4<>+8(SB)/8, $0x1010101010101010
DATA s2bit4<>+16(SB)/8, $0x1010101010101010
DATA s2bit4<>+24(SB)/8, $0x1010101010101010
GLOBL s2bit4<>(SB), RODATA|NOPTR, $32

	// QUARTER with the fifth bits of Y8, moved to bit 4 by the shifts
#define QUARTER5(o, x, shift0, n0, shift1, n1, i) \
	VMOVDQU (o)(SI), Y4 \
	shift0  $n0, Y8, Y6 \
	shift1  $n1, Y8, Y7 \
	VPSRLW  $4, Y4, Y5 \
	VPAND   Y15, Y4, Y4 \
	VPAND   Y15, Y5, Y5 \
	VPAND   s2bit4<>(SB), Y6, Y6 \
	VPAND   s2bit4<>(SB), Y7, Y7 \
	VPOR    Y6, Y4, Y4 \
	VPOR    Y7, Y5, Y5 \
	PRODUCTS(x, i)

// func streamQ5_KAVX2(a *stream)
TEXT ·streamQ5_KAVX2(SB), NOSPLIT, $0-8
	ARGS
	CONSTANTS

row:
	ROW

step:
	FETCH2(0)
	PREFETCHT0 (AHEAD+128)(SI)
	VMOVDQU 16(SI), Y8
	QUARTER5(48, 0, VPSLLW, 4, VPSLLW, 3, Y0)
	QUARTER5(80, 64, VPSLLW, 2, VPSLLW, 1, Y1)
	QUARTER5(112, 128, VPSLLW, 0, VPSRLW, 1, Y2)
	QUARTER5(144, 192, VPSRLW, 2, VPSRLW, 3, Y3)
	SUM8
	TERMS6
	NEXT(176, 256, 32, 64, row, step)

// Sub-blocks of 16: dword i of lane j of the sums is sub-block 2i+j.
DATA s2order<>+0(SB)/8, $0x0000000400000000
DATA s2order<>+8(SB)/8, $0x0000000500000001
DATA s2order<>+16(SB)/8, $0x0000000600000002
DATA s2order<>+24(SB)/8, $0x0000000700000003
GLOBL s2order<>(SB), RODATA|NOPTR, $32
DATA s2bits45<>+0(SB)/4, $0x30303030
GLOBL s2bits45<>(SB), RODATA|NOPTR, $4

#define CONSTANTS16 \
	VPBROADCASTD s2nibble<>(SB), Y15 \
	VPBROADCASTD s2ones<>(SB), Y14 \
	VMOVDQU      s2order<>(SB), Y12

	// Y4 = float32(Y4)·(scales in Y5)·dx of half n, scales times d in Y8
#define TERMS16(n) \
	VPMOVZXDQ (16*n)(DI), Y6 \
	VCVTDQ2PS Y5, Y5 \
	VCVTDQ2PS Y4, Y4 \
	VMOVSLDUP Y6, Y6 \
	VMULPS    Y8, Y5, Y5 \
	VMULPS    Y5, Y4, Y4 \
	VMULPS    Y6, Y4, Y4

	// 128 codes: low nibbles of 64 bytes in order, then high ones, two bits of 32 bytes
	// each; 4 products of 63·127 fit a word. CX: of a super-block's sub-blocks 32·Σx,
	// then dx, see widenSums
#define HALF6(n) \
	VMOVDQU    (64*n)(SI), Y4 \
	VMOVDQU    (64*n+32)(SI), Y5 \
	VMOVDQU    (128+32*n)(SI), Y3 \
	VPSRLW     $4, Y4, Y6 \
	VPSRLW     $4, Y5, Y7 \
	VPSLLW     $4, Y3, Y0 \
	VPSLLW     $2, Y3, Y1 \
	VPSRLW     $2, Y3, Y2 \
	VPAND      Y15, Y4, Y4 \
	VPAND      Y15, Y5, Y5 \
	VPAND      Y15, Y6, Y6 \
	VPAND      Y15, Y7, Y7 \
	VPAND      Y13, Y0, Y0 \
	VPAND      Y13, Y1, Y1 \
	VPAND      Y13, Y3, Y3 \
	VPAND      Y13, Y2, Y2 \
	VPOR       Y0, Y4, Y4 \
	VPOR       Y1, Y5, Y5 \
	VPOR       Y3, Y6, Y6 \
	VPOR       Y2, Y7, Y7 \
	VPMADDUBSW (128*n)(BX), Y4, Y4 \
	VPMADDUBSW (128*n+32)(BX), Y5, Y5 \
	VPMADDUBSW (128*n+64)(BX), Y6, Y6 \
	VPMADDUBSW (128*n+96)(BX), Y7, Y7 \
	VPHADDW    Y5, Y4, Y4 \
	VPHADDW    Y7, Y6, Y6 \
	VPMADDWD   Y14, Y4, Y4 \
	VPMADDWD   Y14, Y6, Y6 \
	VPHADDD    Y6, Y4, Y4 \
	VPERMD     Y4, Y12, Y4 \
	VPMOVSXBD  (192+8*n)(SI), Y5 \
	VPSUBD     (32*n)(CX), Y4, Y4 \
	VCVTDQ2PS  Y5, Y5 \
	VCVTDQ2PS  Y4, Y4 \
	VMULPS     Y8, Y5, Y5 \
	VMULPS     Y5, Y4, Y4 \
	VMULPS     (64+32*n)(CX), Y4, Y4 \
	VMOVUPS    Y4, (32*n)(R9)

// func streamQ6_KAVX2(a *stream)
TEXT ·streamQ6_KAVX2(SB), NOSPLIT, $0-8
	ARGS
	CONSTANTS16
	VPBROADCASTD s2bits45<>(SB), Y13

row:
	ROW

step:
	FETCH4(0)
	VPBROADCASTW 208(SI), X8
	VCVTPH2PS    X8, Y8
	HALF6(0)
	HALF6(1)
	NEXT(210, 256, 32, 64, row, step)

DATA s2two<>+0(SB)/4, $0x03030303
GLOBL s2two<>(SB), RODATA|NOPTR, $4

	// Y4 = the sums of 8 sub-blocks of words Y4-Y7: 8 products of 7·127 fit a word
#define SUM8OF16 \
	VPHADDW  Y5, Y4, Y4 \
	VPHADDW  Y7, Y6, Y6 \
	VPHADDW  Y6, Y4, Y4 \
	VPMADDWD Y14, Y4, Y4 \
	VPERMD   Y4, Y12, Y4

	// 128 codes of 2 bits of 32 bytes; d in Y8, dmin in Y9
#define HALF2(n) \
	VMOVDQU    (16+32*n)(SI), Y4 \
	VPSRLW     $2, Y4, Y5 \
	VPSRLW     $4, Y4, Y6 \
	VPSRLW     $6, Y4, Y7 \
	VPAND      Y13, Y4, Y4 \
	VPAND      Y13, Y5, Y5 \
	VPAND      Y13, Y6, Y6 \
	VPAND      Y13, Y7, Y7 \
	VPMADDUBSW (128*n)(BX), Y4, Y4 \
	VPMADDUBSW (128*n+32)(BX), Y5, Y5 \
	VPMADDUBSW (128*n+64)(BX), Y6, Y6 \
	VPMADDUBSW (128*n+96)(BX), Y7, Y7 \
	SUM8OF16 \
	VMOVQ      (8*n)(SI), X5 \
	VPMOVSXWD  (16*n)(R8), Y1 \
	VPSRLW     $4, X5, X3 \
	VPAND      X15, X5, X5 \
	VPAND      X15, X3, X3 \
	VPMOVZXBD  X5, Y5 \
	VPMOVZXBD  X3, Y3 \
	VCVTDQ2PS  Y1, Y1 \
	VCVTDQ2PS  Y3, Y3 \
	TERMS16(n) \
	VMULPS     Y9, Y3, Y3 \
	VMULPS     Y3, Y1, Y1 \
	VMULPS     Y6, Y1, Y1 \
	VMOVUPS    Y4, (64*n)(R9) \
	VMOVUPS    Y1, (64*n+32)(R9)

// func streamQ2_KAVX2(a *stream)
TEXT ·streamQ2_KAVX2(SB), NOSPLIT, $0-8
	ARGS
	CONSTANTS16
	VPBROADCASTD s2two<>(SB), Y13

row:
	ROW

step:
	FETCH2(0)
	VPBROADCASTW 80(SI), X8
	VPBROADCASTW 82(SI), X9
	VCVTPH2PS    X8, Y8
	VCVTPH2PS    X9, Y9
	HALF2(0)
	HALF2(1)
	NEXT(84, 256, 32, 128, row, step)

DATA s2bit2<>+0(SB)/4, $0x04040404
GLOBL s2bit2<>(SB), RODATA|NOPTR, $4
DATA s2by2<>+0(SB)/8, $0x0000000200000000
DATA s2by2<>+8(SB)/8, $0x0000000600000004
GLOBL s2by2<>(SB), RODATA|NOPTR, $16
DATA s2fours<>+0(SB)/8, $0x3030303030303030
DATA s2fours<>+8(SB)/8, $0x3030303030303030
GLOBL s2fours<>(SB), RODATA|NOPTR, $16
DATA s2thirty2<>+0(SB)/8, $0x2020202020202020
DATA s2thirty2<>+8(SB)/8, $0x2020202020202020
GLOBL s2thirty2<>(SB), RODATA|NOPTR, $16

	// y = (Y0 >> 2j & 3 | bit of Y1, moved to bit 2 by the shift) · x
#define THIRD(j, shift, n, x, y) \
	VPSRLW     $(2*j), Y0, y \
	shift      $n, Y1, Y2 \
	VPAND      Y13, y, y \
	VPAND      Y11, Y2, Y2 \
	VPOR       Y2, y, y \
	VPMADDUBSW (x)(BX), y, y

	// 128 codes of 2 bits of 32 bytes in Y0, third bits in Y1; scales in X9
#define HALF3(n, shift0, n0, shift1, n1, shift2, n2, shift3, n3) \
	VMOVDQU   (32+32*n)(SI), Y0 \
	THIRD(0, shift0, n0, 128*n, Y4) \
	THIRD(1, shift1, n1, 128*n+32, Y5) \
	THIRD(2, shift2, n2, 128*n+64, Y6) \
	THIRD(3, shift3, n3, 128*n+96, Y7) \
	SUM8OF16 \
	VPMOVSXWD (16*n)(R8), Y3 \
	VPMOVSXBD X9, Y5 \
	VPSLLD    $2, Y3, Y3 \
	VPSUBD    Y3, Y4, Y4 \
	TERMS16(n) \
	VMOVUPS   Y4, (32*n)(R9)

// func streamQ3_KAVX2(a *stream)
TEXT ·streamQ3_KAVX2(SB), NOSPLIT, $0-8
	ARGS
	CONSTANTS16
	VPBROADCASTD s2two<>(SB), Y13
	VPBROADCASTD s2bit2<>(SB), Y11

row:
	ROW

step:
	FETCH2(0)
	VPBROADCASTW 108(SI), X8
	VMOVQ        96(SI), X9
	VPBROADCASTD 104(SI), X10
	VCVTPH2PS    X8, Y8
	VPSRLW       $4, X9, X0
	VPSRLVD      s2by2<>(SB), X10, X10
	VPUNPCKLQDQ  X0, X9, X9
	VPSLLW       $4, X10, X10
	VPAND        X15, X9, X9
	VPAND        s2fours<>(SB), X10, X10
	VPOR         X10, X9, X9
	VPSUBB       s2thirty2<>(SB), X9, X9
	VMOVDQU      (SI), Y1
	HALF3(0, VPSLLW, 2, VPSLLW, 1, VPSLLW, 0, VPSRLW, 1)
	VPSRLDQ      $8, X9, X9
	HALF3(1, VPSRLW, 2, VPSRLW, 3, VPSRLW, 4, VPSRLW, 5)
	NEXT(110, 256, 32, 64, row, step)

	// y0-y3 = terms o to o+3 of 8 rows, lane = row
#define FOURTERMS(o, x0, x1, x2, x3, y0, y1, y2, y3) \
	VMOVUPS     (o)(SI), x0 \
	VMOVUPS     (o)(SI)(DX*1), x1 \
	VMOVUPS     (o)(SI)(DX*2), x2 \
	VMOVUPS     (o)(SI)(R11*1), x3 \
	VINSERTF128 $1, (o)(R8), y0, y0 \
	VINSERTF128 $1, (o)(R8)(DX*1), y1, y1 \
	VINSERTF128 $1, (o)(R8)(DX*2), y2, y2 \
	VINSERTF128 $1, (o)(R8)(R11*1), y3, y3 \
	VUNPCKLPS   y1, y0, Y4 \
	VUNPCKLPS   y3, y2, Y5 \
	VUNPCKHPS   y1, y0, Y6 \
	VUNPCKHPS   y3, y2, Y7 \
	VUNPCKLPD   Y5, Y4, y0 \
	VUNPCKHPD   Y5, Y4, y1 \
	VUNPCKLPD   Y7, Y6, y2 \
	VUNPCKHPD   Y7, Y6, y3

// func sumTermsAVX2(y, terms *float32, stride, n int)
//
// y[row] = Σ terms[row·stride+i] of 8 rows, i ascending; lane = row. n is a multiple
// of 4.
TEXT ·sumTermsAVX2(SB), NOSPLIT, $0-32
	MOVQ y+0(FP), DI
	MOVQ terms+8(FP), SI
	MOVQ stride+16(FP), DX
	MOVQ n+24(FP), AX
	LEAQ (DX)(DX*2), R11
	LEAQ (SI)(DX*4), R8
	VXORPS Y15, Y15, Y15

four:
	FOURTERMS(0, X0, X1, X2, X3, Y0, Y1, Y2, Y3)
	VADDPS Y0, Y15, Y15
	VADDPS Y1, Y15, Y15
	VADDPS Y2, Y15, Y15
	VADDPS Y3, Y15, Y15
	ADDQ   $16, SI
	ADDQ   $16, R8
	SUBQ   $4, AX
	JNZ    four
	VMOVUPS Y15, (DI)
	VZEROUPPER
	RET

#define FOURMINS(o) \
	FOURTERMS(o, X0, X1, X2, X3, Y0, Y1, Y2, Y3) \
	FOURTERMS(o+32, X8, X9, X10, X11, Y8, Y9, Y10, Y11) \
	VADDPS Y0, Y15, Y15 \
	VSUBPS Y8, Y15, Y15 \
	VADDPS Y1, Y15, Y15 \
	VSUBPS Y9, Y15, Y15 \
	VADDPS Y2, Y15, Y15 \
	VSUBPS Y10, Y15, Y15 \
	VADDPS Y3, Y15, Y15 \
	VSUBPS Y11, Y15, Y15

// func sumMinTermsAVX2(y, terms *float32, stride, n int)
//
// The same where 8 terms are followed by 8 that are subtracted by turns. n, of both,
// is a multiple of 16.
TEXT ·sumMinTermsAVX2(SB), NOSPLIT, $0-32
	MOVQ y+0(FP), DI
	MOVQ terms+8(FP), SI
	MOVQ stride+16(FP), DX
	MOVQ n+24(FP), AX
	LEAQ (DX)(DX*2), R11
	LEAQ (SI)(DX*4), R8
	VXORPS Y15, Y15, Y15

eight:
	FOURMINS(0)
	FOURMINS(16)
	ADDQ $64, SI
	ADDQ $64, R8
	SUBQ $16, AX
	JNZ  eight
	VMOVUPS Y15, (DI)
	VZEROUPPER
	RET
