package tape

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// writeShipped writes the parameters over base, matrices as typ.
func writeShipped(t testing.TB, base *gguf.File, p *Params, typ quant.Type) string {
	t.Helper()
	l := gguf.Layout{KVs: base.KVs()}
	var data [][]byte
	for _, e := range p.Table {
		info := gguf.TensorInfo{Name: e.Name, Type: typ, Dims: base.Tensor(e.Name).Dims}
		if e.Rows == 1 {
			info.Type = quant.F32
		}
		n, _ := info.Type.RowBytes(e.Len())
		b := make([]byte, n)
		if err := quant.Encode(info.Type, b, p.Flat[e.Off:e.Off+e.Len()]); err != nil {
			t.Fatal(err)
		}
		l.Tensors, data = append(l.Tensors, info), append(data, b)
	}
	if r := base.Tensor("rope_freqs.weight"); r != nil {
		b, err := r.Data()
		if err != nil {
			t.Fatal(err)
		}
		l.Tensors, data = append(l.Tensors, gguf.TensorInfo{Name: r.Name, Type: r.Type, Dims: r.Dims}), append(data, b)
	}
	path := filepath.Join(t.TempDir(), "shipped.gguf")
	w, err := gguf.Create(path, l, true)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i, b := range data {
		if err := w.WriteAt(i, 0, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestShip: after a few steps the engine gives the shipped file the logits of the
// tape's last forward, to the bit, and the loss has fallen.
func TestShip(t *testing.T) {
	for name, spec := range graphs {
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0} {
			spec.Tokenizer = true
			f, b := open(t, spec), text(320, 300) // over a split of attention and several pages
			dev := New(newPool(t, 2), Options{Ship: &Ship{Type: func(string) quant.Type { return typ }, KV: quant.F16}})
			m, err := model.New(f, dev)
			if err != nil {
				t.Fatal(err)
			}
			p, err := dev.Params()
			if err != nil {
				t.Fatal(err)
			}
			var losses []float64
			var last []float32
			for range 4 {
				grad, loss := make([]float32, len(p.Flat)), 0.0
				last = last[:0]
				out, err := m.Run(b)
				if err == nil {
					err = dev.Head(out[0], 50, m.Head, func(lo, hi int, logits []float32) error {
						last = append(last, logits...)
						return crossEntropy(b.IDs, m.Hyper().Vocab, &loss)(lo, hi, logits)
					}, grad)
				}
				if err == nil {
					err = dev.Backward(grad)
				}
				if err != nil {
					t.Fatal(err)
				}
				if losses = append(losses, loss); len(losses) < 4 {
					for i, g := range grad {
						p.Flat[i] -= 0.1 * g
					}
				}
			}
			if !(losses[3] < 0.95*losses[0]) {
				t.Errorf("%s, %v: losses %v", name, typ, losses)
			}
			e, err := engine.Open(writeShipped(t, f, p, typ), engine.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			bad := 0
			err = e.Logits(context.Background(), b.IDs, func(pos int, logits []float32) error {
				if !slices.Equal(logits, last[pos*len(logits):(pos+1)*len(logits)]) {
					bad++
				}
				return nil
			})
			if err != nil || bad > 0 {
				t.Errorf("%s, %v: %d of 300 positions have other bits (%v)", name, typ, bad, err)
			}
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestShipGradient: where rounding is fine (Q8_0), gradients are those of float32
// training, but for the rounding; the same bits with any number of threads and with
// layers run again.
func TestShipGradient(t *testing.T) {
	f, b := open(t, graphs["qwen2"]), text(320, 70, 7)
	_, _, plain := gradient(t, f, 2, Options{}, b)
	ship := &Ship{KV: quant.F16}
	_, loss, want := gradient(t, f, 1, Options{Ship: ship}, b)
	ab, aa, bb := 0.0, 0.0, 0.0
	for i, g := range want {
		ab, aa, bb = ab+float64(g)*float64(plain[i]), aa+float64(g)*float64(g), bb+float64(plain[i])*float64(plain[i])
	}
	if cos, size := ab/math.Sqrt(aa*bb), math.Sqrt(aa/bb); !(cos > 0.995 && size > 0.98 && size < 1.02) {
		t.Errorf("cosine with the float32 gradient %v, length %v of it", cos, size)
	}
	for threads := 1; threads <= 3; threads++ {
		_, l, got := gradient(t, f, threads, Options{Ship: ship, Recompute: threads > 1}, b)
		if l != loss || !slices.Equal(got, want) {
			t.Errorf("%d threads: other bits", threads)
		}
	}
	// Frozen matrices are encoded too: the same loss, and the same gradient of the rest.
	dev, l, got := gradient(t, f, 2, Options{Ship: ship, Train: func(n string) bool { return strings.Contains(n, "ffn_up") }}, b)
	p, _ := dev.Params()
	whole := New(newPool(t, 1), Options{})
	if _, err := model.New(f, whole); err != nil {
		t.Fatal(err)
	}
	all, _ := whole.Params()
	for i, e := range p.Table {
		k := slices.IndexFunc(all.Table, func(a Param) bool { return a.Name == e.Name })
		if !slices.Equal(p.Of(got, i), all.Of(want, k)) {
			t.Errorf("%s alone: another gradient", e.Name)
		}
	}
	if l != loss || len(p.Table) != 2 {
		t.Errorf("%d parameters, loss %v, want %v", len(p.Table), l, loss)
	}
}

// TestShipRefusals: what no file can hold.
func TestShipRefusals(t *testing.T) {
	f := open(t, modeltest.Spec{})
	for want, o := range map[string]Options{
		"Q4_K has no encoder":      {Ship: &Ship{Type: func(string) quant.Type { return quant.Q4_K }}},
		"no part of a Q8_0 matrix": {Ship: &Ship{}, LoRA: LoRA{Rank: 2}},
	} {
		if _, err := model.New(f, New(newPool(t, 1), o)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	odd := open(t, modeltest.Spec{Hidden: 48, FFN: 40})
	_, err := model.New(odd, New(newPool(t, 1), Options{Ship: &Ship{}}))
	if err == nil || !strings.Contains(err.Error(), "no multiple of Q8_0's block") {
		t.Errorf("rows of 48: %v", err)
	}
	dev := New(newPool(t, 1), Options{Ship: &Ship{KV: quant.Q4_0}})
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Run(text(320, 5)); err == nil || !strings.Contains(err.Error(), "kv cache of type Q4_0") {
		t.Errorf("Q4_0 keys: %v", err)
	}
}
