package asmgen

import "math"

// geluCoefficients are ref's, of -log(1-Φ(t)), the last first.
var geluCoefficients = [...]float32{1.803998887e-08, -5.492518786e-07, 7.145617306e-06, -5.051990539e-05, 0.0001857876497,
	1.613801146e-05, -0.004834646075, 0.03636264680, 0.3183032698, 0.7978851548, 0.6931471722}

// geluTable holds each coefficient four times, four times 6, and the two factors
// of the tanh form.
func geluTable() []byte {
	var t []byte
	put := func(f float32, n int) {
		for u := math.Float32bits(f); n > 0; n-- {
			t = append(t, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
		}
	}
	for _, f := range geluCoefficients {
		put(f, 4)
	}
	put(6, 4)
	put(0.044715, 1)
	put(-1.5957691, 1)
	return t
}

// geluArm64 is both forms of GELU.
func geluArm64() []byte {
	var a Arm64
	a.Header()
	a.Table("exp", expTable())
	a.Table("gelu", geluTable())
	six := 16 * len(geluCoefficients)
	begin := func(name, doc string) {
		a.Func("func "+name+"NEON(y, x *float32, n int)", doc, 24)
		for i, s := range []string{"y", "x", "n"} {
			a.Arg(s, 8*i, R(i))
		}
		a.expConstants(3)
		a.Address("gelu", 3)
		a.Label(name)
		a.LoadPair(1, 32, 0, 1)
	}
	end := func(name string) {
		a.StorePair(0, 32, 4, 5)
		a.SUBS(8, 2, 2)
		a.BNE(name)
		a.RET()
	}

	begin("geluTanh", `
y = x/(1+e^u), u = (x + 0.044715·x³)·-1.5957691; n is a positive multiple of 8; y may be x.

	R0 y   R1 x   R2 values left   R3 constants   V0 V1 x   V2 V3 u   V4 V5 e^u
	V8-V10 V16-V18 free   V19 factors   V20-V31 constants of e^x`)
	a.FMOVD(3, six+16, 19)
	for v := range V(2) {
		a.FMUL(2+v, v, v)
	}
	for v := range V(2) {
		a.FMUL(2+v, 2+v, v)
	}
	for v := range V(2) {
		a.FMULElem(2+v, 2+v, 19, 0)
	}
	for v := range V(2) {
		a.FADD(2+v, v, 2+v)
	}
	for v := range V(2) {
		a.FMULElem(2+v, 2+v, 19, 1)
	}
	zip(a.exp(4, 2, 8, 9, 10), a.exp(5, 3, 16, 17, 18))
	for v := range V(2) {
		a.FADD(4+v, 4+v, eOne)
	}
	for v := range V(2) {
		a.FDIV(4+v, v, 4+v)
	}
	end("geluTanh")

	begin("gelu", `
y = x - x·h, or x·h for negative x, h = e^-p(|x|); x or 0 beyond 6. n is a positive
multiple of 8; y may be x.

	R0 y   R1 x   R2 values left   R3 constants   V0 V1 x   V2 V3 |x|   V4 V5 p, y   V6 V7 x < 0
	V8-V10 V16-V18 free   V11 coefficients   V12 V13 h   V14 V15 x·h   V19 6   V20-V31 constants of e^x`)
	a.FMOVQ(3, six, 19)
	for v := range V(2) {
		a.FABS(2+v, v)
		a.FMOVQ(3, 0, 4+v)
	}
	for i := 1; i < len(geluCoefficients); i++ {
		a.FMOVQ(3, 16*i, 11)
		for v := range V(2) {
			a.FMUL(4+v, 4+v, 2+v)
		}
		for v := range V(2) {
			a.FADD(4+v, 4+v, 11)
		}
	}
	for v := range V(2) {
		a.FNEG(4+v, 4+v)
	}
	zip(a.exp(12, 4, 8, 9, 10), a.exp(13, 5, 16, 17, 18))
	a.Zero(11)
	for v := range V(2) {
		a.FMUL(14+v, v, 12+v)
		a.FCMGT(6+v, 11, v)
	}
	for v := range V(2) {
		a.FSUB(4+v, v, 14+v)
		a.FCMGT(8+v, 2+v, 19)
	}
	for v := range V(2) {
		a.BIT(4+v, 14+v, 6+v)
		a.BIC(v, v, 6+v)
	}
	for v := range V(2) {
		a.BIT(4+v, v, 8+v)
	}
	end("gelu")
	return a.Bytes()
}
