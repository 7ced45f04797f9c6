package x86

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestAdam(t *testing.T) {
	a := AdamArgs{Scale: 0.25, L2: 0.01, Beta1C: 0.1, Beta2: 0.999, Beta2C: 0.001, Correct: 3, Eps: 1e-8, Step: 0.01, Keep: 0.9999}
	kerneltest.Variants(t, kernels(), func(t *testing.T, variant string) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, n := range kerneltest.Lengths(8) {
			var x [4][]float32 // w, g, m, v
			for i := range x {
				x[i] = kerneltest.GuardedF32(t, n)
				for j := range x[i] {
					x[i][j] = float32(r.NormFloat64())
				}
			}
			for j := range x[3] {
				x[3][j] *= x[3][j]
			}
			if n > 2 {
				x[1][0], x[1][1], x[2][1], x[3][1] = float32(math.NaN()), 0, 0, 0
			}
			w, m, v := slices.Clone(x[0]), slices.Clone(x[2]), slices.Clone(x[3])
			if !Adam(levels[variant], x[0], x[1], x[2], x[3], a) {
				if variant != "generic" && Assembly {
					t.Fatal("no kernel for adam")
				}
				return
			}
			a.Apply(w, x[1], m, v)
			sameBits(t, "w", x[0], w)
			sameBits(t, "m", x[2], m)
			sameBits(t, "v", x[3], v)
		}
	})
}
