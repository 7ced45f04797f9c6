package asmgen

import "math"

// expTable are the constants of ref.Exp: vectors of four, then four factors.
func expTable() []byte {
	var t []byte
	put := func(f float32) {
		u := math.Float32bits(f)
		t = append(t, byte(u), byte(u>>8), byte(u>>16), byte(u>>24))
	}
	for _, f := range []float32{3 << 22, math.Float32frombits(0x4b400000), 0.00139336762, 0.00833329843, 0.0416664647, 0.166666667,
		0.500000001, 1, 88.72283, -87.33654, float32(math.Inf(1))} {
		for range 4 {
			put(f)
		}
	}
	for _, f := range []float32{1.44269504, 0.693359375, -2.12194440e-4, 0.000198993186} {
		put(f)
	}
	return t
}

// The registers of the constants.
const (
	eMagic, eBits, ePoly, eOne, eMax, eMin, eInf, eFactors V = 20, 21, 22, 27, 28, 29, 30, 31
)

// expConstants loads them; r is free.
func (a *Arm64) expConstants(r R) {
	a.Address("exp", r)
	for v := range V(12) {
		a.FMOVQ(r, 16*int(v), eMagic+v)
	}
}

// exp lists the steps of d = e^x with the free registers n, r, q and i; x is kept.
// The factors 2^(i/2) and 2^(i-i/2) are bits added to those of 1.
func (a *Arm64) exp(d, x, n, r, i V) []func() {
	q := d
	steps := []func(){
		func() { a.FMULElem(n, x, eFactors, 0) },
		func() { a.FADD(n, n, eMagic) },
		func() { a.SUB(i, n, eBits) },
		func() { a.FSUB(n, n, eMagic) },
		func() { a.FMULElem(r, n, eFactors, 1) },
		func() { a.FSUB(r, x, r) },
		func() { a.FMULElem(n, n, eFactors, 2) },
		func() { a.FSUB(r, r, n) },
		func() { a.FMULElem(q, r, eFactors, 3) },
	}
	for p := range V(5) {
		if p > 0 {
			steps = append(steps, func() { a.FMUL(q, q, r) })
		}
		steps = append(steps, func() { a.FADD(q, q, ePoly+p) })
	}
	return append(steps,
		func() { a.FMUL(n, r, r) },
		func() { a.FMUL(q, n, q) },
		func() { a.FADD(q, q, r) },
		func() { a.FADD(q, q, eOne) },
		func() { a.SSHR(n, i, 1) },
		func() { a.SUB(i, i, n) },
		func() { a.SHL(n, n, 23) },
		func() { a.SHL(i, i, 23) },
		func() { a.ADD(n, n, eOne) },
		func() { a.ADD(i, i, eOne) },
		func() { a.FMUL(q, q, n) },
		func() { a.FMUL(q, q, i) },
		func() { a.FCMGT(n, x, eMax) },
		func() { a.FCMGT(i, eMin, x) },
		func() { a.FCMEQ(r, x, x) },
		func() { a.BIT(q, eInf, n) },
		func() { a.BIC(q, q, i) },
		func() { a.BIF(q, x, r) },
	)
}

