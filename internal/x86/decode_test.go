package x86

import (
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

func TestDequantize(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(6, 6))
		for _, k := range []int{0, 32, 64, 896, 32800} {
			row := matrix(t, r, quant.Q8_0, 1, k)
			y, want := kerneltest.GuardedF32(t, k), make([]float32, k)
			if err := quant.Decode(quant.Q8_0, want, row); err != nil {
				t.Fatal(err)
			}
			if Dequantize(levels[v], y, quant.Q8_0, row) {
				sameBits(t, "values", y, want)
			} else if v != "generic" && Assembly {
				t.Fatal("no kernel")
			}
		}
	})
}
