package arm

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

func TestDequantize(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(6, 6))
		for _, typ := range append([]quant.Type{quant.F16, quant.BF16}, integerTypes...) {
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
		if Dequantize(l, make([]float32, 256), quant.IQ4_XS, make([]byte, 136)) {
			t.Error("IQ4_XS has no kernel")
		}
	})
}

func TestEncode(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(7, 7))
		for _, typ := range []quant.Type{quant.Q8_0, quant.F16} {
			for _, scale := range []float32{1, 0, 1e-30, 1e-38, 1e-40, 1e-43, 6e4, 1e10, 3e37} {
				for _, n := range []int{0, 32, 64, 96, 992} {
					x := kerneltest.GuardedF32(t, n)
					for i := range x {
						x[i] = float32(r.NormFloat64()) * scale
						switch r.IntN(8) {
						case 0: // half way between two codes of a block with absmax 127
							x[i] = (float32(r.IntN(254)-127) + 0.5) * scale
						case 1:
							x[i] = 127 * scale
						case 2:
							x[i] = float32(math.Copysign(0, -1))
						}
						if math.IsInf(float64(x[i]), 0) {
							x[i] = scale
						}
					}
					size, _ := typ.RowBytes(n)
					want, row := make([]byte, size), kerneltest.Guarded(t, size)
					if err := quant.Encode(typ, want, x); err != nil {
						t.Fatal(err)
					}
					if !Encode(l, row, typ, x) {
						t.Fatalf("%v: no kernel", typ)
					}
					if !bytes.Equal(row, want) {
						t.Fatalf("%v, n=%d, scale %v: got %x, want %x", typ, n, scale, row, want)
					}
				}
			}
		}
		if Encode(l, make([]byte, 18), quant.Q4_0, make([]float32, 32)) {
			t.Error("Q4_0 has no kernel")
		}
	})
}
