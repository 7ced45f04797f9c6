package x86

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// values of widely different size, subnormal ones and both zeros among them.
func values(t testing.TB, r *rand.Rand, n int) []float32 {
	x := kerneltest.GuardedF32(t, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(30)-15)))
		switch r.IntN(20) {
		case 0:
			x[i] = float32(math.Copysign(0, float64(x[i])))
		case 1:
			x[i] *= 0x1p-120
		}
	}
	return x
}

func floatRow(typ quant.Type, row []byte, k int) []float32 {
	dst := make([]float32, k)
	if err := quant.Decode(typ, dst, row); err != nil {
		panic(err)
	}
	return dst
}

func dot(w, x []float32) float32 {
	var wide ref.Wide
	wide.Widen(x)
	return ref.Dot(w, ref.MinExp(w), &wide)
}

func bitsDiffer(a, b float32) bool { return math.Float32bits(a) != math.Float32bits(b) }

func TestFloats(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(3, 3))
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			for _, k := range []int{1, 7, 15, 16, 17, 33, 64, 100} {
				for _, shape := range [][2]int{{1, 1}, {7, 2}, {8, 3}, {16, 1}, {17, 1}, {17, 13}, {33, 5}} {
					rows, tokens := shape[0], shape[1]
					n, _ := typ.RowBytes(k)
					w := kerneltest.Guarded(t, rows*n)
					if err := quant.Encode(typ, w, values(t, r, rows*k)); err != nil {
						t.Fatal(err)
					}
					x := values(t, r, tokens*k)
					stride := rows + r.IntN(2)
					y := kerneltest.GuardedF32(t, (tokens-1)*stride+rows)
					if !Floats(levels[v], y, stride, typ, w, rows, x, tokens) {
						if (v == "avx512" || v == "avx2" && k%16 == 0) && Assembly {
							t.Fatalf("no kernel for %v", typ)
						}
						continue
					}
					for i := range rows {
						row := floatRow(typ, w[i*n:(i+1)*n], k)
						for tok := range tokens {
							if got, want := y[tok*stride+i], dot(row, x[tok*k:(tok+1)*k]); bitsDiffer(got, want) {
								t.Fatalf("%v k=%d %dx%d: row %d token %d: got %x, want %x", typ, k, rows, tokens, i, tok, got, want)
							}
						}
					}
				}
			}
		}
	})
}

func TestScoresAndWeigh(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l, r := levels[v], rand.New(rand.NewPCG(4, 4))
		for _, dim := range []int{1, 8, 20, 64, 80, 128, 200} {
			for _, queries := range []int{1, 2, 4, 7} {
				for _, n := range []int{1, 7, 8, 9, 64} {
					what := fmt.Sprintf("dim %d, %d queries, %d positions", dim, queries, n)
					q, k := values(t, r, queries*dim), values(t, r, n*dim)
					s := kerneltest.GuardedF32(t, (queries-1)*64+n)
					if Scores(l, s, 64, q, k, dim, 0.3) {
						for i := range queries {
							for j := range n {
								want := dot(k[j*dim:(j+1)*dim], q[i*dim:(i+1)*dim]) * 0.3
								if got := s[i*64+j]; bitsDiffer(got, want) {
									t.Fatalf("%s: score %d %d: got %x, want %x", what, i, j, got, want)
								}
							}
						}
					} else if (v == "avx512" || v == "avx2" && dim%16 == 0) && Assembly {
						t.Fatal("no kernel")
					}
					o := values(t, r, queries*dim)
					want := make([]float64, len(o))
					for i, f := range o {
						want[i] = float64(f)
					}
					if !Weigh(l, o, s, 64, k, dim) {
						continue
					}
					for i := range queries {
						for j := range n {
							ref.Axpy(want[i*dim:(i+1)*dim], s[i*64+j], k[j*dim:(j+1)*dim], ref.MinExp(k))
						}
					}
					for i, got := range o {
						if bitsDiffer(got, float32(want[i])) {
							t.Fatalf("%s: output %d: got %x, want %x", what, i, got, want[i])
						}
					}
				}
			}
		}
	})
}
