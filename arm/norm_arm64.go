//go:build !noasm

package arm

import (
	"math"

	"github.com/qwq-edge/qwq/arm/ref"
)

// valuesChunk bounds the values of one call of a kernel that works value by value.
const valuesChunk = 1 << 14

func rmsNorm(y, x, w []float32, eps float32) bool {
	if len(x) < 16 || len(x) > valuesChunk {
		return false
	}
	var lanes [16]float32
	n := len(x) &^ 15
	sumSquaresNEON(&lanes, &x[0], n)
	for i, v := range x[n:] {
		lanes[i] += float32(v * v)
	}
	s := 1 / float32(math.Sqrt(float64(ref.Tree(&lanes)/float32(len(x))+eps)))
	scaleNEON(&y[0], &x[0], &w[0], n, s)
	for i := n; i < len(x); i++ {
		y[i] = float32(x[i]*s) * w[i]
	}
	return true
}

func rotate(x, cos, sin []float32, neox bool) bool {
	half := len(cos)
	n := half &^ 3
	if n == 0 || half > valuesChunk {
		return false
	}
	if neox {
		rotateNEON(&x[0], &x[half], &cos[0], &sin[0], n)
	} else {
		rotatePairsNEON(&x[0], &cos[0], &sin[0], n)
	}
	for i := n; i < half; i++ {
		j, k := 2*i, 2*i+1
		if neox {
			j, k = i, i+half
		}
		a, b, c, s := x[j], x[k], cos[i], sin[i]
		x[j] = float32(a*c) - float32(b*s)
		x[k] = float32(a*s) + float32(b*c)
	}
	return true
}

func add(y, x []float32) bool {
	n := len(x) &^ 7
	for i := 0; i < n; i += valuesChunk {
		addNEON(&y[i], &x[i], min(valuesChunk, n-i))
	}
	for i := n; i < len(x); i++ {
		y[i] += x[i]
	}
	return true
}

func scale(y, x []float32, s float32) bool {
	n := len(x) &^ 7
	for i := 0; i < n; i += valuesChunk {
		timesNEON(&y[i], &x[i], min(valuesChunk, n-i), s)
	}
	for i := n; i < len(x); i++ {
		y[i] = x[i] * s
	}
	return true
}

// timesNEON: y = x·s; n is a multiple of 8.
//
//go:noescape
func timesNEON(y, x *float32, n int, s float32)

// addNEON: y += x; n is a multiple of 8.
//
//go:noescape
func addNEON(y, x *float32, n int)

// sumSquaresNEON: lanes[i] = Σ x[16j+i]²; n is a multiple of 16.
//
//go:noescape
func sumSquaresNEON(lanes *[16]float32, x *float32, n int)

// scaleNEON: y = x·s·w; n is a multiple of 16.
//
//go:noescape
func scaleNEON(y, x, w *float32, n int, s float32)

// rotateNEON turns n pairs x[i], y[i]; n is a multiple of 4.
//
//go:noescape
func rotateNEON(x, y, cos, sin *float32, n int)

// rotatePairsNEON turns n pairs x[2i], x[2i+1]; n is a multiple of 4.
//
//go:noescape
func rotatePairsNEON(x, cos, sin *float32, n int)
