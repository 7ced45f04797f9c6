package asmgen

import "fmt"

// dequantizeArm64 is the values of rows.
func dequantizeArm64() []byte {
	var a Arm64
	a.Header()
	a.tables(formats)
	for _, f := range formats {
		a.dequantize(f)
	}
	for _, f := range kformats {
		a.dequantizeK(f)
	}

	a.Func("func bf16ToF32NEON(dst *float32, src *byte, n int)", `
n is a multiple of 8 and positive.

	R0 dst   R1 src   R2 values left   V0 eight bfloat16   V1 V2 floats`, 24)
	for i, name := range []string{"dst", "src", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	a.Label("values")
	a.LoadH8(1, 0)
	a.SHLL(1, 0)
	a.SHLL2(2, 0)
	a.StorePair(0, 32, 1, 2)
	a.SUBS(8, 2, 2)
	a.BNE("values")
	a.RET()
	return a.Bytes()
}

// widenCodes makes eight vectors of float32, from V8 on, of the codes in V0 and V1.
func (a *Arm64) widenCodes() {
	a.SSHLLB(4, 0)
	a.SSHLLB2(5, 0)
	a.SSHLLB(6, 1)
	a.SSHLLB2(7, 1)
	for i := range V(4) {
		a.SSHLL(8+2*i, 4+i)
		a.SSHLL2(9+2*i, 4+i)
	}
	for i := range V(8) {
		a.SCVTF(8+i, 8+i)
	}
}

func (a *Arm64) dequantize(f format) {
	min := ""
	if f.min {
		min = " + m"
	}
	a.Func(fmt.Sprintf("func dequantize%sNEON(y *float32, row *byte, blocks int)", f.name), fmt.Sprintf(`
y = q·d%s, rounded once per operation; blocks is positive.

	R0 y   R1 row   R2 blocks left   V0 V1 codes   V2 V3 free   V4-V7 int16   V8-V15 values
	V16 d   V17 m   V18 what is subtracted from the codes   V28-V31 constants

	for each block { y[0:32] = float32(q)·d%s }`, min, min), 24)
	for i, name := range []string{"y", "row", "blocks"} {
		a.Arg(name, 8*i, R(i))
	}
	a.constants(f, 3)
	if f.bias != 0 {
		a.MOVIB(18, f.bias&255)
	}
	a.Label("dequantize" + f.name)
	zip(a.unpack(f, 1, 16, 17, 0, 0, 1, 2, 3), nil)
	if f.bias != 0 {
		a.SUBB(0, 0, 18)
		a.SUBB(1, 1, 18)
	}
	a.FCVTL(16, 16)
	a.widenCodes()
	for i := range V(8) {
		a.FMULElem(8+i, 8+i, 16, 0)
	}
	if f.min {
		a.FCVTL(17, 17)
		a.DUPS(17, 17, 0)
		for i := range V(8) {
			a.FADD(8+i, 8+i, 17)
		}
	}
	for i := V(0); i < 8; i += 2 {
		a.StorePair(0, 32, 8+i, 9+i)
	}
	a.SUBS(1, 2, 2)
	a.BNE("dequantize" + f.name)
	a.RET()
}

// dequantizeK is one super-block, whose scales and mins are given.
func (a *Arm64) dequantizeK(f kformat) {
	a.Func(fmt.Sprintf("func dequantize%sNEON(y *float32, block *byte, scales *[2][16]float32)", f.name), fmt.Sprintf(`
y[0:256] = q·scale - min for sub-blocks of %d, rounded once per operation; scales
holds the scales, then the mins.

	R0 y   R1 block   R2 scales   V0 V1 codes   V2 V3 free   V4-V7 int16   V8-V15 values
	V16-V19 mins   V20-V23 scales   V24 a min   V30 what is subtracted from the codes   V31 mask`, f.sub), 24)
	for i, name := range []string{"y", "block", "scales"} {
		a.Arg(name, 8*i, R(i))
	}
	for i := range 2 {
		a.LoadPairAt(2, 32*i, V(20+2*i), V(21+2*i))
		if f.min {
			a.LoadPairAt(2, 64+32*i, V(16+2*i), V(17+2*i))
		}
	}
	a.MOVIB(vMask, f.mask)
	if f.bias != 0 {
		a.MOVIB(30, f.bias)
	}
	for s := range 8 {
		zip(a.kUnpack(f, 1, s, 0, 1, 2, 3), nil)
		if f.bias != 0 {
			a.SUBB(0, 0, 30)
			a.SUBB(1, 1, 30)
		}
		a.widenCodes()
		for i := range 8 {
			sub := (32*s + 4*i) / f.sub
			a.FMULElem(V(8+i), V(8+i), V(20+sub/4), sub%4)
		}
		if f.min {
			for i := range 8 {
				sub := (32*s + 4*i) / f.sub
				if 4*i%f.sub == 0 {
					a.DUPS(24, V(16+sub/4), sub%4)
				}
				a.FSUB(V(8+i), V(8+i), 24)
			}
		}
		for i := V(0); i < 8; i += 2 {
			a.StorePair(0, 32, 8+i, 9+i)
		}
	}
	a.RET()
}
