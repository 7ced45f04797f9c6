package tape

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

func newPool(t testing.TB, threads int) *kernel.Pool {
	t.Helper()
	p, err := kernel.New(kernel.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// trace is a folder of goldens/train.
type trace struct {
	info struct {
		T     float64
		LR    float64
		Decay float64 `json:"weight_decay"`
		Clip  float64 `json:"clip_grad_norm"`
		KL    string  `json:"kl_reduction"`
		Steps []struct {
			Loss float64
			Norm float64 `json:"grad_norm"`
		}
		Params map[string][]int
	}
	init  map[string][]float32
	steps map[string]*testdata.Array
}

func readTrace(t *testing.T, name string) *trace {
	t.Helper()
	dir := testdata.Shared(t, "goldens", "train", name)
	tr := &trace{init: map[string][]float32{}}
	b, err := os.ReadFile(filepath.Join(dir, "info.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &tr.info); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(filepath.Join(dir, "init.safetensors")); err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	head := map[string]json.RawMessage{}
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	for k, raw := range head {
		var e struct {
			Off [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &e); k == "__metadata__" || err != nil {
			continue
		}
		data := b[8+int(n):][e.Off[0]:e.Off[1]]
		x := make([]float32, len(data)/4)
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		tr.init[k] = x
	}
	tr.steps = testdata.NPZ(t, filepath.Join(dir, "trace.npz"))
	return tr
}

func (tr *trace) f32(step int, key string) []float32 {
	return tr.steps[fmt.Sprintf("step%d.%s", step, key)].F32
}
func (tr *trace) i64(step int, key string) []int64 {
	return tr.steps[fmt.Sprintf("step%d.%s", step, key)].I64
}

// hinton turns logits into the gradient of T²·KL(teacher ‖ student)/nKL + CE/n
// and returns the rows' share of the loss.
func hinton(logits, teacher []float32, target []int64, temp float64, nKL, n int) (loss float64) {
	v := len(logits) / len(target)
	soft := func(x []float32, temp float64) (logp []float64) {
		sum := 0.0
		for _, f := range x {
			sum += math.Exp(float64(f) / temp)
		}
		for _, f := range x {
			logp = append(logp, float64(f)/temp-math.Log(sum))
		}
		return logp
	}
	for r, y := range target {
		s := logits[r*v : (r+1)*v]
		p, q, q1 := soft(teacher[r*v:(r+1)*v], temp), soft(s, temp), soft(s, 1)
		loss -= q1[y] / float64(n)
		for i := range s {
			loss += temp * temp * math.Exp(p[i]) * (p[i] - q[i]) / float64(nKL)
			g := math.Exp(q1[i])
			if int64(i) == y {
				g--
			}
			s[i] = float32(g/float64(n) + temp*(math.Exp(q[i])-math.Exp(p[i]))/float64(nKL))
		}
	}
	return loss
}

// closeTo compares with the goldens' tolerance.
func closeTo(t *testing.T, label string, got, want []float32, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", label, len(got), len(want))
	}
	worst, at := 0.0, 0
	for i, g := range got {
		if d := math.Abs(float64(g) - float64(want[i])); !(d <= worst) {
			worst, at = d, i
		}
	}
	if !(worst <= tol) {
		t.Errorf("%s: value %d is %v, want %v", label, at, got[at], want[at])
	}
}

// writeGGUF writes the parameters of a trace as a model file.
func (tr *trace) writeGGUF(t *testing.T, name string, h arch.Dims, theta, eps float32) *gguf.File {
	t.Helper()
	a, _ := arch.Lookup(name)
	u := func(k string, v int) gguf.KV {
		return gguf.KV{Key: arch.Key(k, name), Value: gguf.Uint32(uint32(v))}
	}
	l := gguf.Layout{KVs: []gguf.KV{
		{Key: arch.KeyArch, Value: gguf.String(name)},
		u(arch.KeyLayers, h.Layers), u(arch.KeyHidden, h.Hidden), u(arch.KeyFFN, h.FFN), u(arch.KeyHeads, h.Heads), u(arch.KeyKVHeads, h.KVHeads),
		u(arch.KeyContext, 64), u(arch.KeyHeadDim, h.HeadDim), u(arch.KeyValueDim, h.HeadDim), u(arch.KeyRot, h.HeadDim),
		{Key: arch.Key(arch.KeyEps, name), Value: gguf.Float32(eps)}, {Key: arch.Key(arch.KeyTheta, name), Value: gguf.Float32(theta)},
	}}
	var data [][]float32
	for _, n := range a.Expand(arch.Dims{Layers: h.Layers}) {
		x, ok := tr.init["m."+n.HFName]
		if !ok {
			continue
		}
		i := gguf.TensorInfo{Name: n.Name, Type: quant.F32}
		shape := n.Shape(h)
		for k := range shape {
			i.Dims = append(i.Dims, uint64(shape[len(shape)-1-k]))
		}
		l.Tensors, data = append(l.Tensors, i), append(data, x)
	}
	if len(data) != len(tr.init) {
		t.Fatalf("%d of %d tensors have a name in %s", len(data), len(tr.init), name)
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	w, err := gguf.Create(path, l, true)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i, x := range data {
		b := make([]byte, 4*len(x))
		if err := quant.Encode(quant.F32, b, x); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteAt(i, 0, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// compareParams holds the parameters against those after a step. Elements marked
// loose have a gradient of rounding noise, which Adam blows up to a whole step.
func (tr *trace) compareParams(t *testing.T, step int, name string, got []float32) {
	t.Helper()
	want := tr.f32(step, "param."+name)
	loose := tr.steps["loose."+name]
	for i, g := range got {
		tol := 5e-6
		if loose != nil && loose.U8[i] != 0 {
			tol = 2 * tr.info.LR * float64(step+1)
		}
		if d := math.Abs(float64(g) - float64(want[i])); !(d <= tol) {
			t.Errorf("step %d: %s: value %d is %v, want %v", step, name, i, g, want[i])
			return
		}
	}
}

// TestGoldenQwen2 runs runtime/model's graph and AdamW: logits, loss, every
// gradient, its norm and the parameters of three steps, whole and with the layers
// run again.
func TestGoldenQwen2(t *testing.T) {
	tr := readTrace(t, "qwen2_micro_adamw_clip")
	f := tr.writeGGUF(t, "qwen2", arch.Dims{Hidden: 32, FFN: 64, Heads: 2, KVHeads: 1, HeadDim: 16, Vocab: 96, Layers: 2}, 10000, 1e-6)
	a, _ := arch.Lookup("qwen2")
	hf := map[string]string{}
	for _, n := range a.Expand(arch.Dims{Layers: 2}) {
		hf[n.Name] = "m." + n.HFName
	}
	for _, recompute := range []bool{false, true} {
		dev := New(newPool(t, 2), Options{Recompute: recompute})
		m, err := model.New(f, dev)
		if err != nil {
			t.Fatal(err)
		}
		p, err := dev.Params()
		if err != nil {
			t.Fatal(err)
		}
		var table []optim.Param
		for _, e := range p.Table {
			table = append(table, optim.Param(e))
		}
		groups, err := optim.Groups(table, optim.Rules{DecayVectors: true})
		if err != nil {
			t.Fatal(err)
		}
		pool, adam := newPool(t, 2), optim.Options{Decoupled: true, Decay: tr.info.Decay}
		state := optim.NewState(0, len(p.Flat))
		for step := range 3 {
			b := &model.Batch{Seqs: []model.Span{{N: 9, Causal: true}, {N: 9, Causal: true}}, Want: backend.Hidden}
			for i, id := range tr.i64(step, "x") {
				b.IDs = append(b.IDs, int32(id))
				if i%9 < 8 {
					b.Rows = append(b.Rows, int32(i))
				}
			}
			out, err := m.Run(b)
			if err != nil {
				t.Fatal(err)
			}
			grad, loss := make([]float32, len(p.Flat)), 0.0
			err = dev.Head(out[0], 5, m.Head, func(lo, hi int, logits []float32) error {
				closeTo(t, "logits", logits, tr.f32(step, "logits")[lo*96:hi*96], 1e-5)
				loss += hinton(logits, tr.f32(step, "teacher_logits")[lo*96:hi*96], tr.i64(step, "targets")[lo:hi], tr.info.T, 16, 16)
				return nil
			}, grad)
			if err != nil {
				t.Fatal(err)
			}
			if err := dev.Backward(grad); err != nil {
				t.Fatal(err)
			}
			if d := math.Abs(loss - tr.info.Steps[step].Loss); !(d < 1e-5) {
				t.Errorf("step %d: loss %v, want %v", step, loss, tr.info.Steps[step].Loss)
			}
			norm := optim.Norm(pool, grad, groups)
			if d := math.Abs(norm - tr.info.Steps[step].Norm); !(d < 1e-5) {
				t.Errorf("step %d: norm %v, want %v", step, norm, tr.info.Steps[step].Norm)
			}
			adam.Step(pool, state, p.Flat, grad, groups, optim.Update{LR: tr.info.LR, Scale: optim.Clip(norm, tr.info.Clip)})
			for i, e := range p.Table {
				closeTo(t, fmt.Sprint("gradient of ", e.Name), p.Of(grad, i), tr.f32(step, "grad."+hf[e.Name]), 1e-5)
				tr.compareParams(t, step, hf[e.Name], p.Of(p.Flat, i))
			}
		}
	}
}

// TestGoldenMLP: Linear, ReLU (the test's own, between two tapes), Linear.
func TestGoldenMLP(t *testing.T) {
	for _, name := range []string{"mlp_adam_1e-3", "mlp_adam_1e-4", "mlp_adam_clip", "mlp_adam_l2", "mlp_adamw_1e-3"} {
		tr := readTrace(t, name)
		var dev [2]*Device
		var w, b [2]backend.Weight
		pool := newPool(t, 2)
		for i := range dev {
			dev[i] = New(pool, Options{InputGrad: true})
			fc := fmt.Sprintf("fc%d.", i+1)
			shape := tr.info.Params[fc+"weight"]
			var err error
			if w[i], err = dev[i].Weight(fc+"weight", f32Matrix(t, shape[0], shape[1], tr.init[fc+"weight"])); err != nil {
				t.Fatal(err)
			}
			if b[i], err = dev[i].Weight(fc+"bias", f32Matrix(t, 1, shape[0], tr.init[fc+"bias"])); err != nil {
				t.Fatal(err)
			}
		}
		forward := func(i int, x []float32) backend.Tensor {
			in := &backend.Inputs{Embeds: backend.Tensor{Rows: 8, Cols: len(x) / 8, Data: x}}
			out, err := dev[i].Step(backend.StepKey{}, in, func(o backend.Ops) ([]backend.Tensor, error) {
				return []backend.Tensor{o.Linear(o.Input(), w[i], b[i])}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return out[0]
		}
		backward := func(step, i int, y backend.Tensor, dy []float32) {
			g, err := dev[i].Grad(y)
			if err != nil {
				t.Fatal(err)
			}
			copy(g, dy)
			p, _ := dev[i].Params()
			grad := make([]float32, len(p.Flat))
			if err := dev[i].Backward(grad); err != nil {
				t.Fatal(err)
			}
			for k, e := range p.Table {
				closeTo(t, name+": gradient of "+e.Name, p.Of(grad, k), tr.f32(step, "grad."+e.Name), 1e-5)
				copy(p.Of(p.Flat, k), tr.f32(step, "param."+e.Name))
			}
		}
		for step := range 3 {
			h := forward(0, tr.f32(step, "x"))
			relu := make([]float32, len(h.Data))
			for i, f := range h.Data {
				relu[i] = max(f, 0)
			}
			y := forward(1, relu)
			dy := append([]float32(nil), y.Data...)
			closeTo(t, "logits", dy, tr.f32(step, "logits"), 1e-5)
			n := 8
			if tr.info.KL == "mean" {
				n *= 20
			}
			hinton(dy, tr.f32(step, "teacher_logits"), tr.i64(step, "targets"), tr.info.T, n, 8)
			backward(step, 1, y, dy)
			dh := append([]float32(nil), dev[1].InputGrad()...)
			for i, f := range relu {
				if f == 0 {
					dh[i] = 0
				}
			}
			backward(step, 0, h, dh)
		}
	}
}
