package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

// Every variant gives the bits of plain Go, at any length, and those are right.
func TestLogitRows(t *testing.T) {
	generic := newPool(t, 1, "generic")
	kerneltest.Variants(t, Variants(), func(t *testing.T, variant string) {
		p, r := newPool(t, 1, variant), rand.New(rand.NewPCG(9, 9))
		for _, n := range []int{1, 15, 16, 17, 41, 1023, 1024, 1025, 2100} {
			var x [4][]float32
			for i := range x {
				x[i] = kerneltest.GuardedF32(t, n)
				for j := range x[i] {
					x[i][j] = float32(r.NormFloat64() * 10)
				}
			}
			want, y := slices.Clone(x[0]), kerneltest.GuardedF32(t, n)
			wantTop, wantSum := generic.ExpRow(want, want, 0.5)
			top, sum := p.ExpRow(y, x[0], 0.5)
			sameBits(t, "exp", y, want)
			if top != wantTop || sum != wantSum {
				t.Errorf("exp of %d: %v, %v, want %v, %v", n, top, sum, wantTop, wantSum)
			}
			exact := 0.0
			for _, v := range x[0] {
				exact += math.Exp(float64(v)/2 - float64(top))
			}
			if math.Abs(sum-exact) > 1e-6*exact {
				t.Errorf("exp of %d: sum %v, want %v", n, sum, exact)
			}
			if got, want := p.DotDiffRow(x[0], x[1], x[2]), generic.DotDiffRow(x[0], x[1], x[2]); got != want {
				t.Errorf("dot of %d: %v, want %v", n, got, want)
			}
			generic.MixRow(want, x[1], x[2], x[3], 2, -3, 0.1)
			p.MixRow(y, x[1], x[2], x[3], 2, -3, 0.1)
			sameBits(t, "mix", y, want)
		}
	})
}
