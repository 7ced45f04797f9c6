package x86

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

func TestStrips(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l, r := levels[v], rand.New(rand.NewPCG(9, 9))
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			for _, k := range []int{16, 17, 31, 64, 100, 8136} {
				for _, shape := range [][2]int{{32, 32}, {33, 33}, {40, 34}, {64, 35}, {97, 40}, {32, 44}} {
					rows, tokens := shape[0], shape[1]
					if k > 1000 && rows+tokens != 66 { // rows and tokens that fit no tile
						continue
					}
					count := StripFloats(l, typ, tokens, k)
					if count == 0 {
						if v == "avx512" || v == "avx2" && Assembly && k%16 == 0 {
							t.Fatalf("no kernel for %v of %d", typ, k)
						}
						continue
					}
					n, _ := typ.RowBytes(k)
					w, x := kerneltest.Guarded(t, rows*n), values(t, r, tokens*k)
					if err := quant.Encode(typ, w, values(t, r, rows*k)); err != nil {
						t.Fatal(err)
					}
					packed := kerneltest.GuardedF32(t, count)
					quads := (tokens + 3) / 4
					PackStrips(l, packed, x, tokens, k, 0, quads/2)
					PackStrips(l, packed, x, tokens, k, quads/2, quads)
					buf := make([]byte, StripBytes(k)+63)
					if StripBytes(k) > 1<<20 {
						t.Errorf("%d bytes of scratch for rows of %d", StripBytes(k), k)
					}
					scratch := buf[-uintptr(unsafe.Pointer(&buf[0]))&63:][:StripBytes(k)]
					stride := rows + r.IntN(2)
					y := kerneltest.GuardedF32(t, (tokens-1)*stride+rows)
					if !Strips(l, y, stride, typ, w, rows, packed, tokens, k, scratch) {
						t.Fatal("no kernel after all")
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
