package kernel

import (
	"github.com/qwq-edge/qwq/arm"
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/x86"
)

// Operations on one row of logits, for losses. They do not split the row: callers
// run them from inside Parallel, row by row. Sums are taken in float32 over pieces
// of 1,024 values, in 16 lanes each, and in float64 over the pieces; every variant
// gives the same bits.

const logitPiece = 1024

// ExpRow is y[i] = e^(x[i]·s - top), top being the largest x[i]·s, and the sum of
// y. x is not empty; y may be x.
func (p *Pool) ExpRow(y, x []float32, s float32) (top float32, sum float64) {
	v := p.variant
	top = negInf
	for lo := 0; lo < len(x); lo += logitPiece {
		y, x := y[lo:min(lo+logitPiece, len(x))], x[lo:min(lo+logitPiece, len(x))]
		n := len(x) &^ 15
		if t, ok := x86.ScaleMax(v.x86, y[:n], x[:n], s); ok {
			top = max(top, t)
			y, x = y[n:], x[n:]
		}
		for i, f := range x {
			y[i] = f * s
			if y[i] > top {
				top = y[i]
			}
		}
	}
	for lo := 0; lo < len(y); lo += logitPiece {
		sum += float64(v.expPiece(y[lo:min(lo+logitPiece, len(y))], top))
	}
	return top, sum
}

// expPiece replaces y by e^(y-top) and returns the sum; top is no less than y.
func (v variant) expPiece(y []float32, top float32) float32 {
	if len(y)%16 == 0 {
		if _, sum, ok := x86.ExpSum(v.x86, y, top); ok {
			return sum
		}
		if _, sum, ok := arm.ExpSum(v.arm, y, top); ok {
			return sum
		}
	}
	var lanes [16]float32
	for i, f := range y {
		y[i] = ref.Exp(f - top)
		lanes[i&15] += y[i]
	}
	return ref.Tree(&lanes)
}

// DotDiffRow is Σ e·(x-y).
func (p *Pool) DotDiffRow(e, x, y []float32) float64 {
	sum := 0.0
	for lo := 0; lo < len(e); lo += logitPiece {
		hi := min(lo+logitPiece, len(e))
		e, x, y := e[lo:hi], x[lo:hi], y[lo:hi]
		if len(e)%16 == 0 {
			if s, ok := x86.DotDiff(p.variant.x86, e, x, y); ok {
				sum += float64(s)
				continue
			}
		}
		var lanes [16]float32
		for i, f := range e {
			lanes[i&15] += float32(f * (x[i] - y[i]))
		}
		sum += float64(ref.Tree(&lanes))
	}
	return sum
}

// MixRow is dst = x·a + y·b + z·c. dst may be any of them.
func (p *Pool) MixRow(dst, x, y, z []float32, a, b, c float32) {
	for lo := 0; lo < len(dst); lo += logitPiece {
		hi := min(lo+logitPiece, len(dst))
		dst, x, y, z := dst[lo:hi], x[lo:hi], y[lo:hi], z[lo:hi]
		if n := len(dst) &^ 15; x86.Mix(p.variant.x86, dst[:n], x[:n], y[:n], z[:n], a, b, c) {
			dst, x, y, z = dst[n:], x[n:], y[n:], z[n:]
		}
		for i := range dst {
			dst[i] = float32(x[i]*a) + float32(y[i]*b) + float32(z[i]*c)
		}
	}
}
