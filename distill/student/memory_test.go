package student

import (
	"math"
	"testing"

	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestMemory compares the plan of the tape's tensors with what a tape took, over
// shapes in which the head, a layer's end or its backward is the peak.
func TestMemory(t *testing.T) {
	pool, err := kernel.New(kernel.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	for _, c := range []struct {
		s modeltest.Spec
		t Training
	}{
		{modeltest.Spec{Arch: "qwen2", Layers: 3, Vocab: 2048, Tied: true}, Training{Rows: 2, Length: 64}},
		{modeltest.Spec{Arch: "qwen2", Layers: 3, Vocab: 2048}, Training{Rows: 2, Length: 64, Recompute: true}},
		{modeltest.Spec{Arch: "llama", Layers: 3, FFN: 512}, Training{Rows: 2, Length: 64, Chunk: 16}},
		{modeltest.Spec{Arch: "llama", Layers: 3, FFN: 512}, Training{Rows: 2, Length: 64, Chunk: 16, Recompute: true}},
		{modeltest.Spec{Arch: "llama", Layers: 1, Hidden: 256}, Training{Rows: 1, Length: 96, Chunk: 16}},
		{modeltest.Spec{Arch: "llama", Layers: 4, Hidden: 256, Heads: 8, KVHeads: 8}, Training{Rows: 1, Length: 96, Chunk: 32, Recompute: true}},
		{modeltest.Spec{Arch: "qwen3", Layers: 2, Hidden: 128}, Training{Rows: 2, Length: 40}},
	} {
		f, h := open(t, modeltest.Write(t, c.s))
		dev := tape.New(pool, tape.Options{Recompute: c.t.Recompute})
		m, err := model.New(f, dev)
		if err != nil {
			t.Fatal(err)
		}
		p, err := dev.Params()
		if err != nil {
			t.Fatal(err)
		}
		if err := step(pool, dev, m, c.t, make([]float32, len(p.Flat))); err != nil {
			t.Fatal(err)
		}
		plan := c.t.Memory(h, Has(f, h.Arch), ShapeOf(h))
		if off := float64(plan.Tensors)/float64(dev.PeakBytes()) - 1; math.Abs(off) > 0.05 {
			t.Errorf("%+v %+v: planned %d bytes of tensors, took %d (%+.1f %%)", c.s, c.t, plan.Tensors, dev.PeakBytes(), 100*off)
		}
		n := 0
		for _, e := range p.Table {
			n += e.Len()
		}
		if _, all := ShapeOf(h).Params(h, Has(f, h.Arch)); all != n || plan.Parameters != 4*int64(n) {
			t.Errorf("%d parameters, counted %d", n, all)
		}
	}
}
