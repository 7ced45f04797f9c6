package student

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

func open(t testing.TB, path string) (*gguf.File, arch.Hyper) {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	h, err := arch.ReadHyper(f)
	if err != nil {
		t.Fatal(err)
	}
	return f, h
}

// rows is n rows of random ids in pieces of several lengths.
type rows struct{ n, length, vocab int }

func (r rows) Rows() int   { return r.n }
func (r rows) Length() int { return r.length }
func (r rows) Batch(index []int, b *distill.Batch) error {
	*b = distill.Batch{Rows: len(index), Length: r.length}
	for _, i := range index {
		for k := range r.length {
			b.IDs = append(b.IDs, int32((i*977+k*k*31+k*i)%r.vocab))
			b.Next = append(b.Next, -1)
		}
		cut := 1 + i%(r.length-1)
		b.Docs = append(b.Docs, int32(cut), int32(r.length-cut))
	}
	return nil
}

func upTo(n int) []int {
	var s []int
	for i := range n {
		s = append(s, i)
	}
	return s
}

func measure(t testing.TB, f *gguf.File, src Source, index []int, o MeasureOptions) *Stats {
	t.Helper()
	s, err := Measure(t.Context(), f, src, index, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encoded(t testing.TB, s *Stats) []byte {
	t.Helper()
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// logits is those of one sequence.
func logits(t testing.TB, f *gguf.File, ids []int32) []float32 {
	t.Helper()
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.Run(&model.Batch{IDs: ids, Seqs: []model.Span{{N: len(ids), Causal: true}}})
	if err != nil {
		t.Fatal(err)
	}
	x, err := dev.Host(out[0])
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(x)
}

// TestMeasure compares with the definition, written down a second time over the
// tensors that one row at a time shows, and wants the same bits from any threads,
// batches and shards.
func TestMeasure(t *testing.T) {
	for _, a := range []string{"llama", "qwen2", "qwen3"} {
		f, h := open(t, modeltest.Write(t, modeltest.Spec{Arch: a, Layers: 3, Hidden: 64, FFN: 96, Heads: 4, KVHeads: 2, HeadDim: 16, Type: quant.Q8_0}))
		src := rows{n: 7, length: 12, vocab: h.Vocab}
		got := measure(t, f, src, upTo(7), MeasureOptions{Threads: 2, Rows: 3})
		naive(t, f, h, src, got)
		want := encoded(t, got)
		for _, o := range []MeasureOptions{{Threads: 1, Rows: 1}, {Threads: 2, Rows: 7}} {
			if !bytes.Equal(encoded(t, measure(t, f, src, []int{6, 2, 0, 1, 5, 4, 3}, o)), want) {
				t.Errorf("%s: other bits with %+v", a, o)
			}
		}
		var sum Stats
		if err := sum.UnmarshalBinary(encoded(t, measure(t, f, src, []int{1, 4, 6}, MeasureOptions{}))); err != nil {
			t.Fatal(err)
		}
		if err := sum.Merge(measure(t, f, src, []int{0, 2, 3, 5}, MeasureOptions{})); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encoded(t, &sum), want) {
			t.Errorf("%s: two shards give other bits", a)
		}
		if sum.UnmarshalBinary(want[:len(want)-1]) == nil || sum.UnmarshalBinary(nil) == nil {
			t.Error("half a file of statistics is read")
		}
	}
}

func naive(t *testing.T, f *gguf.File, h arch.Hyper, src rows, got *Stats) {
	t.Helper()
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string][]float64{} // by weight: Σ over rows of (mean |x|)²
	see := func(name string, x backend.Tensor) {
		if sums[name] == nil {
			sums[name] = make([]float64, x.Cols)
		}
		for c := range x.Cols {
			mean := 0.0
			for r := range x.Rows {
				mean += math.Abs(float64(x.Data[r*x.Cols+c])) / float64(x.Rows)
			}
			sums[name][c] += mean * mean
		}
	}
	far := make([]float64, h.Layers)
	for i := range src.n {
		var b distill.Batch
		_ = src.Batch([]int{i}, &b)
		mb := &model.Batch{IDs: b.IDs, Want: backend.Hidden | backend.AllHidden, Observe: func(name string, _ int, x backend.Tensor) { see(name, x) }}
		for _, d := range b.Docs {
			mb.Seqs = append(mb.Seqs, model.Span{N: int(d), Causal: true})
		}
		out, err := m.Run(mb)
		if err != nil {
			t.Fatal(err)
		}
		see("last", out[0])
		for l := range h.Layers {
			x, y := out[1+l], out[2+l]
			for r := range x.Rows {
				var xy, xx, yy float64
				for c := range x.Cols {
					f, g := float64(x.Data[r*x.Cols+c]), float64(y.Data[r*x.Cols+c])
					xy, xx, yy = xy+f*g, xx+f*f, yy+g*g
				}
				far[l] += (1 - xy/math.Sqrt(xx*yy)) / float64(x.Rows*src.n)
			}
		}
	}
	hidden := make([]float64, h.Hidden)
	for l := range h.Layers {
		for c := range hidden {
			hidden[c] += math.Sqrt(sums[fmt.Sprintf("blk.%d.attn_q.weight", l)][c]) + math.Sqrt(sums[fmt.Sprintf("blk.%d.ffn_gate.weight", l)][c])
		}
		ffn := slices.Clone(sums[fmt.Sprintf("blk.%d.ffn_down.weight", l)])
		for c := range ffn {
			ffn[c] = math.Sqrt(ffn[c])
		}
		near(t, "ffn", got.FFN(l), ffn)
		heads := make([]float64, h.Heads)
		for c, v := range sums[fmt.Sprintf("blk.%d.attn_output.weight", l)] {
			heads[c/h.HeadDim] += v
		}
		for c := range heads {
			heads[c] = math.Sqrt(heads[c])
		}
		near(t, "heads", got.Heads(l), heads)
	}
	for c := range hidden {
		hidden[c] += math.Sqrt(sums["last"][c])
	}
	near(t, "hidden", got.Hidden(), hidden)
	near(t, "layers", got.Distances(), far)
}

func near(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if len(got) != len(want) || math.Abs(got[i]-want[i]) > 1e-9*(1+math.Abs(want[i])) || want[i] == 0 {
			t.Fatalf("%s[%d] = %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestPruneIdentity(t *testing.T) {
	ids := []int32{1, 5, 9, 200, 31, 7, 7}
	for _, a := range []string{"llama", "qwen2", "qwen3"} {
		f, h := open(t, modeltest.Write(t, modeltest.Spec{Arch: a, Biases: true, Tokenizer: true, RopeFactors: a == "llama"}))
		src := rows{n: 2, length: 8, vocab: h.Vocab}
		c, err := Choose(h, measure(t, f, src, upTo(2), MeasureOptions{}), ShapeOf(h), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Cut{{}, c} {
			out := filepath.Join(t.TempDir(), "student.gguf")
			if err := Prune(t.Context(), out, f, c, WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			g, _ := open(t, out)
			if !slices.Equal(logits(t, f, ids), logits(t, g, ids)) {
				t.Errorf("%s: a student that keeps everything has other logits", a)
			}
			if err := Prune(t.Context(), out, f, c, WriteOptions{}); err == nil {
				t.Error("a file was replaced without being asked to")
			}
		}
	}
}

// values is a tensor decoded.
func values(t testing.TB, f *gguf.File, name string) (x []float32, cols int) {
	t.Helper()
	m, err := f.Tensor(name).Matrix()
	if err != nil {
		t.Fatal(err)
	}
	x = make([]float32, m.Rows*m.Cols)
	if err := quant.Decode(m.Type, x, m.Data); err != nil {
		t.Fatal(err)
	}
	return x, m.Cols
}

// TestPruneHandSliced cuts every axis at once and compares each tensor with slices
// spelled out by name, and the logits with those of a file made from the slices.
func TestPruneHandSliced(t *testing.T) {
	const dim = 16
	c := &Cut{
		Layers: []int{0, 2}, Hidden: []int{0, 1, 2, 5}, Vocab: []int32{1, 3, 4, 9},
		KVHeads: [][]int{{0, 2}, {1, 2}}, Heads: [][]int{{1, 2, 7, 8}, {3, 5, 6, 7}}, FFN: [][]int{{3}, {}},
		Keys: []gguf.KV{},
	}
	for i := 10; len(c.Hidden) < 32; i++ {
		c.Hidden = append(c.Hidden, i)
	}
	for i := 0; len(c.FFN[0]) < 32; i++ {
		c.FFN[0] = append(c.FFN[0], i+20)
	}
	for i := range 32 {
		c.FFN[1] = append(c.FFN[1], 2*i)
	}
	wide := func(h []int) (out []int) {
		for _, x := range h {
			for i := range dim {
				out = append(out, x*dim+i)
			}
		}
		return out
	}
	for _, a := range []string{"llama", "qwen2", "qwen3"} {
		f, _ := open(t, modeltest.Write(t, modeltest.Spec{Arch: a, Layers: 3, Hidden: 64, FFN: 96, Heads: 9, KVHeads: 3, HeadDim: dim, Vocab: 64, Biases: true, Type: quant.F16}))
		out := filepath.Join(t.TempDir(), "student.gguf")
		if err := Prune(t.Context(), out, f, c, WriteOptions{Name: "small"}); err != nil {
			t.Fatal(err)
		}
		g, h := open(t, out)
		if h.Name != "small" || ShapeOf(h) != (Shape{2, 32, 32, 4, 2, dim, 4}) {
			t.Fatalf("%s: %q %v", a, h.Name, ShapeOf(h))
		}
		vocab := []int{1, 3, 4, 9}
		for _, e := range g.Tensors() {
			var name string
			var layer int
			from := e.Name
			if n, _ := fmt.Sscanf(e.Name, "blk.%d.%s", &layer, &name); n == 2 {
				from = fmt.Sprintf("blk.%d.%s", c.Layers[layer], name)
			} else {
				name = e.Name
			}
			var r, k []int
			q, kv := wide(c.Heads[layer]), wide(c.KVHeads[layer])
			switch strings.TrimSuffix(name, ".weight") {
			case "token_embd", "output":
				r, k = vocab, c.Hidden
			case "attn_q":
				r, k = q, c.Hidden
			case "attn_k", "attn_v":
				r, k = kv, c.Hidden
			case "attn_output":
				r, k = c.Hidden, q
			case "ffn_gate", "ffn_up":
				r, k = c.FFN[layer], c.Hidden
			case "ffn_down":
				r, k = c.Hidden, c.FFN[layer]
			case "attn_norm", "ffn_norm", "output_norm", "attn_output.bias", "ffn_down.bias":
				k = c.Hidden
			case "attn_q.bias":
				k = q
			case "attn_k.bias", "attn_v.bias":
				k = kv
			case "ffn_gate.bias", "ffn_up.bias":
				k = c.FFN[layer]
			case "attn_q_norm", "attn_k_norm":
				k = upTo(dim)
			default:
				t.Fatalf("tensor %q", e.Name)
			}
			if r == nil {
				r = []int{0}
			}
			src, cols := values(t, f, from)
			got, _ := values(t, g, e.Name)
			var want []float32
			for _, y := range r {
				for _, x := range k {
					want = append(want, src[y*cols+x])
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: tensor %q is not the slice", a, e.Name)
			}
		}
	}
}

// TestPruneMeaning: units whose outputs a teacher multiplies by 0 can be cut
// without a change, which pins which head shares which keys.
func TestPruneMeaning(t *testing.T) {
	const dim = 16
	c := &Cut{KVHeads: [][]int{{0, 2}, {1, 2}}, Heads: [][]int{{1, 2, 7, 8}, {3, 5, 6, 7}}, FFN: [][]int{upTo(32), upTo(64)[32:]}}
	ids := []int32{1, 5, 9, 33, 31, 7, 7, 12, 60}
	for _, a := range []string{"llama", "qwen2", "qwen3"} {
		f, h := open(t, modeltest.Write(t, modeltest.Spec{Arch: a, Hidden: 64, FFN: 96, Heads: 9, KVHeads: 3, HeadDim: dim, Vocab: 64, Biases: true}))
		zero := filepath.Join(t.TempDir(), "zero.gguf")
		err := writeF32(t.Context(), zero, f.KVs(), tensorsOf(h.Arch, h.Layers, Has(f, h.Arch)), h.Dims(), false, func(n arch.Named) (func(int, []float32) error, error) {
			x, cols := values(t, f, n.Name)
			for i := range x {
				switch col := i % cols; {
				case strings.HasSuffix(n.Name, "attn_output.weight") && !slices.Contains(c.Heads[n.Layer], col/dim),
					strings.HasSuffix(n.Name, "ffn_down.weight") && !slices.Contains(c.FFN[n.Layer], col):
					x[i] = 0
				}
			}
			return func(r int, dst []float32) error { copy(dst, x[r*cols:]); return nil }, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "student.gguf")
		if err := Prune(t.Context(), out, f, c, WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		g, _ := open(t, out)
		z, _ := open(t, zero)
		want, got := logits(t, z, ids), logits(t, g, ids)
		for i := range want {
			if d := math.Abs(float64(want[i] - got[i])); d > 1e-4*(1+math.Abs(float64(want[i]))) {
				t.Fatalf("%s: logit %d is %v, want %v", a, i, got[i], want[i])
			}
		}
	}
}

func TestChoose(t *testing.T) {
	f, h := open(t, modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Layers: 4, Hidden: 64, FFN: 96, Heads: 8, KVHeads: 2, HeadDim: 16}))
	s := measure(t, f, rows{n: 3, length: 9, vocab: h.Vocab}, upTo(3), MeasureOptions{})
	want := ShapeOf(h)
	want.Layers, want.Hidden, want.FFN, want.Heads = 2, 32, 64, 4
	c, err := Choose(h, s, want, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Shape(ShapeOf(h)); err != nil || got != want {
		t.Fatalf("shape %v, %v", got, err)
	}
	check := func(what string, x []float64, kept []int) {
		t.Helper()
		least, most := math.Inf(1), 0.0
		for i, v := range x {
			if slices.Contains(kept, i) {
				least = min(least, v)
			} else {
				most = max(most, v)
			}
		}
		if least < most {
			t.Errorf("%s: kept %v of %v", what, kept, x)
		}
	}
	check("layers", s.Distances(), c.Layers)
	check("hidden", s.Hidden(), c.Hidden)
	for i, l := range c.Layers {
		check("ffn", s.FFN(l), c.FFN[i])
		check("group 0", s.Heads(l)[:4], c.Heads[i][:2])
		var rest []int
		for _, q := range c.Heads[i][2:] {
			rest = append(rest, q-4)
		}
		check("group 1", s.Heads(l)[4:], rest)
	}
	for _, bad := range []func(*Shape){
		func(s *Shape) { s.Hidden = 33 }, func(s *Shape) { s.FFN = 128 }, func(s *Shape) { s.Heads = 3 }, func(s *Shape) { s.HeadDim = 8 },
		func(s *Shape) { s.Layers = 0 }, func(s *Shape) { s.Vocab-- }, func(s *Shape) { s.KVHeads = 1; s.Heads = 8 },
	} {
		x := want
		bad(&x)
		if _, err := Choose(h, s, x, nil); err == nil {
			t.Errorf("%v: no error", x)
		}
	}
	for _, bad := range []*Cut{
		{Layers: []int{1, 0}},
		{Hidden: append(upTo(31), 0)},
		{Heads: [][]int{{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}}},
		{FFN: [][]int{upTo(32)}},
		{FFN: [][]int{upTo(32), upTo(64), upTo(32), upTo(32)}},
	} {
		if _, err := bad.Shape(ShapeOf(h)); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

func TestSteps(t *testing.T) {
	_, h := open(t, modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Layers: 6, Hidden: 256, FFN: 512, Heads: 8, KVHeads: 2, HeadDim: 32}))
	from := ShapeOf(h)
	to := from
	to.Layers, to.Hidden, to.FFN, to.Heads = 3, 128, 256, 4
	params := func(s Shape) int {
		_, n := s.Params(h, func(string) bool { return false })
		return n
	}
	path, err := Steps(from, to, 0, params)
	if err != nil || path[len(path)-1] != to || len(path) < 3 {
		t.Fatalf("%v, %v", path, err)
	}
	last := from
	for _, s := range path {
		if err := s.within(last); err != nil {
			t.Error(err)
		}
		if part := 1 - float64(params(s))/float64(params(last)); part > Third {
			t.Errorf("%v to %v removes %.3f", last, s, part)
		}
		last = s
	}
	if one, err := Steps(from, to, 1, params); err != nil || len(one) != 1 || one[0] != to {
		t.Errorf("one cut: %v, %v", one, err)
	}
}

func TestInit(t *testing.T) {
	f, h := open(t, modeltest.Write(t, modeltest.Spec{Arch: "llama", Tokenizer: true, RopeFactors: true, Biases: true}))
	dir := t.TempDir()
	s := ShapeOf(h)
	s.Layers, s.Hidden, s.FFN = 1, 96, 160
	make := func(name string, seed uint64) *gguf.File {
		p := filepath.Join(dir, name)
		if err := Init(t.Context(), p, f, s, nil, InitOptions{Seed: seed}); err != nil {
			t.Fatal(err)
		}
		g, _ := open(t, p)
		return g
	}
	a, b, other := make("a", 1), make("b", 1), make("c", 2)
	_, hyper := open(t, filepath.Join(dir, "a"))
	if ShapeOf(hyper) != s {
		t.Fatalf("shape %v", ShapeOf(hyper))
	}
	if x := logits(t, a, []int32{1, 2, 3}); !slices.Equal(x, logits(t, b, []int32{1, 2, 3})) || slices.Equal(x, logits(t, other, []int32{1, 2, 3})) {
		t.Error("the seed does not decide the weights")
	}
	for _, e := range a.Tensors() {
		x, _ := values(t, a, e.Name)
		mean, square := 0.0, 0.0
		for _, v := range x {
			mean, square = mean+float64(v)/float64(len(x)), square+float64(v)*float64(v)/float64(len(x))
		}
		switch {
		case e.Name == "rope_freqs.weight":
			if y, _ := values(t, f, e.Name); !slices.Equal(x, y) {
				t.Error("the frequencies' divisors changed")
			}
		case strings.HasSuffix(e.Name, ".bias") && square != 0, strings.Contains(e.Name, "norm") && slices.ContainsFunc(x, func(v float32) bool { return v != 1 }),
			len(e.Dims) == 2 && (math.Abs(mean) > 1e-3 || math.Abs(math.Sqrt(square)-0.02) > 1e-3):
			t.Errorf("%s: mean %g, square %g", e.Name, mean, square)
		}
	}
}

func TestInitConfig(t *testing.T) {
	f, _ := open(t, modeltest.Write(t, modeltest.Spec{Tokenizer: true}))
	for _, c := range []struct{ config, has, lacks string }{
		{`{"model_type":"qwen2","architectures":["Qwen2ForCausalLM"],"tie_word_embeddings":true`, "blk.1.attn_q.bias", "output.weight"},
		{`{"model_type":"llama","architectures":["LlamaForCausalLM"],"attention_bias":true`, "blk.0.attn_output.bias", "blk.0.ffn_down.bias"},
		{`{"model_type":"llama","architectures":["LlamaForCausalLM"],"mlp_bias":true`, "blk.0.ffn_down.bias", "blk.0.attn_output.bias"},
		{`{"model_type":"qwen3","architectures":["Qwen3ForCausalLM"],"head_dim":16`, "output.weight", "blk.0.attn_q.bias"},
	} {
		m, err := hf.Parse([]byte(c.config+`,"vocab_size":320,"hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		p := filepath.Join(t.TempDir(), "x")
		if err := InitConfig(t.Context(), p, m, f.KVs(), InitOptions{Seed: 3}); err != nil {
			t.Fatal(err)
		}
		g, _ := open(t, p)
		if g.Tensor(c.has) == nil || g.Tensor(c.lacks) != nil {
			t.Errorf("%s: %s is missing, or %s is not", c.config, c.has, c.lacks)
		}
		if n := len(logits(t, g, []int32{1, 2})); n != 640 {
			t.Errorf("%d logits", n)
		}
	}
}
