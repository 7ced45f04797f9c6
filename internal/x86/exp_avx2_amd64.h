// Constants and macros of e^x on AVX2.

#define VEC(name, v) \
	DATA name<>+0(SB)/4, v \
	DATA name<>+4(SB)/4, v \
	DATA name<>+8(SB)/4, v \
	DATA name<>+12(SB)/4, v \
	DATA name<>+16(SB)/4, v \
	DATA name<>+20(SB)/4, v \
	DATA name<>+24(SB)/4, v \
	DATA name<>+28(SB)/4, v \
	GLOBL name<>(SB), RODATA|NOPTR, $32

VEC(xlog2e, $0x3fb8aa3b) // log2 e
VEC(xmagic, $0x4b400000) // 1.5·2^23: the sum holds the rounded integer
VEC(xln2hi, $0x3f318000) // ln 2, 9 bits
VEC(xln2lo, $0xb95e8083) // the rest
VEC(xc5, $0x3950a8d4)
VEC(xc4, $0x3ab6a1a9)
VEC(xc3, $0x3c088863)
VEC(xc2, $0x3d2aaa74)
VEC(xc1, $0x3e2aaaab)
VEC(xc0, $0x3f000000)
VEC(xone, $0x3f800000) // 1
VEC(x127, $0x0000007f) // exponent bias
VEC(xmax, $0x42b17217) // above: infinite
VEC(xmin, $0xc2aeac4f) // below: 0
VEC(xinf, $0x7f800000) // +Inf
VEC(xsign, $0x80000000) // sign

	// Y0 = e^Y0 by ref.Exp's operations; Y1 to Y5 are lost
#define EXP \
	VMULPS    xlog2e<>(SB), Y0, Y1 \
	VADDPS    xmagic<>(SB), Y1, Y1 \
	VPSUBD    xmagic<>(SB), Y1, Y2 \
	VSUBPS    xmagic<>(SB), Y1, Y1 \
	VMULPS    xln2hi<>(SB), Y1, Y3 \
	VSUBPS    Y3, Y0, Y3 \
	VMULPS    xln2lo<>(SB), Y1, Y4 \
	VSUBPS    Y4, Y3, Y3 \
	VMULPS    xc5<>(SB), Y3, Y4 \
	VADDPS    xc4<>(SB), Y4, Y4 \
	VMULPS    Y3, Y4, Y4 \
	VADDPS    xc3<>(SB), Y4, Y4 \
	VMULPS    Y3, Y4, Y4 \
	VADDPS    xc2<>(SB), Y4, Y4 \
	VMULPS    Y3, Y4, Y4 \
	VADDPS    xc1<>(SB), Y4, Y4 \
	VMULPS    Y3, Y4, Y4 \
	VADDPS    xc0<>(SB), Y4, Y4 \
	VMULPS    Y3, Y3, Y5 \
	VMULPS    Y4, Y5, Y5 \
	VADDPS    Y3, Y5, Y5 \
	VADDPS    xone<>(SB), Y5, Y5 \
	VPSRAD    $1, Y2, Y4 \
	VPSUBD    Y4, Y2, Y2 \
	VPADDD    x127<>(SB), Y4, Y4 \
	VPADDD    x127<>(SB), Y2, Y2 \
	VPSLLD    $23, Y4, Y4 \
	VPSLLD    $23, Y2, Y2 \
	VMULPS    Y4, Y5, Y5 \
	VMULPS    Y2, Y5, Y5 \
	VCMPPS    $0x11, xmin<>(SB), Y0, Y1 \
	VANDNPS   Y5, Y1, Y5 \
	VCMPPS    $0x1e, xmax<>(SB), Y0, Y1 \
	VBLENDVPS Y1, xinf<>(SB), Y5, Y5 \
	VCMPPS    $3, Y0, Y0, Y1 \
	VBLENDVPS Y1, Y0, Y5, Y0

	// X0 = the sum of 16 lanes in Y6 and Y7: l + l+8, + l+4, + l+2, + l+1
#define TREE \
	VADDPS       Y7, Y6, Y0 \
	VEXTRACTF128 $1, Y0, X1 \
	VADDPS       X1, X0, X0 \
	VPSHUFD      $0x4e, X0, X1 \
	VADDPS       X1, X0, X0 \
	VPSHUFD      $0xb1, X0, X1 \
	VADDPS       X1, X0, X0
