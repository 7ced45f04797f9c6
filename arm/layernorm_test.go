package arm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestLayerNorm(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(8, 8))
		for _, n := range append(kerneltest.Lengths(16), 896) {
			x := normal(t, r, n)
			for i := 0; i < 4; i++ {
				w, b := normal(t, r, n), normal(t, r, n)
				if i&1 != 0 {
					w = nil
				}
				if i&2 != 0 {
					b = nil
				}
				y, want := kerneltest.GuardedF32(t, n), make([]float32, n)
				if n > 0 {
					ref.LayerNorm(want, x, w, b, 1e-5)
				}
				if LayerNorm(l, y, x, w, b, 1e-5) {
					sameBits(t, fmt.Sprintf("layernorm, n=%d, case %d", n, i), y, want)
				} else if n >= 16 {
					t.Fatalf("layernorm, n=%d: no kernel", n)
				}
			}
			y, want, w := kerneltest.GuardedF32(t, n), make([]float32, n), normal(t, r, n)
			copy(y, x)
			for i := range want {
				want[i] = x[i] * w[i]
			}
			if !Mul(l, y, w) {
				t.Fatalf("mul, n=%d: no kernel", n)
			}
			sameBits(t, fmt.Sprintf("mul, n=%d", n), y, want)
		}
	})
}

func TestGELU(t *testing.T) {
	inf := float32(math.Inf(1))
	ends := []float32{0, float32(math.Copysign(0, -1)), 6, -6, math.Nextafter32(6, 7), -math.Nextafter32(6, 7), inf, -inf,
		float32(math.NaN()), 1e-40, -1e-40, 1e20, -1e20, 5.99, -5.99, math.MaxFloat32}
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(9, 9))
		for _, n := range append(kerneltest.Lengths(8), 1000, geluLong) {
			x := kerneltest.GuardedF32(t, n)
			for i := range x {
				x[i] = float32(r.NormFloat64()) * 3
				if r.IntN(8) == 0 {
					x[i] = ends[r.IntN(len(ends))]
				}
			}
			for _, tanh := range []bool{false, true} {
				f := ref.GELU
				if tanh {
					f = ref.GELUTanh
				}
				y := kerneltest.GuardedF32(t, n)
				if !GELU(l, y, x, tanh) {
					t.Fatalf("n=%d: no kernel", n)
				}
				for i, v := range x {
					if want := f(v); want == want || y[i] == y[i] {
						sameBits(t, fmt.Sprintf("gelu of %v, tanh %v", v, tanh), y[i:i+1], []float32{want})
					}
				}
			}
		}
	})
}

// geluLong is more than one call takes.
const geluLong = 1<<12 + 20
