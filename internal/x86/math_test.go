package x86

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
)

// arguments from everywhere in the range of exp and beyond.
func arguments(t testing.TB, r *rand.Rand, n int) []float32 {
	x := kerneltest.GuardedF32(t, n)
	for i := range x {
		switch r.IntN(12) {
		case 0:
			x[i] = []float32{0, float32(math.Copysign(0, -1)), 88.72283, 88.722836, -87.33654, -87.336555, 200, -200, float32(math.Inf(1)), float32(math.Inf(-1)), 1e-40}[r.IntN(11)]
		case 1:
			x[i] = math.Float32frombits(r.Uint32() &^ 0x40000000)
		default:
			x[i] = float32(r.NormFloat64() * 30)
		}
	}
	return x
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if bitsDiffer(got[i], want[i]) && (got[i] == got[i] || want[i] == want[i]) {
			t.Fatalf("%s of %d: value %d: got %x, want %x", what, len(want), i, got[i], want[i])
		}
	}
}

func TestMath(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l, r := levels[v], rand.New(rand.NewPCG(5, 5))
		need := func(ok bool, what string) bool {
			if !ok && v != "generic" && Assembly {
				t.Fatalf("no kernel for %s", what)
			}
			return ok
		}
		for range 50 {
			for _, n := range append(kerneltest.Lengths(16), 64, 896) {
				x, up := arguments(t, r, n), values(t, r, n)
				want, y := make([]float32, n), kerneltest.GuardedF32(t, n)
				for i, f := range x {
					want[i] = ref.SiLU(f)
				}
				if need(SiLU(l, y, x, nil), "silu") {
					sameBits(t, "silu", y, want)
					for i := range want {
						want[i] *= up[i]
					}
					y = slices.Clone(x)
					SiLU(l, y, y, up)
					sameBits(t, "silu·up", y, want)
				}
				copy(want, up)
				for i := range want {
					want[i] += x[i]
				}
				y = slices.Clone(up)
				if need(Add(l, y, x), "add") {
					sameBits(t, "add", y, want)
				}
				if n%16 == 0 && n > 0 {
					y, top := slices.Clone(x), up[0]
					for _, f := range x {
						top = max(top, f)
					}
					var lanes [16]float32
					for i, f := range x {
						want[i] = ref.Exp(f - top)
						lanes[i%16] += want[i]
					}
					if m, sum, ok := ExpSum(l, y, up[0]); need(ok, "exp") {
						sameBits(t, "exp", y, want)
						sameBits(t, "largest", []float32{m}, []float32{top})
						sameBits(t, "exp's sum", []float32{sum}, []float32{ref.Tree(&lanes)})
					}
				}
				if n >= 16 {
					w := values(t, r, n)
					ref.RMSNorm(want, up, w, 1e-6)
					y := slices.Clone(up)
					if need(RMSNorm(l, y, y, w, 1e-6), "rmsnorm") {
						sameBits(t, "rmsnorm", y, want)
					}
				}
				if n%8 == 0 {
					cos, sin := values(t, r, n), values(t, r, n)
					for _, neox := range []bool{true, false} {
						a := values(t, r, 2*n)
						b := slices.Clone(a)
						ref.Rotate(b, cos, sin, neox)
						if n == 0 || need(Rotate(l, a, cos, sin, neox), "rotate") {
							sameBits(t, "rotate", a, b)
						}
					}
				}
			}
		}
	})
}
