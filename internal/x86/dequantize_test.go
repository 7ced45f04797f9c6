package x86

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

var dequantized = []quant.Type{quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q2_K, quant.Q3_K,
	quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.IQ4_NL, quant.IQ4_XS}

// TestDequantize: any bytes, so scales of either sign, zero, subnormal, infinite and
// NaN; and every half as the scale of the first block.
func TestDequantize(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(6, 6))
		check := func(typ quant.Type, row []byte, k int) {
			t.Helper()
			y, want := kerneltest.GuardedF32(t, k), make([]float32, k)
			if err := quant.Decode(typ, want, row); err != nil {
				t.Fatal(err)
			}
			if Dequantize(levels[v], y, typ, row) {
				sameBits(t, typ.String(), y, want)
			} else if v != "generic" && Assembly {
				t.Fatalf("%v: no kernel", typ)
			}
		}
		for _, typ := range dequantized {
			for _, n := range []int{0, 1, 2, 3, 15, 16, 17, 33, mathLong/typ.Block() + 3} {
				for range 3 {
					k := n * typ.Block()
					size, _ := typ.RowBytes(k)
					row := kerneltest.Guarded(t, size)
					for i := range row {
						row[i] = byte(r.Uint32())
					}
					check(typ, row, k)
					if size > 0 {
						check(typ, matrix(t, r, typ, 1, k), k)
					}
				}
			}
		}
		if Dequantize(levels[v], make([]float32, 256), quant.TQ2_0, make([]byte, 66)) {
			t.Error("TQ2_0 has a kernel")
		}
	})
}

// BenchmarkDequantize counts the bytes of float32 that are written, plain Go beside.
func BenchmarkDequantize(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	y := make([]float32, 4096)
	for _, typ := range dequantized {
		row := matrix(b, r, typ, 1, len(y))
		b.Run(fmt.Sprintf("%v/go", typ), func(b *testing.B) {
			b.SetBytes(int64(4 * len(y)))
			for b.Loop() {
				_ = quant.Decode(typ, y, row)
			}
		})
		for _, name := range kernels() {
			b.Run(fmt.Sprintf("%v/%s", typ, name), func(b *testing.B) {
				b.SetBytes(int64(4 * len(y)))
				for b.Loop() {
					Dequantize(levels[name], y, typ, row)
				}
			})
		}
	}
}
