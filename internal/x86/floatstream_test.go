package x86

import (
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// TestFloatsOneToken has rows that are read one by one and longer ones that are
// read side by side, with and without an odd step and a last one of under 16.
func TestFloatsOneToken(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(5, 5))
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			for _, k := range []int{3, 16, 31, 32, 896, 1015, 1024, 1025, 1040, 1056, 1063} {
				for _, rows := range []int{16, 17, 40} {
					n, _ := typ.RowBytes(k)
					w := kerneltest.Guarded(t, rows*n)
					if err := quant.Encode(typ, w, values(t, r, rows*k)); err != nil {
						t.Fatal(err)
					}
					x, y := values(t, r, k), kerneltest.GuardedF32(t, rows)
					if !Floats(levels[v], y, rows, typ, w, rows, x, 1) {
						if (v == "avx512" || v == "avx2" && k%16 == 0) && Assembly {
							t.Fatalf("no kernel for %v", typ)
						}
						continue
					}
					for i, got := range y {
						if want := dot(floatRow(typ, w[i*n:(i+1)*n], k), x); bitsDiffer(got, want) {
							t.Fatalf("%v k=%d, %d rows: row %d: got %x, want %x", typ, k, rows, i, got, want)
						}
					}
				}
			}
		}
	})
}
