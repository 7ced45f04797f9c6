//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/arm/ref"

func expSum(s []float32, m float32) (top, sum float32, ok bool) {
	if len(s) > valuesChunk {
		return 0, 0, false
	}
	var lanes [16]float32
	top = maxNEON(&s[0], len(s), m)
	expSumNEON(&lanes, &s[0], len(s), top)
	return top, ref.Tree(&lanes), true
}

func softmax(x []float32) bool {
	if len(x) < 16 {
		return false
	}
	m := x[0]
	for _, v := range x {
		m = max(m, v)
	}
	var lanes [16]float32
	whole := len(x) &^ 15
	for i := 0; i < whole; i += valuesChunk {
		expSumNEON(&lanes, &x[i], min(valuesChunk, whole-i), m)
	}
	for i, v := range x[whole:] {
		x[whole+i] = ref.Exp(v - m)
		lanes[i] += x[whole+i]
	}
	sum := ref.Tree(&lanes)
	n := len(x) &^ 7
	for i := 0; i < n; i += valuesChunk {
		divideNEON(&x[i], min(valuesChunk, n-i), sum)
	}
	for i := n; i < len(x); i++ {
		x[i] /= sum
	}
	return true
}

func silu(y, x, up []float32) bool {
	n := len(x) &^ 7
	for i := 0; i < n; i += valuesChunk {
		if m := min(valuesChunk, n-i); up != nil {
			siluMulNEON(&y[i], &x[i], m, &up[i])
		} else {
			siluNEON(&y[i], &x[i], m)
		}
	}
	for i := n; i < len(x); i++ {
		y[i] = ref.SiLU(x[i])
		if up != nil {
			y[i] *= up[i]
		}
	}
	return true
}

// maxNEON is the largest of m and n values; n is a positive multiple of 16.
//
//go:noescape
func maxNEON(x *float32, n int, m float32) float32

// expSumNEON: x[i] = e^(x[i]-m); lanes[i%16] += x[i]; n is a multiple of 16.
//
//go:noescape
func expSumNEON(lanes *[16]float32, x *float32, n int, m float32)

// siluNEON: y = x/(1+e^-x); n is a multiple of 8.
//
//go:noescape
func siluNEON(y, x *float32, n int)

// siluMulNEON: y = x/(1+e^-x)·up; n is a multiple of 8.
//
//go:noescape
func siluMulNEON(y, x *float32, n int, up *float32)

// divideNEON: x /= by; n is a multiple of 8.
//
//go:noescape
func divideNEON(x *float32, n int, by float32)
