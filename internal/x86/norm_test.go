package x86

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestLayerNorm(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l, r := levels[v], rand.New(rand.NewPCG(10, 10))
		for _, n := range append(kerneltest.Lengths(16), 896) {
			x := values(t, r, n)
			for i := range 4 {
				w, b := values(t, r, n), values(t, r, n)
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
					sameBits(t, fmt.Sprintf("layernorm, case %d", i), y, want)
				} else if n >= 16 && v != "generic" && Assembly {
					t.Fatalf("n=%d: no kernel", n)
				}
			}
		}
	})
}

func TestMul(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(11, 11))
		for _, n := range append(kerneltest.Lengths(8), mathLong) {
			x, y := values(t, r, n), values(t, r, n)
			want := slices.Clone(y)
			for i := range want {
				want[i] *= x[i]
			}
			if Mul(levels[v], y, x) {
				sameBits(t, "mul", y, want)
			} else if v != "generic" && Assembly {
				t.Fatalf("n=%d: no kernel", n)
			}
		}
	})
}

// mathLong is more than one call takes.
const mathLong = 1<<14 + 20

func TestGELU(t *testing.T) {
	inf := float32(math.Inf(1))
	ends := []float32{0, float32(math.Copysign(0, -1)), 6, -6, math.Nextafter32(6, 7), -math.Nextafter32(6, 7), inf, -inf,
		float32(math.NaN()), 1e-40, -1e-40, 1e20, -1e20, 5.99, -5.99, math.MaxFloat32}
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(12, 12))
		for _, n := range append(kerneltest.Lengths(8), 1000, mathLong) {
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
				y, want := kerneltest.GuardedF32(t, n), make([]float32, n)
				for i := range x {
					want[i] = f(x[i])
				}
				if GELU(levels[v], y, x, tanh) {
					sameBits(t, fmt.Sprintf("gelu, tanh %v", tanh), y, want)
				} else if v != "generic" && Assembly {
					t.Fatalf("n=%d: no kernel", n)
				}
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(13, 13))
		for _, n := range append(kerneltest.Lengths(16), 1000, mathLong) {
			for _, special := range []float32{0, float32(math.Inf(-1)), float32(math.NaN()), float32(math.Inf(1)), -200} {
				x := values(t, r, n)
				for i := range x {
					x[i] *= 10
				}
				if n > 0 && special != 0 {
					x[r.IntN(n)] = special
				}
				want := slices.Clone(x)
				ref.Softmax(want)
				if Softmax(levels[v], x) {
					sameBits(t, "softmax", x, want)
				} else if n >= 16 && v != "generic" && Assembly {
					t.Fatalf("n=%d: no kernel", n)
				}
			}
		}
	})
}