// expArm64 is the exponential function and what is made of it.
func expArm64() []byte {
	var a Arm64
	a.Header()
	a.Table("exp", expTable())
	a.Func("func expSumNEON(lanes *[16]float32, x *float32, n int, m float32)", `
x[i] = e^(x[i]-m); lanes[i%16] += x[i]; n is a multiple of 16.

	R0 lanes   R1 x   R2 values left   V0-V3 x   V4-V7 e^x   V8-V10 V16-V18 free   V11 m
	V12-V15 lanes   V20-V31 constants`, 28)
	for i, name := range []string{"lanes", "x", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	a.expConstants(3)
	a.LoadPairAt(0, 0, 12, 13)
	a.LoadPairAt(0, 32, 14, 15)
	a.op("FMOVS m+24(FP), F11")
	a.DUPS(11, 11, 0)
	a.B("sumCheck")
	a.Label("sum")
	a.LoadPairAt(1, 0, 0, 1)
	a.LoadPairAt(1, 32, 2, 3)
	for v := range V(4) {
		a.FSUB(v, v, 11)
	}
	zip(a.exp(4, 0, 8, 9, 10), a.exp(5, 1, 16, 17, 18))
	zip(a.exp(6, 2, 8, 9, 10), a.exp(7, 3, 16, 17, 18))
	for v := range V(4) {
		a.FADD(12+v, 12+v, 4+v)
	}
	a.StorePair(1, 32, 4, 5)
	a.StorePair(1, 32, 6, 7)
	a.SUBS(16, 2, 2)
	a.Label("sumCheck")
	a.op("CBNZ R2, sum")
	a.StorePair(0, 32, 12, 13)
	a.StorePair(0, 32, 14, 15)
	a.RET()

	a.Func("func maxNEON(x *float32, n int, m float32) float32", `
The largest of m and x; n is a multiple of 16 and positive.

	R0 x   R1 values left   V0-V3 x   V4-V7 the largest of each lane`, 28)
	a.Arg("x", 0, 0)
	a.Arg("n", 8, 1)
	a.op("FMOVS m+16(FP), F4")
	a.DUPS(4, 4, 0)
	for v := range V(3) {
		a.ORR(5+v, 4, 4)
	}
	a.Label("max")
	a.LoadPair(0, 32, 0, 1)
	a.LoadPair(0, 32, 2, 3)
	for v := range V(4) {
		a.FMAX(4+v, 4+v, v)
	}
	a.SUBS(16, 1, 1)
	a.BNE("max")
	a.FMAX(4, 4, 5)
	a.FMAX(6, 6, 7)
	a.FMAX(4, 4, 6)
	a.FMAXV(4, 4)
	a.op("FMOVS F4, ret+24(FP)")
	a.RET()

	a.silu(false)
	a.silu(true)

	a.Func("func divideNEON(x *float32, n int, by float32)", `
x /= by; n is a multiple of 8.

	R0 x   R1 values left   V0 V1 x   V2 by`, 20)
	a.Arg("x", 0, 0)
	a.Arg("n", 8, 1)
	a.op("FMOVS by+16(FP), F2")
	a.DUPS(2, 2, 0)
	a.B("divideCheck")
	a.Label("divide")
	a.LoadPairAt(0, 0, 0, 1)
	a.FDIV(0, 0, 2)
	a.FDIV(1, 1, 2)
	a.StorePair(0, 32, 0, 1)
	a.SUBS(8, 1, 1)
	a.Label("divideCheck")
	a.op("CBNZ R1, divide")
	a.RET()
	return a.Bytes()
}

// silu is x/(1+e^-x), times up if mul.
func (a *Arm64) silu(mul bool) {
	name, args, doc := "silu", []string{"y", "x", "n"}, "y = x/(1+e^-x)"
	if mul {
		name, args, doc = "siluMul", []string{"y", "x", "n", "up"}, "y = x/(1+e^-x)·up"
	}
	proto := "func " + name + "NEON(y, x *float32, n int)"
	if mul {
		proto = "func " + name + "NEON(y, x *float32, n int, up *float32)"
	}
	a.Func(proto, doc+`; n is a multiple of 8; y may be x.

	R0 y   R1 x   R2 values left   R3 up   V0 V1 x   V2 V3 -x   V4 V5 e^-x   V6 V7 up
	V8-V10, V16-V18 free   V20-V31 constants`, 8*len(args))
	for i, s := range args {
		a.Arg(s, 8*i, R(i))
	}
	a.expConstants(4)
	a.B(name + "Check")
	a.Label(name)
	a.LoadPair(1, 32, 0, 1)
	if mul {
		a.LoadPair(3, 32, 6, 7)
	}
	a.FNEG(2, 0)
	a.FNEG(3, 1)
	zip(a.exp(4, 2, 8, 9, 10), a.exp(5, 3, 16, 17, 18))
	a.FADD(4, 4, eOne)
	a.FADD(5, 5, eOne)
	a.FDIV(4, 0, 4)
	a.FDIV(5, 1, 5)
	if mul {
		a.FMUL(4, 4, 6)
		a.FMUL(5, 5, 7)
	}
	a.StorePair(0, 32, 4, 5)
	a.SUBS(8, 2, 2)
	a.Label(name + "Check")
	a.op("CBNZ R2, %s", name)
	a.RET()
}
