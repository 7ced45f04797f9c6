package asmgen

// layerNormArm64 is the parts of LayerNorm, and what is done value by value
// without e^x.
func layerNormArm64() []byte {
	var a Arm64
	a.Header()
	args := func(names ...string) {
		for i, name := range names {
			a.Arg(name, 8*i, R(i))
		}
	}
	load := func(r R, v V) {
		a.LoadPair(r, 32, v, v+1)
		a.LoadPair(r, 32, v+2, v+3)
	}
	store := func(r R, v V) {
		a.StorePair(r, 32, v, v+1)
		a.StorePair(r, 32, v+2, v+3)
	}
	each := func(f func(v V)) {
		for v := range V(4) {
			f(v)
		}
	}
	lanes := func(proto, doc, label string, size int, before, step func()) {
		a.Func(proto, doc, size)
		args("lanes", "x", "n")
		before()
		each(func(v V) { a.Zero(v) })
		a.Label(label)
		load(1, 4)
		step()
		a.SUBS(16, 2, 2)
		a.BNE(label)
		store(0, 0)
		a.RET()
	}
	lanes("func sumNEON(lanes *[16]float32, x *float32, n int)", `
lanes[i] = Σ x[16j+i]; n is a positive multiple of 16.

	R0 lanes   R1 x   R2 values left   V0-V3 lanes   V4-V7 values`, "sum", 24,
		func() {}, func() { each(func(v V) { a.FADD(v, v, 4+v) }) })
	lanes("func deviationsNEON(lanes *[16]float32, x *float32, n int, mean float32)", `
lanes[i] = Σ (x[16j+i]-mean)², each product rounded; n is a positive multiple of 16.

	R0 lanes   R1 x   R2 values left   V0-V3 lanes   V4-V7 values   V16 mean`, "deviations", 28,
		func() {
			a.op("FMOVS mean+24(FP), F16")
			a.DUPS(16, 16, 0)
		}, func() {
			each(func(v V) { a.FSUB(4+v, 4+v, 16) })
			each(func(v V) { a.FMUL(4+v, 4+v, 4+v) })
			each(func(v V) { a.FADD(v, v, 4+v) })
		})

	a.Func("func normalizeNEON(y, x, w, b *float32, n, wStep, bStep int, mean, s float32)", `
y = (x-mean)·s·w + b, rounded after each; n is a positive multiple of 16; w and b
move on by their steps in bytes after 16 values: 64, or 0 for 16 that serve all.

	R0 y   R1 x   R2 w   R3 b   R4 values left   R5 R6 steps
	V0-V3 x   V4-V7 w   V16-V19 b   V20 mean   V21 s`, 64)
	args("y", "x", "w", "b", "n", "wStep", "bStep")
	a.op("FMOVS mean+56(FP), F20")
	a.op("FMOVS s+60(FP), F21")
	a.DUPS(20, 20, 0)
	a.Label("normalize")
	load(1, 0)
	a.LoadPairAt(2, 0, 4, 5)
	a.LoadPairAt(2, 32, 6, 7)
	a.LoadPairAt(3, 0, 16, 17)
	a.LoadPairAt(3, 32, 18, 19)
	each(func(v V) { a.FSUB(v, v, 20) })
	each(func(v V) { a.FMULElem(v, v, 21, 0) })
	each(func(v V) { a.FMUL(v, v, 4+v) })
	each(func(v V) { a.FADD(v, v, 16+v) })
	a.ADDReg(5, 2, 2)
	a.ADDReg(6, 3, 3)
	store(0, 0)
	a.SUBS(16, 4, 4)
	a.BNE("normalize")
	a.RET()

	a.Func("func mulNEON(y, x *float32, n int)", `
y *= x; n is a positive multiple of 8.

	R0 y   R1 x   R2 values left   V0 V1 y   V2 V3 x`, 24)
	args("y", "x", "n")
	a.Label("mul")
	a.LoadPairAt(0, 0, 0, 1)
	a.LoadPair(1, 32, 2, 3)
	a.FMUL(0, 0, 2)
	a.FMUL(1, 1, 3)
	a.StorePair(0, 32, 0, 1)
	a.SUBS(8, 2, 2)
	a.BNE("mul")
	a.RET()
	return a.Bytes()
}
