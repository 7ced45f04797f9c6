package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// TestNoFallback: where there is assembly no product of a type that a model may have
// and no attention runs in plain Go, whatever the columns and the head dimension; and
// such attention has plain Go's bits.
func TestNoFallback(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		if v == "generic" {
			t.Skip("plain Go is what it is")
		}
		r := rand.New(rand.NewPCG(1, 1))
		p, plain := newPool(t, 2, v), newPool(t, 1, "generic")
		for _, typ := range tableTypes {
			for _, k := range []int{typ.Block(), 3 * typ.Block(), 588 / typ.Block() * typ.Block(), 11 * 256} {
				for _, tokens := range []int{1, 2, 5, 40} {
					for _, rows := range []int{1, 3, 37} {
						if k == 0 {
							continue
						}
						m, y := randomMatrix(t, r, typ, rows, k), newF32(tokens, rows)
						if err := p.MatMul([]F32{y}, randomF32(r, tokens, k), []quant.Matrix{m}, Fuse{}); err != nil {
							t.Fatal(err)
						}
						if n := p.act.needs; n.pairs || n.quads || n.wide {
							t.Errorf("%v [%d, %d] by %d tokens: by plain Go, %+v", typ, rows, k, tokens, n)
						}
					}
				}
			}
		}
		for _, dim := range []int{1, 8, 64, 72, 100, 128, 4096} {
			for _, typ := range []quant.Type{quant.F32, quant.F16} {
				s := newSequence(t, p, r, typ, 2, dim, 330, 330)
				q := randomF32(r, 9, 4*dim)
				y, want := newF32(9, 4*dim), newF32(9, 4*dim)
				m := Mask{Scale: 0.2, QHeads: 4, Window: 300}
				for p, y := range map[*Pool]F32{p: y, plain: want} {
					if err := p.Attend(y, q, []KVPages{s.at(321, 9)}, m); err != nil {
						t.Fatal(err)
					}
				}
				equalBits(t, fmt.Sprintf("heads of %d", dim), y.Data, want.Data)
				if !p.attn.fast {
					t.Errorf("heads of %d: by plain Go", dim)
				}
			}
		}
	})
}
