package x86

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestQuantize(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(2, 2))
		lengths := append(kerneltest.Lengths(32), 896, 5000)
		for round := range 40 {
			for _, n := range lengths {
				x := kerneltest.GuardedF32(t, n)
				scale := math.Exp2(float64(r.IntN(260) - 140))
				for i := range x {
					switch round % 4 {
					case 0, 1:
						x[i] = float32(r.NormFloat64() * scale)
					case 2: // codes halfway between two
						x[i] = float32(float64(r.IntN(255)-127) / 2 * math.Exp2(float64(r.IntN(8))))
					case 3:
						x[i] = float32(r.NormFloat64() * math.Exp2(float64(r.IntN(60)-130)))
					}
					if x[i] > math.MaxFloat32 || x[i] < -math.MaxFloat32 {
						x[i] = 1
					}
				}
				if n > 0 && round%8 == 5 {
					x[r.IntN(n)] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}[r.IntN(3)]
				}
				var want ref.Act
				bad := want.Quantize(x)
				blocks := (n + 31) / 32
				q, d, sum := make([]int8, 32*blocks), make([]float32, blocks), make([]int16, 2*blocks)
				got, ok := Quantize(levels[v], q, d, sum, x)
				if !ok {
					if v != "generic" && Assembly {
						t.Fatal("no kernel")
					}
					continue
				}
				if got != bad {
					t.Fatalf("n=%d: got %d, want %d", n, got, bad)
				}
				if bad < 0 && (!slices.Equal(q, want.Q) || !slices.Equal(d, want.D) || !slices.Equal(sum, want.Sum)) {
					t.Fatalf("n=%d round %d: differs from ref", n, round)
				}
			}
		}
	})
}
