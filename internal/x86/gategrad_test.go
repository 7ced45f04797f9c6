package x86

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
)

// TestSwiGLUGrad compares each level with plain Go, bit for bit, between guard
// pages and in place, and plain Go with the formula in float64.
func TestSwiGLUGrad(t *testing.T) {
	special := []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e-30, 1.1e-30, 1e-44, 90, -90, 3e38, float32(math.Inf(1)), float32(math.NaN())}
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l, r := levels[v], rand.New(rand.NewPCG(1, 7))
		for _, n := range []int{0, 1, 7, 8, 9, 16, 100, 1<<14 + 3} {
			var in [4][]float32 // g, u, dy, s
			for i := range in {
				in[i] = kerneltest.GuardedF32(t, n)
				for k := range in[i] {
					in[i][k] = float32(r.NormFloat64() * 3)
				}
			}
			copy(in[0], special)
			for k, x := range in[0] {
				in[3][k] = ref.SiLU(x)
			}
			wantG, wantU := make([]float32, n), make([]float32, n)
			SwiGLUGrad(None, wantG, wantU, in[0], in[1], in[2], in[3])
			for k, x := range in[0] {
				if a := math.Abs(float64(x)); a > 80 || a != a {
					continue
				}
				s := 1 / (1 + math.Exp(-float64(x)))
				want := float64(in[2][k]) * float64(in[1][k]) * (s + float64(x)*s*(1-s))
				if d := math.Abs(want - float64(wantG[k])); !(d < 1e-6*(1+math.Abs(want))) {
					t.Fatalf("dg of %v is %v, want %v", x, wantG[k], want)
				}
			}
			SwiGLUGrad(l, in[0], in[1], in[0], in[1], in[2], in[3])
			sameBits(t, "dg", in[0], wantG)
			sameBits(t, "du", in[1], wantU)
		}
	})
}
