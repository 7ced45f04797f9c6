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
				for i := range want {
					want[i] = up[i] * x[0]
				}
				y = kerneltest.GuardedF32(t, n)
				if n > 0 && need(Scale(l, y, up, x[0]), "scale") {
					sameBits(t, "scale", y, want)
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

// TestSiLURows: rows of an output, with values between them that stay.
func TestSiLURows(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l, r := levels[v], rand.New(rand.NewPCG(7, 7))
		for range 100 {
			n, rows := 1+r.IntN(70), 1+r.IntN(9)
			xs, ys := n+r.IntN(20), n+r.IntN(20)
			x, up := arguments(t, r, (rows-1)*xs+n), arguments(t, r, (rows-1)*xs+n)
			y := values(t, r, (rows-1)*ys+n)
			want := slices.Clone(y)
			for i := range rows {
				for j := range n {
					want[i*ys+j] = ref.SiLU(x[i*xs+j]) * up[i*xs+j]
				}
			}
			if SiLURows(l, y, ys, x, up, xs, n, rows) {
				sameBits(t, "silu of rows", y, want)
			} else if v != "generic" && Assembly {
				t.Fatal("no kernel")
			}
		}
	})
}

// TestSoften compares with ref.State, whose outputs have no values to add here.
func TestSoften(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l, r := levels[v], rand.New(rand.NewPCG(8, 8))
		for range 300 {
			n, dim := 1+r.IntN(9), []int{1, 8, 16, 40, 64, 80, 128}[r.IntN(7)]
			from := r.IntN(64)
			to := from + 1 + r.IntN(64-from)
			stride := to + r.IntN(9)
			s, m, sum, o := values(t, r, (n-1)*stride+to), values(t, r, n), values(t, r, n), values(t, r, n*dim)
			for i := range s {
				s[i] *= 10
			}
			for i := range m {
				switch m[i] *= 10; r.IntN(4) {
				case 0:
					m[i], sum[i] = float32(math.Inf(-1)), 0
				case 1:
					m[i] = slices.Max(s[i*stride+from : i*stride+to])
				}
			}
			wantS, wantM, wantL, wantO := slices.Clone(s), slices.Clone(m), slices.Clone(sum), slices.Clone(o)
			for i := range n {
				st := ref.State{M: m[i], L: sum[i], O: make([]float64, dim)}
				for d := range dim {
					st.O[d] = float64(o[i*dim+d])
				}
				st.Page(wantS[i*stride+from:i*stride+to], from, make([]float32, 64*dim), 0)
				wantM[i], wantL[i] = st.M, st.L
				for d := range dim {
					wantO[i*dim+d] = float32(st.O[d])
				}
			}
			if Soften(l, s, stride, from, to, m, sum, o, dim) {
				sameBits(t, "scores", s, wantS)
				sameBits(t, "largest", m, wantM)
				sameBits(t, "sum", sum, wantL)
				for d := range o {
					o[d] += 0 // as the values of 0 do: -0 is no longer
				}
				sameBits(t, "outputs", o, wantO)
			} else if v != "generic" && Assembly {
				t.Fatal("no kernel")
			}
		}
	})
}
