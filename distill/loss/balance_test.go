package loss

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/kernel"
)

// TestBalanceGolden: losses and gradients of both forms, the counts of the whole
// batch first; then its micro-batches, which are ranges of the second axis.
func TestBalanceGolden(t *testing.T) {
	pool := newPool(t, 2, "")
	for name, top := range map[string]int{"moe_switch": 1, "moe_hf": 2} {
		cases, arrays := goldens(t, name)
		for _, g := range cases {
			x := arrays[g.Case+".router_logits"]
			layers, batch, tokens, experts := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
			part := func(data []float32, layer, lo, hi int) kernel.F32 {
				at, n := (layer*batch+lo)*tokens, (hi-lo)*tokens
				return kernel.F32{Rows: n, Cols: experts, Data: slices.Clone(data[at*experts : (at+n)*experts])}
			}
			mask := make([]bool, batch*tokens)
			for i, v := range arrays[g.Case+".mask"].U8 {
				mask[i] = v != 0
			}
			b := &Balance{Top: top}
			for l := range layers {
				p := part(x.F32, l, 0, batch)
				pool.Softmax(p)
				if err := b.Count(p, mask); err != nil {
					t.Fatal(err)
				}
			}
			if b.rows != g.N {
				t.Errorf("%s %s: %d rows, want %d", name, g.Case, b.rows, g.N)
			}
			if d := math.Abs(b.Loss() - g.LossF64); !(d <= g.LossTol) {
				t.Errorf("%s %s: loss %v, want %v", name, g.Case, b.Loss(), g.LossF64)
			}
			for e, f := range arrays[g.Case+".f"].F32 {
				if d := math.Abs(b.Share()[e] - float64(f)); !(d < 1e-6) {
					t.Errorf("%s %s: share of expert %d is %v, want %v", name, g.Case, e, b.Share()[e], f)
				}
			}
			for i, m := range g.Micro {
				loss := 0.0
				for l := range layers {
					z := part(x.F32, l, m[0], m[1])
					v, err := b.Rows(pool, z, mask[m[0]*tokens:m[1]*tokens], 1)
					if err != nil {
						t.Fatal(err)
					}
					loss += v
					want := part(arrays[g.Case+".grad.router_logits"].F32, l, m[0], m[1])
					for k, v := range z.Data {
						if d := math.Abs(float64(v - want.Data[k])); !(d <= g.GradTol) {
							t.Fatalf("%s %s: gradient %v, want %v", name, g.Case, v, want.Data[k])
						}
					}
				}
				if d := math.Abs(loss - g.MicroLoss[i]); !(d <= g.LossTol) {
					t.Errorf("%s %s: micro-batch %d: loss %v, want %v", name, g.Case, i, loss, g.MicroLoss[i])
				}
			}
			b.Reset()
			if b.Loss() != 0 {
				t.Error("a loss after Reset")
			}
		}
	}
}

func TestBalanceRefuses(t *testing.T) {
	pool := newPool(t, 1, "")
	m := func(rows, cols int) kernel.F32 {
		return kernel.F32{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
	}
	for want, f := range map[string]func() error{
		"0 of 4 experts":             func() error { return (&Balance{}).Count(m(2, 4), nil) },
		"5 of 4 experts":             func() error { return (&Balance{Top: 5}).Count(m(2, 4), nil) },
		"mask of 3 for [2, 4]":       func() error { return (&Balance{Top: 1}).Count(m(2, 4), make([]bool, 3)) },
		"the layers before have 4":   func() error { b := &Balance{Top: 1}; _ = b.Count(m(2, 4), nil); return b.Count(m(2, 3), nil) },
		"0 experts and 0 rows were ": func() error { _, err := (&Balance{Top: 1}).Rows(pool, m(2, 4), nil, 1); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
