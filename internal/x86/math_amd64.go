//go:build !noasm

package x86

import (
	"math"

	"github.com/qwq-edge/qwq/arm/ref"
)

//go:noescape
func expSumAVX2(s *float32, n int, m float32) (top, sum float32)

//go:noescape
func expSumAVX512(s *float32, n int, m float32) (top, sum float32)

//go:noescape
func siluAVX2(y, x, u *float32, n, rows, yStride, xStride int)

//go:noescape
func siluAVX512(y, x, u *float32, n, rows, yStride, xStride int)

//go:noescape
func sumSquaresAVX2(lanes *[16]float32, x *float32, n int)

//go:noescape
func scaleAVX2(y, x, w *float32, s float32, n int)

//go:noescape
func scaleByAVX2(y, x *float32, s float32, n int)

//go:noescape
func addAVX2(y, x *float32, n int)

//go:noescape
func rotateHalvesAVX2(a, b, cos, sin *float32, n int)

//go:noescape
func rotatePairsAVX2(x, cos, sin *float32, n int)

// mathChunk bounds the values of one call to well under 200 µs.
const mathChunk = 1 << 14

func expSum(l Level, s []float32, m float32) (top, sum float32, ok bool) {
	if l < AVX2 || len(s) == 0 || len(s) > mathChunk {
		return 0, 0, false
	}
	if l >= AVX512 {
		top, sum = expSumAVX512(&s[0], len(s), m)
	} else {
		top, sum = expSumAVX2(&s[0], len(s), m)
	}
	return top, sum, true
}

func silu(l Level, y, x, up []float32, n, rows, yStride, xStride int) bool {
	if l < AVX2 {
		return false
	}
	at := func(s []float32, i int) *float32 {
		if s == nil {
			return nil
		}
		return &s[i]
	}
	for c := 0; c < n; c += mathChunk {
		cols := min(n-c, mathChunk)
		step := max(1, mathChunk/cols)
		for r := 0; r < rows; r += step {
			y, x, up := at(y, r*yStride+c), at(x, r*xStride+c), at(up, r*xStride+c)
			if l >= AVX512 {
				siluAVX512(y, x, up, cols, min(step, rows-r), 4*yStride, 4*xStride)
			} else if cols >= 8 {
				siluAVX2(y, x, up, cols&^7, min(step, rows-r), 4*yStride, 4*xStride)
			}
		}
	}
	if l >= AVX512 {
		return true
	}
	for r := range rows {
		for i := n &^ 7; i < n; i++ {
			v := ref.SiLU(x[r*xStride+i])
			if up != nil {
				v *= up[r*xStride+i]
			}
			y[r*yStride+i] = v
		}
	}
	return true
}

func rmsNorm(l Level, y, x, w []float32, eps float32) bool {
	if l < AVX2 || len(x) < 16 || len(x) > mathChunk {
		return false
	}
	var lanes [16]float32
	n := len(x) &^ 15
	sumSquaresAVX2(&lanes, &x[0], n)
	for i, v := range x[n:] {
		lanes[i] += float32(v * v)
	}
	s := 1 / float32(math.Sqrt(float64(ref.Tree(&lanes)/float32(len(x))+eps)))
	n = len(x) &^ 7
	scaleAVX2(&y[0], &x[0], &w[0], s, n)
	for i := n; i < len(x); i++ {
		y[i] = float32(x[i]*s) * w[i]
	}
	return true
}

func rotate(l Level, x, cos, sin []float32, neox bool) bool {
	n := len(cos)
	if l < AVX2 || n == 0 || n%8 != 0 || n > mathChunk {
		return false
	}
	if neox {
		rotateHalvesAVX2(&x[0], &x[n], &cos[0], &sin[0], n)
	} else {
		rotatePairsAVX2(&x[0], &cos[0], &sin[0], n)
	}
	return true
}

func scale(l Level, y, x []float32, a float32) bool {
	if l < AVX2 {
		return false
	}
	for len(x) >= 8 {
		n := min(len(x)&^7, mathChunk)
		scaleByAVX2(&y[0], &x[0], a, n)
		y, x = y[n:], x[n:]
	}
	for i, v := range x {
		y[i] = v * a
	}
	return true
}

func add(l Level, y, x []float32) bool {
	if l < AVX2 {
		return false
	}
	for len(x) >= 8 {
		n := min(len(x)&^7, mathChunk)
		addAVX2(&y[0], &x[0], n)
		y, x = y[n:], x[n:]
	}
	for i, v := range x {
		y[i] += v
	}
	return true
}
