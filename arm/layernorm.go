package arm

// LayerNorm is ref.LayerNorm; y may be x, w and b may be nil.
func LayerNorm(l Level, y, x, w, b []float32, eps float32) bool {
	if len(y) != len(x) || w != nil && len(w) != len(x) || b != nil && len(b) != len(x) {
		panic("arm: LayerNorm: operands differ in length")
	}
	return l != None && layerNorm(y, x, w, b, eps)
}

// Mul is y *= x.
func Mul(l Level, y, x []float32) bool {
	if len(y) != len(x) {
		panic("arm: Mul: operands differ in length")
	}
	return l != None && mul(y, x)
}

// GELU is y[i] = ref.GELU(x[i]), or ref.GELUTanh's if tanh is set; y may be x.
func GELU(l Level, y, x []float32, tanh bool) bool {
	if len(y) != len(x) {
		panic("arm: GELU: operands differ in length")
	}
	return l != None && gelu(y, x, tanh)
}
