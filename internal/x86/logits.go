package x86

// What losses over rows of logits need beside ExpSum. Lengths are multiples of
// 16; a function returns false and has written nothing where there is no assembly.

// ScaleMax is y = x·s; top is the largest of y.
func ScaleMax(l Level, y, x []float32, s float32) (top float32, ok bool) {
	if len(y) != len(x) || len(x)%16 != 0 {
		panic("x86: ScaleMax: lengths differ or are no multiple of 16")
	}
	return scaleMax(l, y, x, s)
}

// DotDiff is Σ e·(x-y) in 16 lanes, i mod 16, added by ref.Tree, each operation
// rounded.
func DotDiff(l Level, e, x, y []float32) (sum float32, ok bool) {
	if len(x) != len(e) || len(y) != len(e) || len(e)%16 != 0 {
		panic("x86: DotDiff: lengths differ or are no multiple of 16")
	}
	return dotDiff(l, e, x, y)
}

// Mix is dst = (x·a + y·b) + z·c, each operation rounded; dst may be x, y or z.
func Mix(l Level, dst, x, y, z []float32, a, b, c float32) bool {
	if len(x) != len(dst) || len(y) != len(dst) || len(z) != len(dst) || len(dst)%16 != 0 {
		panic("x86: Mix: lengths differ or are no multiple of 16")
	}
	return mix(l, dst, x, y, z, a, b, c)
}
