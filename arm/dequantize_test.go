package arm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

func TestDequantize(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(6, 6))
		for _, typ := range append([]quant.Type{quant.F16, quant.BF16, quant.IQ4_XS}, integerTypes...) {
			for _, n := range []int{0, 1, 3, 31} {
				cols := n * max(32, typ.Block())
				for _, kind := range kinds {
					row := weights(t, r, typ, 1, cols, kind).Data
					want, y := make([]float32, cols), kerneltest.GuardedF32(t, cols)
					if err := quant.Decode(typ, want, row); err != nil {
						t.Fatal(err)
					}
					if !Dequantize(l, y, typ, row) {
						t.Fatalf("%v: no kernel", typ)
					}
					for i := range want { // payloads of NaN apart
						if want[i] == want[i] || y[i] == y[i] {
							sameBits(t, fmt.Sprintf("%v, n=%d, %s, from %d on", typ, cols, kind, i), y[i:i+1], want[i:i+1])
						}
					}
				}
			}
		}
		if Dequantize(l, make([]float32, 256), quant.TQ2_0, make([]byte, 66)) {
			t.Error("TQ2_0 has a kernel")
		}
	})
}
