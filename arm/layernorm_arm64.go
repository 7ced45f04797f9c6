//go:build !noasm

package arm

import (
	"math"

	"github.com/qwq-edge/qwq/arm/ref"
)

// ones and zeros stand for weights and biases that are nil: products with 1 and
// sums with -0 change nothing.
var ones, zeros = func() (one, zero [16]float32) {
	for i := range one {
		one[i], zero[i] = 1, float32(math.Copysign(0, -1))
	}
	return one, zero
}()

func layerNorm(y, x, w, b []float32, eps float32) bool {
	if len(x) < 16 || len(x) > valuesChunk {
		return false
	}
	whole, n := len(x)&^15, float32(len(x))
	var lanes [16]float32
	sumNEON(&lanes, &x[0], whole)
	for i, v := range x[whole:] {
		lanes[i] += v
	}
	mean := ref.Tree(&lanes) / n
	deviationsNEON(&lanes, &x[0], whole, mean)
	for i, v := range x[whole:] {
		v -= mean
		lanes[i] += float32(v * v)
	}
	s := 1 / float32(math.Sqrt(float64(ref.Tree(&lanes)/n+eps)))
	wAt, wStep, bAt, bStep := &ones[0], 0, &zeros[0], 0
	if w != nil {
		wAt, wStep = &w[0], 64
	}
	if b != nil {
		bAt, bStep = &b[0], 64
	}
	normalizeNEON(&y[0], &x[0], wAt, bAt, whole, wStep, bStep, mean, s)
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

func mul(y, x []float32) bool {
	n := len(x) &^ 7
	for i := 0; i < n; i += valuesChunk {
		mulNEON(&y[i], &x[i], min(valuesChunk, n-i))
	}
	for i := n; i < len(x); i++ {
		y[i] *= x[i]
	}
	return true
}

// geluChunk bounds the values of one call: some 20 instructions each.
const geluChunk = 1 << 12

func gelu(y, x []float32, tanh bool) bool {
	n := len(x) &^ 7
	for i := 0; i < n; i += geluChunk {
		if m := min(geluChunk, n-i); tanh {
			geluTanhNEON(&y[i], &x[i], m)
		} else {
			geluNEON(&y[i], &x[i], m)
		}
	}
	for i := n; i < len(x); i++ {
		if tanh {
			y[i] = ref.GELUTanh(x[i])
		} else {
			y[i] = ref.GELU(x[i])
		}
	}
	return true
}

// sumNEON: lanes[i] = Σ x[16j+i]; n is a positive multiple of 16.
//
//go:noescape
func sumNEON(lanes *[16]float32, x *float32, n int)

// deviationsNEON: lanes[i] = Σ (x[16j+i]-mean)²; n is a positive multiple of 16.
//
//go:noescape
func deviationsNEON(lanes *[16]float32, x *float32, n int, mean float32)

// normalizeNEON: y = (x-mean)·s·w + b; n is a positive multiple of 16.
//
//go:noescape
func normalizeNEON(y, x, w, b *float32, n, wStep, bStep int, mean, s float32)

// mulNEON: y *= x; n is a positive multiple of 8.
//
//go:noescape
func mulNEON(y, x *float32, n int)

// geluNEON and geluTanhNEON: n is a positive multiple of 8.
//
//go:noescape
func geluNEON(y, x *float32, n int)

//go:noescape
func geluTanhNEON(y, x *float32, n int)
