package arm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// normal is n values that end at an unmapped page; every so often one is zero,
// subnormal or large.
func normal(t testing.TB, r *rand.Rand, n int) []float32 {
	x := kerneltest.GuardedF32(t, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
		switch r.IntN(40) {
		case 0:
			x[i] = 0
		case 1:
			x[i] = math.Float32frombits(r.Uint32N(1 << 23))
		case 2:
			x[i] *= 1e15
		case 3:
			x[i] = float32(math.Copysign(0, -1))
		}
	}
	return x
}

func TestQuantize(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(1, 1))
		for _, n := range append(kerneltest.Lengths(32), 896) {
			for _, scale := range []float32{1, 0, 1e-30, 1e-31, 7e-31, 5e37, 1e-40} {
				x := kerneltest.GuardedF32(t, n)
				for i := range x {
					x[i] = float32(r.NormFloat64()) * scale
				}
				if n > 3 {
					x[1], x[2] = x[0]/2, -x[0]/2
				}
				var want ref.Act
				want.Quantize(x)
				blocks := (n + 31) / 32
				q, d, sum := int8s(kerneltest.Guarded(t, 32*blocks)), kerneltest.GuardedF32(t, blocks), make([]int16, 2*blocks)
				for i := range q {
					q[i] = 99
				}
				if bad, ok := Quantize(l, q, d, sum, x); bad != -1 || !ok {
					t.Fatalf("n=%d scale %v: got %d, %v", n, scale, bad, ok)
				}
				if !slices.Equal(q, want.Q) || !slices.Equal(sum, want.Sum) {
					t.Fatalf("n=%d scale %v: got %v %v, want %v %v", n, scale, q, sum, want.Q, want.Sum)
				}
				sameBits(t, fmt.Sprintf("n=%d scale %v", n, scale), d, want.D)
				if n == 0 {
					continue
				}
				for _, v := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
					i := r.IntN(n)
					old := x[i]
					x[i] = float32(v)
					if bad, ok := Quantize(l, q, d, sum, x); bad != i || !ok {
						t.Fatalf("n=%d, %v at %d: got %d, %v", n, v, i, bad, ok)
					}
					x[i] = old
				}
			}
		}
	})
}

func TestFloats(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			for _, c := range []struct{ rows, k, tokens int }{{1, 16, 1}, {3, 32, 2}, {4, 48, 1}, {9, 64, 3}, {13, 112, 5}, {8, 896, 1}, {6, 16, 4}} {
				values := normal(t, r, c.rows*c.k)
				n, _ := typ.RowBytes(c.k)
				w := kerneltest.Guarded(t, c.rows*n)
				for i, v := range values {
					if math.Abs(float64(v)) > 1e9 {
						values[i] = 1 // not beyond a half
					}
				}
				if err := quant.Encode(typ, w, values); err != nil {
					t.Fatal(err)
				}
				if err := quant.Decode(typ, values, w); err != nil {
					t.Fatal(err)
				}
				x := normal(t, r, c.tokens*c.k)
				stride := c.rows + 2
				y := kerneltest.GuardedF32(t, (c.tokens-1)*stride+c.rows)
				if !Floats(l, y, stride, typ, w, c.rows, x, c.tokens, kerneltest.Guarded(t, ScratchBytes(l, typ, c.k, c.tokens))) {
					t.Fatalf("%v %+v: no kernel", typ, c)
				}
				want := make([]float32, len(y))
				for i := range c.tokens {
					var wide ref.Wide
					wide.Widen(x[i*c.k : (i+1)*c.k])
					for j := range c.rows {
						row := values[j*c.k : (j+1)*c.k]
						want[i*stride+j] = ref.Dot(row, ref.MinExp(row), &wide)
					}
				}
				sameBits(t, fmt.Sprintf("%v %+v", typ, c), y, want)
			}
			if Floats(l, make([]float32, 1), 1, quant.F32, make([]byte, 68), 1, make([]float32, 17), 1, nil) {
				t.Error("a row of 17 is multiplied")
			}
		}
	})
}

