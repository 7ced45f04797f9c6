package asmgen

// f16Arm64 is the widening of a row of halves.
func f16Arm64() []byte {
	const (
		dst, src, n R = 0, 1, 2
	)
	var a Arm64
	a.Header()
	a.Func("func f16ToF32NEON(dst *float32, src *byte, n int)", `
Needs ASIMD only. n is a multiple of 8.

	R0 dst   R1 src   R2 halves left
	V0 V1 eight halves each   V2-V5 four floats each

	while n >= 16 { dst[0:16] = float32(src[0:16]); n -= 16 }
	if n > 0      { dst[0:8] = float32(src[0:8]) }`, 24)
	a.Arg("dst", 0, dst)
	a.Arg("src", 8, src)
	a.Arg("n", 16, n)
	a.Label("loop16")
	a.SUBS(16, n, n)
	a.BLT("rest")
	a.LoadH8(src, 0, 1)
	a.FCVTL(2, 0)
	a.FCVTL2(3, 0)
	a.FCVTL(4, 1)
	a.FCVTL2(5, 1)
	a.StoreS4(dst, 2, 3, 4, 5)
	a.B("loop16")
	a.Label("rest")
	a.ADDS(16, n, n)
	a.BEQ("done")
	a.LoadH8(src, 0)
	a.FCVTL(2, 0)
	a.FCVTL2(3, 0)
	a.StoreS4(dst, 2, 3)
	a.Label("done")
	a.RET()

	a.Func("func f32ToF16NEON(dst *byte, src *float32, n int)", `
n is a multiple of 8.

	R0 dst   R1 src   R2 values left   V0 V1 floats   V2 halves

	for n > 0 { dst[0:8] = half(src[0:8]); n -= 8 }`, 24)
	a.Arg("dst", 0, dst)
	a.Arg("src", 8, src)
	a.Arg("n", 16, n)
	a.B("check")
	a.Label("loop8")
	a.LoadPair(src, 32, 0, 1)
	a.FCVTN(2, 0)
	a.FCVTN2(2, 1)
	a.StoreQP(2, dst, 16)
	a.SUBS(8, n, n)
	a.Label("check")
	a.op("CBNZ R%d, loop8", n)
	a.RET()
	return a.Bytes()
}
