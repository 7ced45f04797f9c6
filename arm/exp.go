package arm

// ExpSum replaces the scores s by e^(s-m) and returns their sum in 16 lanes,
// (first+i) mod 16, added by ref.Tree.
func ExpSum(l Level, s []float32, first int, m float32) (sum float32, ok bool) {
	if l == None {
		return 0, false
	}
	return expSum(s, first, m)
}

// Softmax is ref.Softmax.
func Softmax(l Level, x []float32) bool { return l != None && softmax(x) }

// SiLU is y[i] = ref.SiLU(x[i]); y may be x.
func SiLU(l Level, y, x []float32) bool {
	if len(y) != len(x) {
		panic("arm: SiLU: operands differ in length")
	}
	return l != None && silu(y, x)
}
