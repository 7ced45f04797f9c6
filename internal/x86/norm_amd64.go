//go:build !noasm

package x86

import (
	"math"

	"github.com/qwq-edge/qwq/arm/ref"
)

//go:noescape
func geluAVX2(y, x *float32, n int)

//go:noescape
func geluTanhAVX2(y, x *float32, n int)

//go:noescape
func mulAVX2(y, x *float32, n int)

//go:noescape
func divideAVX2(x *float32, s float32, n int)

//go:noescape
func largestAVX2(lanes *[16]float32, x *float32, n int)

//go:noescape
func sumAVX2(lanes *[16]float32, x *float32, n int)

//go:noescape
func squaresAVX2(lanes *[16]float32, x *float32, n int, mean float32)

//go:noescape
func expAVX2(lanes *[16]float32, x *float32, n int, top float32)

//go:noescape
func centerAVX2(y, x, w, b *float32, mean, s float32, n int)

func layerNorm(l Level, y, x, w, b []float32, eps float32) bool {
	if l < AVX2 || len(x) < 16 || len(x) > mathChunk {
		return false
	}
	whole, n := len(x)&^15, float32(len(x))
	var sums, squares [16]float32
	sumAVX2(&sums, &x[0], whole)
	for i, v := range x[whole:] {
		sums[i] += v
	}
	mean := ref.Tree(&sums) / n
	squaresAVX2(&squares, &x[0], whole, mean)
	for i, v := range x[whole:] {
		squares[i] += float32((v - mean) * (v - mean))
	}
	s := 1 / float32(math.Sqrt(float64(ref.Tree(&squares)/n+eps)))
	var first, bias *float32
	if w != nil {
		first = &w[0]
	}
	if b != nil {
		bias = &b[0]
	}
	whole = len(x) &^ 7
	centerAVX2(&y[0], &x[0], first, bias, mean, s, whole)
	for i := whole; i < len(x); i++ {
		v := float32((x[i] - mean) * s)
		if w != nil {
			v = float32(v * w[i])
		}
		if b != nil {
			v += b[i]
		}
		y[i] = v
	}
	return true
}

func mul(l Level, y, x []float32) bool {
	if l < AVX2 {
		return false
	}
	for len(x) >= 8 {
		n := min(len(x)&^7, mathChunk)
		mulAVX2(&y[0], &x[0], n)
		y, x = y[n:], x[n:]
	}
	for i, v := range x {
		y[i] *= v
	}
	return true
}

func gelu(l Level, y, x []float32, tanh bool) bool {
	if l < AVX2 {
		return false
	}
	whole, one := geluAVX2, ref.GELU
	if tanh {
		whole, one = geluTanhAVX2, ref.GELUTanh
	}
	for len(x) >= 8 {
		n := min(len(x)&^7, mathChunk)
		whole(&y[0], &x[0], n)
		y, x = y[n:], x[n:]
	}
	for i, v := range x {
		y[i] = one(v)
	}
	return true
}

// softmax: the values of a last part of less than 16 are e^-∞ = 0 beyond the end.
func softmax(l Level, x []float32) bool {
	if l < AVX2 || len(x) < 16 {
		return false
	}
	var lanes, tail [16]float32
	whole := len(x) &^ 15
	for i := range tail {
		tail[i] = float32(math.Inf(-1))
	}
	copy(tail[:], x[whole:])
	tops := tail
	for i := 0; i < whole; i += mathChunk {
		largestAVX2(&tops, &x[i], min(mathChunk, whole-i))
	}
	top := tops[0]
	for _, v := range tops {
		top = max(top, v)
	}
	for i := 0; i < whole; i += mathChunk {
		expAVX2(&lanes, &x[i], min(mathChunk, whole-i), top)
	}
	if whole < len(x) {
		expAVX2(&lanes, &tail[0], 16, top)
		copy(x[whole:], tail[:])
	}
	sum := ref.Tree(&lanes)
	for i := 0; i < len(x)&^7; i += mathChunk {
		divideAVX2(&x[i], sum, min(mathChunk, len(x)&^7-i))
	}
	for i := len(x) &^ 7; i < len(x); i++ {
		x[i] /= sum
	}
	return true
}
