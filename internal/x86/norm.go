package x86

// LayerNorm is ref.LayerNorm; y may be x, w and b may be nil.
func LayerNorm(l Level, y, x, w, b []float32, eps float32) bool {
	if len(y) != len(x) || w != nil && len(w) != len(x) || b != nil && len(b) != len(x) {
		panic("x86: LayerNorm: lengths differ")
	}
	return layerNorm(l, y, x, w, b, eps)
}

// Mul is y *= x.
func Mul(l Level, y, x []float32) bool {
	if len(y) != len(x) {
		panic("x86: Mul: lengths differ")
	}
	return mul(l, y, x)
}

// GELU is y[i] = ref.GELU(x[i]), or ref.GELUTanh's if tanh is set; y may be x.
func GELU(l Level, y, x []float32, tanh bool) bool {
	if len(y) != len(x) {
		panic("x86: GELU: lengths differ")
	}
	return gelu(l, y, x, tanh)
}

// Softmax is ref.Softmax.
func Softmax(l Level, x []float32) bool { return softmax(l, x) }
