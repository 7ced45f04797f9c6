package x86

// The row-wise operations. Each gives the bits of its namesake in arm/ref for any
// length, or returns false and has written nothing.

// ExpSum is s[i] = e^(s[i]-top), top being the larger of m and the largest of s,
// and the sum of the results in 16 lanes, i mod 16, added by ref.Tree. len(s) is
// a multiple of 16.
func ExpSum(l Level, s []float32, m float32) (top, sum float32, ok bool) {
	if len(s)%16 != 0 {
		panic("x86: ExpSum: length is no multiple of 16")
	}
	return expSum(l, s, m)
}

// SiLU is y = x/(1+e^-x), times up where that is not nil. y may be x or up.
func SiLU(l Level, y, x, up []float32) bool {
	if len(y) != len(x) || up != nil && len(up) != len(x) {
		panic("x86: SiLU: lengths differ")
	}
	return len(x) == 0 || silu(l, y, x, up, len(x), 1, 0, 0)
}

// SiLURows is SiLU of n values in each of some rows, which begin yStride values
// apart in y and xStride in x and up.
func SiLURows(l Level, y []float32, yStride int, x, up []float32, xStride, n, rows int) bool {
	if n < 0 || rows < 0 {
		panic("x86: SiLURows: negative shape")
	}
	if n == 0 || rows == 0 {
		return true
	}
	if yStride < n || xStride < n || len(y) < (rows-1)*yStride+n || len(x) < (rows-1)*xStride+n || up != nil && len(up) < (rows-1)*xStride+n {
		panic("x86: SiLURows: lengths differ")
	}
	return silu(l, y, x, up, n, rows, yStride, xStride)
}

// RMSNorm is y = x/sqrt(Σx²/n + eps)·w. y may be x.
func RMSNorm(l Level, y, x, w []float32, eps float32) bool {
	if len(y) != len(x) || len(w) != len(x) {
		panic("x86: RMSNorm: lengths differ")
	}
	return rmsNorm(l, y, x, w, eps)
}

// Rotate turns the first 2·len(cos) values of one head: pairs (i, i+len(cos)) if
// neox, else (2i, 2i+1).
func Rotate(l Level, x, cos, sin []float32, neox bool) bool {
	if len(sin) != len(cos) || len(x) < 2*len(cos) {
		panic("x86: Rotate: lengths differ")
	}
	return rotate(l, x, cos, sin, neox)
}

// Add is y += x.
func Add(l Level, y, x []float32) bool {
	if len(y) != len(x) {
		panic("x86: Add: lengths differ")
	}
	return add(l, y, x)
}

// Scale is y = x·a. y may be x.
func Scale(l Level, y, x []float32, a float32) bool {
	if len(y) != len(x) {
		panic("x86: Scale: lengths differ")
	}
	return scale(l, y, x, a)
}
