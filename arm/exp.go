package arm

// ExpSum replaces the scores s by e^(s-top), top being the larger of m and the
// largest score, and returns top and their sum in 16 lanes, i mod 16, added by
// ref.Tree. len(s) must be a positive multiple of 16, else ok is false.
func ExpSum(l Level, s []float32, m float32) (top, sum float32, ok bool) {
	if l == None || len(s) == 0 || len(s)%16 != 0 {
		return 0, 0, false
	}
	return expSum(s, m)
}

// Softmax is ref.Softmax.
func Softmax(l Level, x []float32) bool { return l != None && softmax(x) }

// SiLU is y[i] = ref.SiLU(x[i]), times up[i] where up is not nil; y may be x.
func SiLU(l Level, y, x, up []float32) bool {
	if len(y) != len(x) || up != nil && len(up) != len(x) {
		panic("arm: SiLU: operands differ in length")
	}
	return l != None && silu(y, x, up)
}
