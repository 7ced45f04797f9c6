//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/arm/ref"

func expSum(s []float32, first int, m float32) (float32, bool) {
	var from0, lanes [16]float32
	n := len(s) &^ 15
	for i := 0; i < n; i += valuesChunk {
		expSumNEON(&from0, &s[i], min(valuesChunk, n-i), m)
	}
	for i, v := range s[n:] {
		s[n+i] = ref.Exp(v - m)
		from0[i] += s[n+i]
	}
	for i, v := range from0 { // lane i of a sum from 0 is another of one from first
		lanes[(first+i)&15] = v
	}
	return ref.Tree(&lanes), true
}

func softmax(x []float32) bool {
	if len(x) < 16 {
		return false
	}
	m := x[0]
	for _, v := range x {
		m = max(m, v)
	}
	sum, _ := expSum(x, 0, m)
	n := len(x) &^ 7
	for i := 0; i < n; i += valuesChunk {
		divideNEON(&x[i], min(valuesChunk, n-i), sum)
	}
	for i := n; i < len(x); i++ {
		x[i] /= sum
	}
	return true
}

func silu(y, x []float32) bool {
	n := len(x) &^ 7
	for i := 0; i < n; i += valuesChunk {
		siluNEON(&y[i], &x[i], min(valuesChunk, n-i))
	}
	for i := n; i < len(x); i++ {
		y[i] = ref.SiLU(x[i])
	}
	return true
}

// expSumNEON: x[i] = e^(x[i]-m); lanes[i%16] += x[i]; n is a multiple of 16.
//
//go:noescape
func expSumNEON(lanes *[16]float32, x *float32, n int, m float32)

// siluNEON: y = x/(1+e^-x); n is a multiple of 8.
//
//go:noescape
func siluNEON(y, x *float32, n int)

// divideNEON: x /= by; n is a multiple of 8.
//
//go:noescape
func divideNEON(x *float32, n int, by float32)
