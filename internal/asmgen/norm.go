package asmgen

// normArm64 is the parts of the norms and the rotation.
func normArm64() []byte {
	var a Arm64
	a.Header()
	a.Func("func sumSquaresNEON(lanes *[16]float32, x *float32, n int)", `
lanes[i] = Σ x[16j+i]², each product rounded; n is a multiple of 16.

	R0 lanes   R1 x   R2 values left   V0-V3 lanes   V4-V7 values`, 24)
	for i, name := range []string{"lanes", "x", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	for v := range V(4) {
		a.Zero(v)
	}
	a.B("sumCheck")
	a.Label("sum")
	a.LoadPair(1, 32, 4, 5)
	a.LoadPair(1, 32, 6, 7)
	for v := range V(4) {
		a.FMUL(4+v, 4+v, 4+v)
	}
	for v := range V(4) {
		a.FADD(v, v, 4+v)
	}
	a.SUBS(16, 2, 2)
	a.Label("sumCheck")
	a.op("CBNZ R2, sum")
	a.StorePair(0, 32, 0, 1)
	a.StorePair(0, 32, 2, 3)
	a.RET()

	a.Func("func scaleNEON(y, x, w *float32, n int, s float32)", `
y = x·s·w, rounded twice; n is a multiple of 16; y may be x.

	R0 y   R1 x   R2 w   R3 values left   V0-V3 x   V4-V7 w   V16 s`, 36)
	for i, name := range []string{"y", "x", "w", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	a.op("FMOVS s+32(FP), F16")
	a.B("scaleCheck")
	a.Label("scale")
	a.LoadPair(1, 32, 0, 1)
	a.LoadPair(1, 32, 2, 3)
	a.LoadPair(2, 32, 4, 5)
	a.LoadPair(2, 32, 6, 7)
	for v := range V(4) {
		a.FMULElem(v, v, 16, 0)
	}
	for v := range V(4) {
		a.FMUL(v, v, 4+v)
	}
	a.StorePair(0, 32, 0, 1)
	a.StorePair(0, 32, 2, 3)
	a.SUBS(16, 3, 3)
	a.Label("scaleCheck")
	a.op("CBNZ R3, scale")
	a.RET()

	a.Func("func addNEON(y, x *float32, n int)", `
y += x; n is a multiple of 8.

	R0 y   R1 x   R2 values left   V0 V1 y   V2 V3 x`, 24)
	for i, name := range []string{"y", "x", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	a.B("addCheck")
	a.Label("add")
	a.LoadPairAt(0, 0, 0, 1)
	a.LoadPair(1, 32, 2, 3)
	a.FADD(0, 0, 2)
	a.FADD(1, 1, 3)
	a.StorePair(0, 32, 0, 1)
	a.SUBS(8, 2, 2)
	a.Label("addCheck")
	a.op("CBNZ R2, add")
	a.RET()

	a.Func("func timesNEON(y, x *float32, n int, s float32)", `
y = x·s; n is a multiple of 8; y may be x.

	R0 y   R1 x   R2 values left   V0 V1 x   V2 s`, 28)
	for i, name := range []string{"y", "x", "n"} {
		a.Arg(name, 8*i, R(i))
	}
	a.op("FMOVS s+24(FP), F2")
	a.B("timesCheck")
	a.Label("times")
	a.LoadPair(1, 32, 0, 1)
	a.FMULElem(0, 0, 2, 0)
	a.FMULElem(1, 1, 2, 0)
	a.StorePair(0, 32, 0, 1)
	a.SUBS(8, 2, 2)
	a.Label("timesCheck")
	a.op("CBNZ R2, times")
	a.RET()

	a.rotate(true)
	a.rotate(false)
	return a.Bytes()
}

// rotate turns pairs: (x[i], x[i+half]), or (x[2i], x[2i+1]).
func (a *Arm64) rotate(neox bool) {
	name := "rotatePairsNEON"
	doc := "pairs x[2i], x[2i+1]"
	args, size := []string{"x", "cos", "sin", "n"}, 32
	if neox {
		name, doc = "rotateNEON", "pairs x[i], y[i]"
		args, size = []string{"x", "y", "cos", "sin", "n"}, 40
	}
	proto := "func " + name + "(x, cos, sin *float32, n int)"
	if neox {
		proto = "func " + name + "(x, y, cos, sin *float32, n int)"
	}
	a.Func(proto, `
a, b = a·cos - b·sin, a·sin + b·cos for n `+doc+`; n is a multiple of 4.
Each product is rounded.

	R0 x   R1 y   R2 cos   R3 sin   R4 pairs left   V0 V1 a b   V2 V3 cos sin   V4-V7 products`, size)
	for i, n := range args {
		r := R(i)
		if !neox && i > 0 {
			r++
		}
		a.Arg(n, 8*i, r)
	}
	a.B(name + "Check")
	a.Label(name)
	if neox {
		a.FMOVQ(0, 0, 0)
		a.FMOVQ(1, 0, 1)
	} else {
		a.FMOVQ(0, 0, 4)
		a.FMOVQ(0, 16, 5)
		a.UZP1S(0, 4, 5)
		a.UZP2S(1, 4, 5)
	}
	a.FMOVQP(2, 16, 2)
	a.FMOVQP(3, 16, 3)
	a.FMUL(4, 0, 2)
	a.FMUL(5, 1, 3)
	a.FMUL(6, 0, 3)
	a.FMUL(7, 1, 2)
	a.FSUB(0, 4, 5)
	a.FADD(1, 6, 7)
	if neox {
		a.StoreQP(0, 0, 16)
		a.StoreQP(1, 1, 16)
	} else {
		a.ZIP1S(4, 0, 1)
		a.ZIP2S(5, 0, 1)
		a.StorePair(0, 32, 4, 5)
	}
	a.SUBS(4, 4, 4)
	a.Label(name + "Check")
	a.op("CBNZ R4, %s", name)
	a.RET()
}
