package asmgen

import "fmt"

// peakArm64 is what measures a core's limits: independent products, plain loads.
func peakArm64() []byte {
	var a Arm64
	a.Header()
	for _, p := range []struct {
		name, how string
		insn      func(d, n, m V)
	}{
		{"Int8NEON", "smlal: 8 products of bytes", a.SMLAL},
		{"Int8DotProd", "sdot: 16 products of bytes", a.SDOT},
		{"Int8I8MM", "smmla: 32 products of bytes", a.SMMLA},
		{"FP32NEON", "fmla: 4 fused products and sums", a.FMLA},
	} {
		a.Func(fmt.Sprintf("func peak%s(steps int)", p.name), fmt.Sprintf(`
16 independent %s, per step.

	R0 steps left   V0-V15 sums   V16 V17 operands, zeros`, p.how), 8)
		a.Arg("steps", 0, 0)
		for v := range V(18) {
			a.Zero(v)
		}
		a.Label("step" + p.name)
		for v := range V(16) {
			p.insn(v, 16, 17)
		}
		a.SUBS(1, 0, 0)
		a.BNE("step" + p.name)
		a.RET()
	}
	a.Func("func readNEON(p *byte, n int) uint64", `
The sum of 32·n words of 64 bits at p.

	R0 p   R1 steps of 256 bytes left   R2 the sum   V0-V7 sums   V16-V31 words`, 24)
	a.Arg("p", 0, 0)
	a.Arg("n", 8, 1)
	for v := range V(8) {
		a.Zero(v)
	}
	a.Label("read")
	for v := V(0); v < 16; v += 2 {
		a.LoadPair(0, 32, 16+v, 17+v)
	}
	for v := range V(16) {
		a.ADDD(v%8, v%8, 16+v)
	}
	a.SUBS(1, 1, 1)
	a.BNE("read")
	for n := V(4); n > 0; n /= 2 {
		for v := range n {
			a.ADDD(v, v, v+n)
		}
	}
	a.ADDPD(0, 0)
	a.op("FMOVD F0, R2")
	a.op("MOVD R2, ret+16(FP)")
	a.RET()
	return a.Bytes()
}
