package kernel

import (
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// TestScratch: what a thread keeps of packed panels, widened rows and gates is at
// most 1 MiB after products of 512 tokens with every type, rows of 14,336 columns
// included.
func TestScratch(t *testing.T) {
	const limit, tokens = 1 << 20, 512
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		if v == "generic" {
			return // it packs nothing, and would take minutes
		}
		r := rand.New(rand.NewPCG(3, 1))
		p := newPool(t, 2, v)
		x := make([]float32, tokens*14337)
		for i := range x {
			x[i] = float32(i%251 - 125)
		}
		multiply := func(typ quant.Type, rows, k int, f Fuse) {
			k = k / typ.Block() * typ.Block()
			m := randomMatrix(t, r, typ, rows, k)
			w := []quant.Matrix{m, m}[:1+min(1, int(f.GateUp))]
			if err := p.MatMul([]F32{newF32(tokens, rows)}, F32{tokens, k, x[:tokens*k]}, w, f); err != nil {
				t.Fatal(err)
			}
			for i, w := range p.workers {
				if n := w.bytes(); n > limit {
					t.Fatalf("thread %d holds %d bytes of scratch after %v of %d columns, limit %d", i, n, typ, k, limit)
				}
			}
		}
		for _, typ := range tableTypes {
			multiply(typ, 64, 256, Fuse{GateUp: SiLU})
			multiply(typ, 8, 14336, Fuse{})
			if typ.Block() == 1 {
				multiply(typ, 8, 14337, Fuse{}) // padded where kernels want steps of 16
			}
		}
		most := 0
		for _, w := range p.workers {
			most = max(most, w.bytes())
		}
		if most < 16<<10 {
			t.Errorf("%d bytes of scratch: not measured", most)
		}
		t.Logf("%d KiB of scratch a thread", most>>10)
	})
}

// bytes is what l has taken for products.
func (l *local) bytes() int {
	return cap(l.packed) + 4*(cap(l.f32)+cap(l.gate)+cap(l.up))
}
