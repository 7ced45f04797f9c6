package ref

import "math"

// sumSquares is Σ (x-mean)²: 16 lanes, i mod 16, ascending, product rounded
// before the sum, added by Tree.
func sumSquares(x []float32, mean float32) float32 {
	var lanes [16]float32
	for ; len(x) >= 16; x = x[16:] {
		v := (*[16]float32)(x)
		for i := range lanes {
			d := v[i] - mean
			lanes[i] += float32(d * d)
		}
	}
	for i, v := range x {
		d := v - mean
		lanes[i] += float32(d * d)
	}
	return Tree(&lanes)
}

// sum is Σ x in the same order.
func sum(x []float32) float32 {
	var lanes [16]float32
	for i, v := range x {
		lanes[i&15] += v
	}
	return Tree(&lanes)
}

func rsqrt(x float32) float32 { return 1 / float32(math.Sqrt(float64(x))) }

// RMSNorm is y = x·s·w with s = 1/sqrt(Σx²/n + eps). y may be x.
func RMSNorm(y, x, w []float32, eps float32) {
	s := rsqrt(sumSquares(x, 0)/float32(len(x)) + eps)
	y, w = y[:len(x)], w[:len(x)]
	for i, v := range x {
		y[i] = float32(v*s) * w[i]
	}
}

// LayerNorm is y = (x-mean)·s·w + b with s = 1/sqrt(Σ(x-mean)²/n + eps). y may be
// x; w and b may be nil.
func LayerNorm(y, x, w, b []float32, eps float32) {
	n := float32(len(x))
	mean := sum(x) / n
	s := rsqrt(sumSquares(x, mean)/n + eps)
	for i, v := range x {
		v = float32((v - mean) * s)
		if w != nil {
			v = float32(v * w[i])
		}
		if b != nil {
			v += b[i]
		}
		y[i] = v
	}
}

// Rotate turns the first 2·len(cos) values of one head by the angles of a
// position: pairs (i, i+half) if neox, else (2i, 2i+1). Every product is rounded.
func Rotate(x, cos, sin []float32, neox bool) {
	half, step, second := len(cos), 2, 1
	if neox {
		step, second = 1, half
	}
	sin = sin[:half]
	for i, c := range cos {
		a, b, s := x[i*step], x[i*step+second], sin[i]
		x[i*step] = float32(a*c) - float32(b*s)
		x[i*step+second] = float32(a*s) + float32(b*c)
	}
}