func TestAttention(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(3, 3))
		for _, c := range []struct{ queries, keys, dim int }{{1, 1, 16}, {2, 2, 64}, {7, 5, 64}, {3, 64, 80}, {4, 31, 128}, {3, 63, 4096}} {
			q, k, p := normal(t, r, c.queries*c.dim), normal(t, r, c.keys*c.dim), normal(t, r, c.keys)
			stride := c.keys + 1
			s, want := kerneltest.GuardedF32(t, (c.queries-1)*stride+c.keys), make([]float32, (c.queries-1)*stride+c.keys)
			if !Scores(l, s, stride, q, k, c.dim, 0.125) {
				t.Fatalf("%+v: no kernel", c)
			}
			for i := range c.queries {
				var wide ref.Wide
				wide.Widen(q[i*c.dim : (i+1)*c.dim])
				for j := range c.keys {
					row := k[j*c.dim : (j+1)*c.dim]
					want[i*stride+j] = ref.Dot(row, ref.MinExp(row), &wide) * 0.125
				}
			}
			sameBits(t, fmt.Sprintf("scores %+v", c), s, want)

			o := normal(t, r, c.dim)
			sums := make([]float64, c.dim)
			for i, v := range o {
				sums[i] = float64(v)
			}
			for i, w := range p {
				ref.Axpy(sums, w, k[i*c.dim:(i+1)*c.dim], ref.MinExp(k))
			}
			wantO := make([]float32, c.dim)
			for i, v := range sums {
				wantO[i] = float32(v)
			}
			if !Weigh(l, o, p, c.keys, k, c.dim) {
				t.Fatalf("%+v: no kernel", c)
			}
			sameBits(t, fmt.Sprintf("weigh %+v", c), o, wantO)
		}
		if Scores(l, make([]float32, 1), 1, make([]float32, 24), make([]float32, 24), 24, 1) || Weigh(l, make([]float32, 24), make([]float32, 1), 1, make([]float32, 24), 24) {
			t.Error("a head of 24 is multiplied")
		}
	})
}

func TestExp(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(4, 4))
		for _, n := range append(kerneltest.Lengths(16), 1000) {
			x := kerneltest.GuardedF32(t, n)
			for i := range x {
				x[i] = float32(r.NormFloat64()) * 40
				if r.IntN(20) == 0 {
					x[i] = []float32{88.72283, 88.72284, -87.33654, -87.33655, float32(math.Inf(1)), float32(math.Inf(-1)), 0, -200, 300}[r.IntN(9)]
				}
			}
			y, want := kerneltest.GuardedF32(t, n), make([]float32, n)
			for _, up := range [][]float32{nil, normal(t, r, n)} {
				for i, v := range x {
					want[i] = ref.SiLU(v)
					if up != nil {
						want[i] *= up[i]
					}
				}
				if !SiLU(l, y, x, up) {
					t.Fatalf("n=%d: no kernel", n)
				}
				for i := range want {
					if want[i] == want[i] || y[i] == y[i] { // -Inf/Inf is NaN, of either sign
						sameBits(t, fmt.Sprintf("silu of %v", x[i]), y[i:i+1], want[i:i+1])
					}
				}
			}
			for i, v := range x {
				x[i] = min(v, 80)
			}
			for _, m := range []float32{-100, 81} {
				top := m
				for _, v := range x {
					top = max(top, v)
				}
				var lanes [16]float32
				for i, v := range x {
					want[i] = ref.Exp(v - top)
					lanes[i&15] += want[i]
				}
				s := slices.Clone(x)
				max, sum, ok := ExpSum(l, s, m)
				if ok != (n > 0 && n%16 == 0) {
					t.Fatalf("n=%d: got %v", n, ok)
				}
				if ok {
					sameBits(t, fmt.Sprintf("exp, n=%d", n), s, want)
					sameBits(t, fmt.Sprintf("sum, n=%d", n), []float32{max, sum}, []float32{top, ref.Tree(&lanes)})
				}
			}
			copy(want, x)
			ref.Softmax(want)
			if Softmax(l, x) {
				sameBits(t, fmt.Sprintf("softmax, n=%d", n), x, want)
			} else if n >= 16 {
				t.Fatalf("softmax, n=%d: no kernel", n)
			}
		}
	})
}

func TestNorm(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(5, 5))
		for _, n := range append(kerneltest.Lengths(16), 896) {
			x, w := normal(t, r, n), normal(t, r, n)
			y, want := kerneltest.GuardedF32(t, n), make([]float32, n)
			if n > 0 {
				ref.RMSNorm(want, x, w, 1e-6)
			}
			if RMSNorm(l, y, x, w, 1e-6) {
				sameBits(t, fmt.Sprintf("rmsnorm, n=%d", n), y, want)
			} else if n >= 16 {
				t.Fatalf("rmsnorm, n=%d: no kernel", n)
			}
			copy(y, x)
			for i := range want {
				want[i] = x[i] + w[i]
			}
			if !Add(l, y, w) {
				t.Fatalf("add, n=%d: no kernel", n)
			}
			sameBits(t, fmt.Sprintf("add, n=%d", n), y, want)
			for i := range want {
				want[i] = x[i] * 0.3
			}
			if !Scale(l, y, x, 0.3) {
				t.Fatalf("scale, n=%d: no kernel", n)
			}
			sameBits(t, fmt.Sprintf("scale, n=%d", n), y, want)
			for _, neox := range []bool{false, true} {
				half := n / 2
				cos, sin := normal(t, r, half), normal(t, r, half)
				copy(y, x)
				copy(want, x)
				ref.Rotate(want, cos, sin, neox)
				if Rotate(l, y, cos, sin, neox) {
					sameBits(t, fmt.Sprintf("rotate, n=%d, %v", n, neox), y, want)
				} else if half >= 4 {
					t.Fatalf("rotate, n=%d: no kernel", n)
				}
			}
		}
	})
}
