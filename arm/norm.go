package arm

// RMSNorm is ref.RMSNorm; y may be x.
func RMSNorm(l Level, y, x, w []float32, eps float32) bool {
	if len(y) != len(x) || len(w) != len(x) {
		panic("arm: RMSNorm: operands differ in length")
	}
	return l != None && rmsNorm(y, x, w, eps)
}

// Rotate is ref.Rotate: x begins with the 2·len(cos) values to turn.
func Rotate(l Level, x, cos, sin []float32, neox bool) bool {
	if len(sin) != len(cos) || len(x) < 2*len(cos) {
		panic("arm: Rotate: operands differ in length")
	}
	return l != None && rotate(x, cos, sin, neox)
}

// Add is y += x.
func Add(l Level, y, x []float32) bool {
	if len(y) != len(x) {
		panic("arm: Add: operands differ in length")
	}
	return l != None && add(y, x)
}

// Scale is y = x·s; y may be x.
func Scale(l Level, y, x []float32, s float32) bool {
	if len(y) != len(x) {
		panic("arm: Scale: operands differ in length")
	}
	return l != None && scale(y, x, s)
}
