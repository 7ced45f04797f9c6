package tape

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

func open(t testing.TB, s modeltest.Spec) *gguf.File {
	t.Helper()
	f, err := gguf.Open(modeltest.Write(t, s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// text is a batch of spans with pseudo-random ids and the loss Σ c·logits.
func text(vocab int, spans ...int) *model.Batch {
	b := &model.Batch{Want: backend.Hidden}
	for _, n := range spans {
		b.Seqs = append(b.Seqs, model.Span{N: n, Causal: true})
		for range n {
			b.IDs = append(b.IDs, int32((len(b.IDs)*len(b.IDs)*7+len(b.IDs)*13)%vocab))
		}
	}
	return b
}

// crossEntropy is the loss callback of the next id, over n rows.
func crossEntropy(ids []int32, vocab int, total *float64) func(lo, hi int, logits []float32) error {
	return func(lo, hi int, logits []float32) error {
		for r := lo; r < hi; r++ {
			x := logits[(r-lo)*vocab : (r-lo+1)*vocab]
			sum := 0.0
			for _, f := range x {
				sum += math.Exp(float64(f))
			}
			y := ids[(r+1)%len(ids)]
			*total -= float64(x[y]) - math.Log(sum)
			for i, f := range x {
				x[i] = float32(math.Exp(float64(f)) / sum / float64(len(ids)))
			}
			x[y] -= float32(1 / float64(len(ids)))
		}
		return nil
	}
}

// gradient is one step of a model: loss, gradient and peak memory.
func gradient(t testing.TB, f *gguf.File, threads int, o Options, b *model.Batch) (dev *Device, loss float64, grad []float32) {
	t.Helper()
	dev = New(newPool(t, threads), o)
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dev.Params()
	if err != nil {
		t.Fatal(err)
	}
	grad = make([]float32, len(p.Flat))
	for range 2 { // the second step meets used memory, full of NaN
		for _, list := range dev.ops.mem.free {
			for _, b := range list {
				for i := range b.data {
					b.data[i] = float32(math.NaN())
				}
			}
		}
		clear(grad)
		loss = 0
		out, err := m.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := dev.Head(out[0], 50, m.Head, crossEntropy(b.IDs, m.Hyper().Vocab, &loss), grad); err != nil {
			t.Fatal(err)
		}
		if err := dev.Backward(grad); err != nil {
			t.Fatal(err)
		}
	}
	return dev, loss, grad
}

var graphs = map[string]modeltest.Spec{
	"llama":  {Biases: true, RopeFactors: true, KVHeads: 1, Tied: true},
	"window": {Window: 20, Layers: 3},
	"qwen2":  {Arch: "qwen2", Tied: true, Biases: true},
	"qwen3":  {Arch: "qwen3", HeadDim: 64, Heads: 3, KVHeads: 3},
}

// TestBits: the same bits with 1, 2 and 3 threads and with the layers run again.
func TestBits(t *testing.T) {
	for name, spec := range graphs {
		for _, precision := range []Precision{FP32, BF16} {
			if precision == BF16 && name != "qwen2" {
				continue
			}
			f, b := open(t, spec), text(320, 70, 7)
			_, loss, want := gradient(t, f, 1, Options{Precision: precision}, b)
			for threads := 1; threads <= 3; threads++ {
				for _, recompute := range []bool{false, true} {
					_, l, got := gradient(t, f, threads, Options{Precision: precision, Recompute: recompute}, b)
					if l != loss || !slices.Equal(got, want) {
						t.Errorf("%s, precision %d: %d threads, recompute %v: other bits", name, precision, threads, recompute)
					}
				}
			}
		}
	}
}

// TestDirections: whole graphs against differences of the oracle's loss along
// random directions of all parameters.
func TestDirections(t *testing.T) {
	for name, spec := range graphs {
		f, b := open(t, spec), text(320, 33, 5)
		dev, loss, grad := gradient(t, f, 2, Options{}, b)
		ora := &oracle{}
		m, err := model.New(f, ora)
		if err != nil {
			t.Fatal(err)
		}
		eval := func() (sum float64) {
			b.Want = backend.Logits
			out, err := m.Run(b)
			if err != nil {
				t.Fatal(err)
			}
			v := m.Hyper().Vocab
			x := ora.num(out[0])
			for r := range b.IDs {
				z := 0.0
				for _, f := range x[r*v : (r+1)*v] {
					z += math.Exp(f)
				}
				sum += math.Log(z) - x[r*v+int(b.IDs[(r+1)%len(b.IDs)])]
			}
			b.Want = backend.Hidden
			return sum
		}
		if l := eval(); math.Abs(l-loss) > 1e-4*l {
			t.Errorf("%s: loss %v, want %v", name, loss, l)
		}
		p, _ := dev.Params()
		r := rand.New(rand.NewPCG(3, 4))
		const h = 1e-4
		for i, e := range p.Table { // one direction per parameter
			w := ora.w[i]
			if w.name != e.Name {
				t.Fatalf("%s is %s on the oracle", e.Name, w.name)
			}
			old, dir := slices.Clone(w.x), make([]float64, len(w.x))
			dot := 0.0
			for k := range dir {
				dir[k] = r.NormFloat64()
				dot += dir[k] * float64(p.Of(grad, i)[k]) * float64(len(b.IDs))
			}
			var side [2]float64
			for s, step := range []float64{h, -h} {
				for k := range dir {
					w.x[k] = old[k] + step*dir[k]
				}
				side[s] = eval()
			}
			copy(w.x, old)
			if want := (side[0] - side[1]) / (2 * h); !(math.Abs(dot-want) < 2e-3*(1+math.Abs(want))) {
				t.Errorf("%s: %s: derivative %v, want %v", name, e.Name, dot, want)
			}
		}
	}
}

// TestRecomputeMemory: at most 0.6 of the memory for activations.
func TestRecomputeMemory(t *testing.T) {
	f, b := open(t, modeltest.Spec{Arch: "qwen2", Tied: true, Layers: 8, Hidden: 64, FFN: 192}), text(320, 80, 70)
	whole, _, _ := gradient(t, f, 2, Options{}, b)
	again, _, _ := gradient(t, f, 2, Options{Recompute: true}, b)
	if r := float64(again.PeakBytes()) / float64(whole.PeakBytes()); !(r <= 0.6) {
		t.Errorf("%d bytes with recompute, %d without: %.2f", again.PeakBytes(), whole.PeakBytes(), r)
	} else {
		t.Logf("%d of %d bytes: %.2f", again.PeakBytes(), whole.PeakBytes(), r)
	}
}

// TestLoRA: with W' = W + s·B·A written into a full model, dA = s·Bᵀ·dW' and
// dB = s·dW'·Aᵀ; frozen weights are not in Flat.
func TestLoRA(t *testing.T) {
	spec := graphs["qwen2"]
	f, b := open(t, spec), text(320, 40, 20)
	match := func(name string) bool {
		return strings.Contains(name, "attn_q.w") || strings.Contains(name, "ffn_") || name == "token_embd.weight"
	}
	for _, recompute := range []bool{false, true} {
		low := New(newPool(t, 2), Options{Recompute: recompute, LoRA: LoRA{Rank: 3, Alpha: 6, Match: match}})
		m, err := model.New(f, low)
		if err != nil {
			t.Fatal(err)
		}
		full := New(newPool(t, 2), Options{})
		mf, err := model.New(f, full)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := low.Params()
		pf, _ := full.Params()
		if len(p.Table) != 2*(4*2+1) {
			t.Fatalf("%d parameters, want two for the embedding and each of 4 matrices in 2 layers", len(p.Table))
		}
		of := map[string]int{}
		for i, e := range pf.Table {
			of[e.Name] = i
		}
		r := rand.New(rand.NewPCG(5, 6))
		for i := 0; i < len(p.Table); i += 2 {
			a, bb := p.Of(p.Flat, i), p.Of(p.Flat, i+1)
			w := pf.Of(pf.Flat, of[strings.TrimSuffix(p.Table[i].Name, ".lora_a")])
			cols := p.Table[i].Cols
			for k := range bb {
				if bb[k] != 0 {
					t.Fatalf("%s starts at %v", p.Table[i+1].Name, bb[k])
				}
				bb[k] = float32(r.NormFloat64() * 0.1)
			}
			for k := range w {
				for j := range 3 {
					w[k] += 2 * bb[k/cols*3+j] * a[j*cols+k%cols]
				}
			}
		}
		run := func(d *Device, m *model.Model, n int) ([]float32, float64) {
			grad, loss := make([]float32, n), 0.0
			out, err := m.Run(b)
			if err == nil {
				err = d.Head(out[0], 64, m.Head, crossEntropy(b.IDs, 320, &loss), grad)
			}
			if err == nil {
				err = d.Backward(grad)
			}
			if err != nil {
				t.Fatal(err)
			}
			return grad, loss
		}
		got, loss := run(low, m, len(p.Flat))
		want, lossFull := run(full, mf, len(pf.Flat))
		if math.Abs(loss-lossFull) > 1e-4*lossFull {
			t.Errorf("loss %v, want %v", loss, lossFull)
		}
		for i := 0; i < len(p.Table); i += 2 {
			e := p.Table[i]
			name := strings.TrimSuffix(e.Name, ".lora_a")
			dw := pf.Of(want, of[name])
			a, bb := p.Of(p.Flat, i), p.Of(p.Flat, i+1)
			da, db := make([]float32, len(a)), make([]float32, len(bb))
			for k, g := range dw {
				for j := range 3 {
					da[j*e.Cols+k%e.Cols] += 2 * bb[k/e.Cols*3+j] * g
					db[k/e.Cols*3+j] += 2 * a[j*e.Cols+k%e.Cols] * g
				}
			}
			closeTo(t, e.Name, p.Of(got, i), da, 2e-6)
			closeTo(t, p.Table[i+1].Name, p.Of(got, i+1), db, 2e-6)
		}
	}
}

// TestFreeze: what is trained has the gradient it has in a full step.
func TestFreeze(t *testing.T) {
	f, b := open(t, graphs["qwen2"]), text(320, 40, 20)
	full, _, want := gradient(t, f, 2, Options{}, b)
	pf, _ := full.Params()
	for _, recompute := range []bool{false, true} {
		some, _, got := gradient(t, f, 2, Options{Recompute: recompute, Train: func(n string) bool { return strings.HasPrefix(n, "blk.1.ffn") }}, b)
		p, _ := some.Params()
		if len(p.Table) != 4 {
			t.Fatalf("%d parameters", len(p.Table))
		}
		for i, e := range p.Table {
			for k, ef := range pf.Table {
				if ef.Name == e.Name && !slices.Equal(p.Of(got, i), pf.Of(want, k)) {
					t.Errorf("%s: other bits than in a full step", e.Name)
				}
			}
		}
	}
}

// TestEval: no record, the same loss, no memory left in use.
func TestEval(t *testing.T) {
	f, b := open(t, graphs["llama"]), text(320, 40, 20)
	_, want, _ := gradient(t, f, 2, Options{}, b)
	m, err := model.New(f, New(newPool(t, 2), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	dev := m.Device().(*Device)
	in, _, err := m.Bind(b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := dev.Eval(in, func(o backend.Ops) ([]backend.Tensor, error) { return m.Forward(o, in) })
	if err != nil {
		t.Fatal(err)
	}
	loss := 0.0
	if err := dev.Head(out[0], 50, m.Head, crossEntropy(b.IDs, 320, &loss), nil); err != nil {
		t.Fatal(err)
	}
	if loss != want {
		t.Errorf("loss %v, want %v", loss, want)
	}
	if err := dev.Backward(make([]float32, dev.size)); err == nil {
		t.Error("backward after Eval")
	}
	dev.Close()
	if dev.ops.mem.used != 0 {
		t.Errorf("%d floats in use", dev.ops.mem.used)
	}
}

func TestErrors(t *testing.T) {
	dev := New(newPool(t, 1), Options{})
	w, err := dev.Weight("w", f32Matrix(t, 2, 3, make([]float32, 6)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := dev.Weight("v", f32Matrix(t, 1, 3, make([]float32, 3)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dev.Weight("w", f32Matrix(t, 1, 3, make([]float32, 3))); err == nil {
		t.Error("a repeated name passed")
	}
	if _, err := dev.Weight("short", quant.Matrix{Type: quant.F32, Rows: 2, Cols: 2, Data: make([]byte, 12)}); err == nil {
		t.Error("a short matrix passed")
	}
	if _, err := dev.KV(backend.KVSpec{}); err == nil {
		t.Error("a KV store was made")
	}
	if err := dev.Backward(nil); err == nil {
		t.Error("backward before a step")
	}
	x := make([]float32, 12)
	for name, f := range map[string]func(o backend.Ops, x backend.Tensor) backend.Tensor{
		"columns": func(o backend.Ops, x backend.Tensor) backend.Tensor { return o.Linear(o.Linear(x, w, nil), w, nil) },
		"vector":  func(o backend.Ops, x backend.Tensor) backend.Tensor { return o.RMSNorm(x, w, 1e-5) },
		"weight":  func(o backend.Ops, x backend.Tensor) backend.Tensor { return o.RMSNorm(x, &oracleWeight{}, 1e-5) },
		"id":      func(o backend.Ops, _ backend.Tensor) backend.Tensor { return o.Embed(w, []int32{2}) },
		"row":     func(o backend.Ops, x backend.Tensor) backend.Tensor { return o.Rows(x, []int32{4}) },
		"shape":   func(o backend.Ops, x backend.Tensor) backend.Tensor { return o.Add(x, o.Rows(x, []int32{0})) },
		"strange": func(o backend.Ops, _ backend.Tensor) backend.Tensor {
			return o.RMSNorm(backend.Tensor{Rows: 1, Cols: 3}, v, 0)
		},
		"views": func(o backend.Ops, x backend.Tensor) backend.Tensor {
			return o.Attend(0, x, x, x, causal(3), backend.Mask{QHeads: 1})
		},
		"heads": func(o backend.Ops, x backend.Tensor) backend.Tensor {
			return o.Attend(0, x, x, x, causal(4), backend.Mask{QHeads: 2})
		},
		"later start": func(o backend.Ops, x backend.Tensor) backend.Tensor {
			return o.Attend(0, x, x, x, []backend.KVView{{Start: 1, N: 4}}, backend.Mask{QHeads: 1})
		},
		"activation": func(o backend.Ops, x backend.Tensor) backend.Tensor {
			return o.GateUp(x, w, w, [2]backend.Weight{}, backend.NoAct)
		},
		"consumed": func(o backend.Ops, x backend.Tensor) backend.Tensor {
			o.RoPE(x, 3, backend.NewRope([]float64{1}, 1, true))
			return o.Softmax(o.Softmax(x))
		},
	} {
		in := &backend.Inputs{Embeds: backend.Tensor{Rows: 4, Cols: 3, Data: x}, Positions: make([]int32, 4)}
		_, err := dev.Step(backend.StepKey{}, in, func(o backend.Ops) ([]backend.Tensor, error) { return []backend.Tensor{f(o, o.Input())}, nil })
		if err == nil || !strings.HasPrefix(err.Error(), "tape: ") && !strings.HasPrefix(err.Error(), "kernel: ") {
			t.Errorf("%s: error %v", name, err)
		}
		if dev.ops.mem.used != 0 {
			t.Errorf("%s: %d floats still in use", name, dev.ops.mem.used)
		}
	}
	if _, err := dev.Weight("late", f32Matrix(t, 1, 3, make([]float32, 3))); err == nil {
		t.Error("a weight after the first step passed")
	}
	f, b := open(t, graphs["llama"]), text(320, 9)
	m, err := model.New(f, New(newPool(t, 1), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	d := m.Device().(*Device)
	out, err := m.Run(b)
	if err != nil {
		t.Fatal(err)
	}
	sorry := fmt.Errorf("no")
	grad := make([]float32, d.size)
	if err := d.Head(out[0], 4, m.Head, func(int, int, []float32) error { return sorry }, grad); err == nil {
		t.Error("the loss's error was lost")
	}
	if err := d.Backward(grad); err == nil {
		t.Error("backward after an error")
	}
	if d.ops.mem.used != 0 {
		t.Errorf("%d floats still in use", d.ops.mem.used)
	}
}
