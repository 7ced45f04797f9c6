package tape

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// convertedTo converts a golden's checkpoint to F32.
func convertedTo(t *testing.T, o convert.Options) *gguf.File {
	t.Helper()
	o.Out, o.Type = filepath.Join(t.TempDir(), "m.gguf"), "f32"
	if _, err := convert.Quantize(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func seedFile(t *testing.T, name string) *gguf.File {
	t.Helper()
	dir := testdata.Shared(t, "goldens", "seed", name)
	return convertedTo(t, convert.Options{Source: dir + "/model.safetensors", Config: dir + "/info.json", Arch: "qwq-seed"})
}

// graph is a model's graph bound to a device, and its inputs.
type graph struct {
	in      *backend.Inputs
	forward func(o backend.Ops) ([]backend.Tensor, error)
}

// of is the graph of m for b.
func of(t *testing.T, f *gguf.File, dev backend.Device, b *model.Batch) graph {
	t.Helper()
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := m.Bind(b)
	if err != nil {
		t.Fatal(err)
	}
	return graph{in, func(o backend.Ops) ([]backend.Tensor, error) { return m.Forward(o, in) }}
}

// graphCases are the graphs of the article's modules and of BERT.
func graphCases(t *testing.T) map[string]func(dev backend.Device) graph {
	r := rand.New(rand.NewPCG(7, 8))
	lone := func(name string, width int, spans ...int) func(dev backend.Device) graph {
		f := seedFile(t, name)
		b := &model.Batch{Want: backend.Hidden | backend.Pooled}
		for _, n := range spans {
			b.Seqs = append(b.Seqs, model.Span{N: n})
			b.Embeds.Rows += n
		}
		b.Embeds.Cols, b.Embeds.Data = width, randoms(r, b.Embeds.Rows*width)
		return func(dev backend.Device) graph { return of(t, f, dev, b) }
	}
	pair := func(image bool, bind func(p *model.Pair) (*backend.Inputs, error)) func(dev backend.Device) graph {
		f := seedFile(t, "multimodal_full")
		return func(dev backend.Device) graph {
			p, err := model.NewPair(f, dev)
			if err != nil {
				t.Fatal(err)
			}
			in, err := bind(p)
			if err != nil {
				t.Fatal(err)
			}
			return graph{in, func(o backend.Ops) ([]backend.Tensor, error) {
				if image {
					return []backend.Tensor{p.Image(o, in)}, nil
				}
				return []backend.Tensor{p.Text(o, in)}, nil
			}}
		}
	}
	pixels, turns, history := randoms(r, 2*3*16*16), randoms(r, 3*2*64), randoms(r, 2*64)
	whole, tracker := seedFile(t, "qwq_d32"), seedFile(t, "dialog_d64")
	bert := convertedTo(t, convert.Options{Source: testdata.Shared(t, "goldens", "models", "bert-tiny", "checkpoint")})
	return map[string]func(dev backend.Device) graph{
		"block":   lone("block_d128", 128, 5, 3),
		"mixture": lone("moe_d64", 64, 9),
		"whole": func(dev backend.Device) graph {
			return of(t, whole, dev, &model.Batch{IDs: []int32{3, 99, 3, 511, 20, 7}, Seqs: []model.Span{{N: 4}, {N: 2}}, Want: backend.Logits})
		},
		"tracker": func(dev backend.Device) graph {
			m, err := model.NewTracker(tracker, dev)
			if err != nil {
				t.Fatal(err)
			}
			in, err := m.Bind(turns, 3, 2, history)
			if err != nil {
				t.Fatal(err)
			}
			return graph{in, func(o backend.Ops) ([]backend.Tensor, error) { return m.Forward(o, in) }}
		},
		"texts": pair(false, func(p *model.Pair) (*backend.Inputs, error) { return p.BindIDs([][]int32{{3, 99, 3}, {511}}) }),
		"images": pair(true, func(p *model.Pair) (*backend.Inputs, error) {
			return p.BindImages(pixels, 2)
		}),
		"bert": func(dev backend.Device) graph {
			return of(t, bert, dev, &model.Batch{IDs: []int32{3, 99, 3, 511, 20, 7}, Segments: []int32{0, 0, 1, 1, 0, 1}, Seqs: []model.Span{{N: 4}, {N: 2}}, Want: backend.Hidden | backend.Pooled})
		},
	}
}

// TestGraphGradients: Σ c·output of each graph, differentiated by some values of
// every parameter, against central differences of the graph in float64; the
// derivative of mixtures with the loss that balances them.
func TestGraphGradients(t *testing.T) {
	pool := newPool(t, 2)
	for name, bind := range graphCases(t) {
		for _, recompute := range []bool{false, true} {
			t.Run(fmt.Sprint(name, "/", recompute), func(t *testing.T) { graphGradients(t, pool, bind, recompute) })
		}
	}
}

func graphGradients(t *testing.T, pool *kernel.Pool, bind func(dev backend.Device) graph, recompute bool) {
	router := &loss.Balance{Top: 2, Weight: 3}
	dev, ora := New(pool, Options{Recompute: recompute, Router: router}), &oracle{}
	g, og := bind(dev), bind(ora)
	ora.embeds = wide(og.in.Embeds.Data)
	out, err := dev.Step(backend.StepKey{}, g.in, g.forward)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var coefs [][]float32
	for _, y := range out {
		c := randoms(r, len(y.Data))
		coefs = append(coefs, c)
		dy, err := dev.Grad(y)
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range c {
			dy[i] += k
		}
	}
	value := func() float64 {
		ora.routed = nil
		y, err := ora.Step(backend.StepKey{}, og.in, og.forward)
		if err != nil {
			t.Fatal(err)
		}
		sum := router.Weight * ora.balance(router.Top)
		for i, c := range coefs {
			for k, v := range ora.num(y[i]) {
				sum += v * float64(c[k])
			}
		}
		return sum
	}
	p, err := dev.Params()
	if err != nil {
		t.Fatal(err)
	}
	if value(); math.Abs(router.Loss()-ora.balance(router.Top)) > 1e-5 {
		t.Errorf("balance %v, want %v", router.Loss(), ora.balance(router.Top))
	}
	grad := make([]float32, len(p.Flat))
	if err := dev.Backward(grad); err != nil {
		t.Fatal(err)
	}
	if len(p.Table) != len(ora.w) {
		t.Fatalf("%d parameters, %d in float64", len(p.Table), len(ora.w))
	}
	most := 0.0
	for _, v := range grad {
		most = max(most, math.Abs(float64(v)))
	}
	worst := 0.0
	for i, e := range p.Table {
		got := p.Of(grad, i)
		size := 1e-2 * most // of the keys' biases it is 0
		at := []int{0, r.IntN(len(got))}
		if len(p.Table) > 100 {
			at = at[:1]
		}
		for k, v := range got {
			if a := math.Abs(float64(v)); a > size {
				size, at[0] = a, k
			}
		}
		for _, k := range at {
			const h = 1e-6
			x := &ora.w[i].x[k]
			old := *x
			*x = old + h
			up := value()
			*x = old - h
			down := value()
			*x = old
			d := math.Abs((up-down)/(2*h)-float64(got[k])) / size
			if worst = max(worst, d); !(d < 1e-4) {
				t.Errorf("%s: gradient %d is %g, want %g", e.Name, k, got[k], (up-down)/(2*h))
			}
		}
	}
	if dev.ops.mem.used != 0 {
		t.Errorf("%d floats still in use", dev.ops.mem.used)
	}
	t.Logf("%d parameters off by %.1e of their largest gradient", len(p.Table), worst)
}

// balance is the load-balancing loss of the mixtures that ran.
func (o *oracle) balance(top int) float64 {
	if len(o.routed) == 0 {
		return 0
	}
	n := len(o.routed[0])
	f, p := make([]float64, n), make([]float64, n)
	for _, row := range o.routed {
		for e, v := range row {
			p[e] += v
			above := 0
			for _, w := range row {
				if w > v {
					above++
				}
			}
			if above < top {
				f[e]++
			}
		}
	}
	sum, rows := 0.0, float64(len(o.routed))
	for e := range n {
		sum += f[e] / rows * p[e] / rows
	}
	return float64(n) * sum
}

// stateDict writes the parameters of a trace that begin with prefix as a
// safetensors file and converts it.
func (tr *trace) stateDict(t *testing.T, prefix, config string) *gguf.File {
	t.Helper()
	head, data := map[string]any{}, []byte(nil)
	for name, x := range tr.init {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		at := len(data)
		for _, v := range x {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		head[rest] = map[string]any{"dtype": "F32", "shape": tr.info.Params[name], "data_offsets": []int{at, len(data)}}
	}
	h, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...), data...)
	for name, b := range map[string][]byte{"model.safetensors": b, "info.json": []byte(config)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return convertedTo(t, convert.Options{Source: dir + "/model.safetensors", Config: dir + "/info.json", Arch: "qwq-seed"})
}

// weight is a parameter of the trace as a weight of dev.
func (tr *trace) weight(t *testing.T, dev *Device, name string) backend.Weight {
	t.Helper()
	shape := tr.info.Params[name]
	if len(shape) == 1 {
		shape = []int{1, shape[0]}
	}
	w, err := dev.Weight(name, f32Matrix(t, shape[0], shape[1], tr.init[name]))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestGoldenArticle: three steps of Adam of the article's block (embedding, block,
// mean, matrix) and mixture (mixture, matrix), through the graphs of runtime/model.
func TestGoldenArticle(t *testing.T) {
	for _, recompute := range []bool{false, true} {
		tr := readTrace(t, "moe_adam_1e-4")
		dev := New(newPool(t, 2), Options{Recompute: recompute})
		m, err := model.New(tr.stateDict(t, "moe.", `{"top_k": 2}`), dev)
		if err != nil {
			t.Fatal(err)
		}
		b := &model.Batch{Seqs: []model.Span{{N: 9}}, Want: backend.Hidden, Embeds: backend.Tensor{Rows: 9, Cols: 16}}
		tr.train(t, m, dev, b, 12, func(step int) { b.Embeds.Data = tr.f32(step, "x") }, nil)

		tr = readTrace(t, "block_adam_1e-3")
		dev = New(newPool(t, 2), Options{Recompute: recompute, InputGrad: true})
		if m, err = model.New(tr.stateDict(t, "block.", `{"n_heads": 4}`), dev); err != nil {
			t.Fatal(err)
		}
		// The embedding is the test's own: the block's input is its rows.
		b = &model.Batch{Want: backend.Pooled, Embeds: backend.Tensor{Rows: 24, Cols: 32, Data: make([]float32, 24*32)}}
		for range 4 {
			b.Seqs = append(b.Seqs, model.Span{N: 6})
		}
		emb := slices.Clone(tr.init["emb.weight"])
		tr.train(t, m, dev, b, 10, func(step int) {
			for i, id := range tr.i64(step, "x") {
				copy(b.Embeds.Data[i*32:(i+1)*32], emb[id*32:])
			}
		}, func(step int) {
			grad := make([]float32, len(emb))
			for i, id := range tr.i64(step, "x") {
				for k, v := range dev.InputGrad()[i*32 : (i+1)*32] {
					grad[int(id)*32+k] += v
				}
			}
			closeTo(t, "gradient of the embedding", grad, tr.f32(step, "grad.emb.weight"), 1e-5)
			copy(emb, tr.f32(step, "param.emb.weight"))
		})
	}
}

// train runs the trace's steps: m's output through the matrix out; logits, loss,
// gradients and parameters are compared.
func (tr *trace) train(t *testing.T, m *model.Model, dev *Device, b *model.Batch, outputs int, before, after func(step int)) {
	t.Helper()
	w, bias := tr.weight(t, dev, "out.weight"), tr.weight(t, dev, "out.bias")
	p, err := dev.Params()
	if err != nil {
		t.Fatal(err)
	}
	var table []optim.Param
	for _, e := range p.Table {
		table = append(table, optim.Param(e))
	}
	groups, err := optim.Groups(table, optim.Rules{})
	if err != nil {
		t.Fatal(err)
	}
	pool, state := newPool(t, 2), optim.NewState(0, len(p.Flat))
	for step := range 3 {
		before(step)
		in, key, err := m.Bind(b)
		if err != nil {
			t.Fatal(err)
		}
		out, err := dev.Step(key, in, func(o backend.Ops) ([]backend.Tensor, error) {
			y, err := m.Forward(o, in)
			if err != nil {
				return nil, err
			}
			return []backend.Tensor{o.Linear(y[0], w, bias)}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		y := out[0]
		closeTo(t, "logits", y.Data, tr.f32(step, "logits"), 1e-5)
		dy := slices.Clone(y.Data)
		value := hinton(dy, tr.f32(step, "teacher_logits"), tr.i64(step, "targets"), tr.info.T, y.Rows*outputs, y.Rows)
		if d := math.Abs(value - tr.info.Steps[step].Loss); !(d < 1e-5) {
			t.Errorf("step %d: loss %v, want %v", step, value, tr.info.Steps[step].Loss)
		}
		g, err := dev.Grad(y)
		if err != nil {
			t.Fatal(err)
		}
		copy(g, dy)
		grad := make([]float32, len(p.Flat))
		if err := dev.Backward(grad); err != nil {
			t.Fatal(err)
		}
		(optim.Options{}).Step(pool, state, p.Flat, grad, groups, optim.Update{LR: tr.info.LR, Scale: 1})
		for k, e := range p.Table {
			tr.compareArticle(t, step, e.Name, p.Of(grad, k), p.Of(p.Flat, k))
		}
		if after != nil {
			after(step)
		}
	}
}

// articlePart is a part of a parameter of a trace, from value lo on.
type articlePart struct {
	name   string
	lo, hi int // of ours
	at     int // of theirs
}

// articleParts says where our parameter, of n values, is in a trace.
func articleParts(name string, n int) []articlePart {
	name = strings.TrimPrefix(name, "blk.0.")
	ours, kind, _ := strings.Cut(name, ".")
	switch ours {
	case "attn_q", "attn_k", "attn_v":
		return []articlePart{{"block.self_attn.in_proj_" + kind, 0, n, strings.Index("qkv", ours[5:]) * n}}
	case "ffn_down_exps":
		var parts []articlePart
		for e := range 4 {
			parts = append(parts, articlePart{fmt.Sprintf("moe.experts.%d.%s", e, kind), e * n / 4, (e + 1) * n / 4, 0})
		}
		return parts
	}
	theirs := map[string]string{
		"attn_output": "block.self_attn.out_proj", "attn_output_norm": "block.norm1", "layer_output_norm": "block.norm2",
		"ffn_up": "block.feed_forward.0", "ffn_down": "block.feed_forward.3", "ffn_gate_inp": "moe.gating", "out": "out",
	}[ours]
	return []articlePart{{theirs + "." + kind, 0, n, 0}}
}

func (tr *trace) compareArticle(t *testing.T, step int, name string, grad, param []float32) {
	t.Helper()
	for _, p := range articleParts(name, len(grad)) {
		n := p.hi - p.lo
		closeTo(t, fmt.Sprintf("step %d: gradient of %s", step, p.name), grad[p.lo:p.hi], tr.f32(step, "grad."+p.name)[p.at:p.at+n], 1e-5)
		want, loose := tr.f32(step, "param."+p.name)[p.at:], tr.steps["loose."+p.name]
		for i, g := range param[p.lo:p.hi] {
			tol := 5e-6
			if loose != nil && loose.U8[p.at+i] != 0 {
				tol = 2 * tr.info.LR * float64(step+1)
			}
			if d := math.Abs(float64(g) - float64(want[i])); !(d <= tol) {
				t.Errorf("step %d: %s: value %d is %v, want %v", step, p.name, p.at+i, g, want[i])
				return
			}
		}
	}
}
