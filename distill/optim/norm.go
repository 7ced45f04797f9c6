package optim

import (
	"math"

	"github.com/qwq-edge/qwq/internal/kernel"
)

// Block is the number of parameters whose squares are summed together. The sums
// of blocks, counted from parameter 0, are added in ascending order: a rank that
// holds whole blocks computes theirs, and every rank adds all of them.
const Block = 1 << 14

// Blocks is the number of blocks of n parameters.
func Blocks(n int) int { return (n + Block - 1) / Block }

// Squares writes the sums of squares of blocks lo to hi-1 of grad, [parameters],
// to dst, [hi-lo]; frozen parameters count as 0.
func Squares(p *kernel.Pool, dst []float64, grad []float32, groups []Group, lo, hi int) {
	p.Parallel(hi-lo, 1, func(_, from, to int) {
		for b := from; b < to; b++ {
			first := (lo + b) * Block
			last, sum := min(first+Block, len(grad)), 0.0
			for _, g := range groups {
				if x, y := max(g.Lo, first), min(g.Hi, last); x < y && !g.Frozen {
					sum += squares(grad[x:y])
				}
			}
			dst[b] = sum
		}
	})
}

// squares is Σ x², in 8 lanes by index, added from the first to the last.
func squares(x []float32) float64 {
	var l [8]float64
	for ; len(x) >= 8; x = x[8:] {
		for i, v := range (*[8]float32)(x) {
			l[i] += float64(float64(v) * float64(v))
		}
	}
	for i, v := range x {
		l[i] += float64(float64(v) * float64(v))
	}
	sum := 0.0
	for _, v := range l {
		sum += v
	}
	return sum
}

// Root is the norm whose blocks have these sums of squares.
func Root(squares []float64) float64 {
	sum := 0.0
	for _, v := range squares {
		sum += v
	}
	return math.Sqrt(sum)
}

// Norm is the Euclidean norm of the gradient. It is infinite or NaN exactly where
// a value of a group that trains is.
func Norm(p *kernel.Pool, grad []float32, groups []Group) float64 {
	dst := make([]float64, Blocks(len(grad)))
	Squares(p, dst, grad, groups, 0, len(dst))
	return Root(dst)
}

// Clip is the factor that brings a gradient of this norm to at most limit, 1
// where limit is 0: limit/(norm + 1e-6), at most 1.
func Clip(norm, limit float64) float64 {
	if limit <= 0 {
		return 1
	}
	return min(1, limit/(norm+1e-6))
}
