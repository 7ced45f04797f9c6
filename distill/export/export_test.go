package export

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func open(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func convertTo(t testing.TB, src, typ string) *gguf.File {
	t.Helper()
	out := filepath.Join(t.TempDir(), "converted.gguf")
	if _, err := convert.Quantize(context.Background(), convert.Options{Source: src, Out: out, Type: typ}); err != nil {
		t.Fatal(err)
	}
	return open(t, out)
}

// same compares every tensor's bytes.
func same(t *testing.T, what string, a, b *gguf.File) {
	t.Helper()
	if len(a.Tensors()) != len(b.Tensors()) {
		t.Errorf("%s: %d tensors and %d", what, len(a.Tensors()), len(b.Tensors()))
	}
	for _, x := range a.Tensors() {
		y := b.Tensor(x.Name)
		if y == nil || x.Type != y.Type || !slices.Equal(x.Dims, y.Dims) {
			t.Fatalf("%s: tensor %q differs: %v %v", what, x.Name, x, y)
		}
		p, err1 := x.Data()
		q, err2 := y.Data()
		if err1 != nil || err2 != nil || !slices.Equal(p, q) {
			t.Errorf("%s: tensor %q has other bytes", what, x.Name)
		}
	}
}

// train loads f on a tape and moves every parameter.
func train(t testing.TB, f *gguf.File, o tape.Options) (*tape.Params, *tape.Device, *model.Model) {
	t.Helper()
	pool, err := kernel.New(kernel.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	dev := tape.New(pool, o)
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dev.Params()
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Table {
		for j, x := range p.Of(p.Flat, i) {
			p.Of(p.Flat, i)[j] = x + float32(j%7-3)/512
		}
	}
	return p, dev, m
}

// TestRoundTrip: trained numbers in a file, in a folder, and in the file that
// convert makes of the folder are the same bits.
func TestRoundTrip(t *testing.T) {
	for _, s := range []modeltest.Spec{
		{Arch: "llama"},
		{Arch: "llama", Biases: true, Tied: true},
		{Arch: "llama", Window: 64, KVs: []gguf.KV{{Key: "llama.rope.scaling.type", Value: gguf.String("linear")}, {Key: "llama.rope.scaling.factor", Value: gguf.Float32(2.7)}}},
		{Arch: "qwen2", Tied: true, KVs: []gguf.KV{{Key: "qwen2.rope.freq_base", Value: gguf.Float32(1234567.9)}}},
		{Arch: "qwen2", Window: 32, HeadDim: 16, KVs: []gguf.KV{
			{Key: "qwen2.rope.scaling.type", Value: gguf.String("yarn")}, {Key: "qwen2.rope.scaling.factor", Value: gguf.Float32(4)},
			{Key: "qwen2.rope.scaling.original_context_length", Value: gguf.Uint32(128)}, {Key: "general.sampling.temp", Value: gguf.Float32(0.7)},
			{Key: "general.sampling.top_k", Value: gguf.Int32(20)},
		}},
		{Arch: "qwen3", Biases: true},
		{Arch: "qwen3", Tied: true, HeadDim: 48},
	} {
		base := open(t, modeltest.Write(t, s))
		params, _, _ := train(t, base, tape.Options{})
		w := Weights{Base: base, Params: params}
		for typ, name := range map[quant.Type]string{quant.F32: "f32", quant.F16: "f16", quant.BF16: "bf16"} {
			dir := t.TempDir()
			o := Options{Type: typ, Name: "exported"}
			if err := w.GGUF(t.Context(), filepath.Join(dir, "x.gguf"), o); err != nil {
				t.Fatal(err)
			}
			if err := w.HF(t.Context(), filepath.Join(dir, "x"), o); err != nil {
				t.Fatal(err)
			}
			g := open(t, filepath.Join(dir, "x.gguf"))
			if n, _ := g.Str(arch.KeyName); n != "exported" {
				t.Errorf("name %q", n)
			}
			back := convertTo(t, filepath.Join(dir, "x"), name)
			same(t, s.Arch+" "+name, g, back)
			a, err1 := arch.ReadHyper(g)
			b, err2 := arch.ReadHyper(back)
			a.Name, b.Name = "", ""
			if err1 != nil || err2 != nil || a != b {
				t.Errorf("%s: %+v became %+v (%v, %v)", s.Arch, a, b, err1, err2)
			}
			if err := w.HF(t.Context(), filepath.Join(dir, "x"), o); !errors.Is(err, fs.ErrExist) {
				t.Errorf("over an existing folder: %v", err)
			}
			o.Force = true
			if err := w.HF(t.Context(), filepath.Join(dir, "x"), o); err != nil {
				t.Error(err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		}
		if typed := base.Tensor("blk.0.attn_q.weight"); typed.Type != quant.F32 {
			t.Fatal("the base is not F32")
		}
	}
}

// TestTape: the exported F32 file gives the tape's own hidden states, as
// close as two orders of summing are, and another average is another model.
func TestTape(t *testing.T) {
	base := open(t, modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0}))
	for _, o := range []tape.Options{{}, {LoRA: tape.LoRA{Rank: 4, Alpha: 8, Seed: 1}}} {
		params, dev, m := train(t, base, o)
		ids := []int32{3, 9, 27, 81, 243}
		b := &model.Batch{IDs: ids, Seqs: []model.Span{{N: len(ids), Causal: true}}, Want: backend.Hidden}
		out, err := m.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(out[0].Data)
		dev.Close()
		path := filepath.Join(t.TempDir(), "x.gguf")
		w := Weights{Base: base, Params: params, LoRA: o.LoRA}
		if err := w.GGUF(t.Context(), path, Options{}); err != nil {
			t.Fatal(err)
		}
		cpu, err := backend.NewCPU(backend.CPUOptions{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer cpu.Close()
		n, err := model.New(open(t, path), cpu)
		if err != nil {
			t.Fatal(err)
		}
		got, err := n.Run(&model.Batch{IDs: ids, Seqs: []model.Span{{N: len(ids), Causal: true}}, Want: backend.Hidden})
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range got[0].Data {
			if d := x - want[i]; d > 1e-3 || d < -1e-3 {
				t.Fatalf("rank %d: hidden %d is %g, the tape's %g", o.LoRA.Rank, i, x, want[i])
			}
		}
		w.Flat = make([]float32, len(params.Flat)) // an average of zeros
		if err := w.GGUF(t.Context(), path, Options{Force: true}); err != nil {
			t.Fatal(err)
		}
		x, err := open(t, path).Tensor("blk.0.ffn_up.weight").Data()
		if err != nil {
			t.Fatal(err)
		}
		if zero := !slices.ContainsFunc(x, func(b byte) bool { return b != 0 }); zero != (o.LoRA.Rank == 0) {
			t.Errorf("rank %d: the average was not written", o.LoRA.Rank)
		}
	}
}

// TestStory: the trained model of testdata through a folder and back, tokenizer
// included, both ways of making its files.
func TestStory(t *testing.T) {
	const folder = "../../testdata/tinystories-qwen2"
	base := convertTo(t, folder, "bf16")
	want, err := tokenizer.FromGGUF(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"", folder} {
		dir := filepath.Join(t.TempDir(), "story")
		if err := (Weights{Base: base}).HF(t.Context(), dir, Options{Type: quant.BF16, Tokenizer: from}); err != nil {
			t.Fatal(err)
		}
		back := convertTo(t, dir, "bf16")
		same(t, "story", base, back)
		got, err := tokenizer.FromGGUF(back)
		if err != nil {
			t.Fatal(err)
		}
		const text = "<|im_start|>user\nTell me about Lily's 12 dogs…<|im_end|>\n"
		if !slices.Equal(got.Encode(text, tokenizer.EncodeOptions{}), want.Encode(text, tokenizer.EncodeOptions{})) || !slices.Equal(got.EOGs(), want.EOGs()) ||
			got.ChatTemplate() != want.ChatTemplate() || got.Pad() != want.Pad() {
			t.Errorf("tokenizer from %q: another one came back: ends %v, want %v, pad %d, want %d", from, got.EOGs(), want.EOGs(), got.Pad(), want.Pad())
		}
		for _, kv := range base.KVs() {
			if v, ok := back.Get(kv.Key); kv.Key != arch.KeyName && (!ok || !v.Equal(kv.Value)) {
				t.Errorf("tokenizer from %q: key %s is %v, was %v", from, kv.Key, v, kv.Value)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	base := open(t, modeltest.Write(t, modeltest.Spec{Arch: "llama", RopeFactors: true}))
	params, _, _ := train(t, base, tape.Options{})
	dir := t.TempDir()
	try := func(what string, err error, say string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %q", what, err, say)
		}
	}
	w := Weights{Base: base, Params: params}
	out := filepath.Join(dir, "x")
	try("random divisors", w.HF(t.Context(), out, Options{}), "divisors")
	try("type", w.GGUF(t.Context(), out, Options{Type: quant.Q8_0}), "F32, F16 or BF16")
	try("flat", Weights{Base: base, Params: params, Flat: []float32{1}}.GGUF(t.Context(), out, Options{}), "1 numbers")
	other := open(t, modeltest.Write(t, modeltest.Spec{Arch: "llama", Layers: 1}))
	try("another model", Weights{Base: other, Params: params}.GGUF(t.Context(), out, Options{}), "belong to no tensor")
	wide := open(t, modeltest.Write(t, modeltest.Spec{Arch: "llama", FFN: 128, RopeFactors: true}))
	try("another shape", Weights{Base: wide, Params: params}.GGUF(t.Context(), out, Options{}), "want [128, 64]")
	sp := open(t, modeltest.Write(t, modeltest.Spec{Arch: "llama", Tokenizer: true}))
	try("sentencepiece", Weights{Base: sp}.HF(t.Context(), out, Options{}), "name a folder")
	try("another tokenizer", Weights{Base: sp}.HF(t.Context(), out, Options{Tokenizer: "../../testdata/tinystories-qwen2"}), "at id")
	i := slices.IndexFunc(params.Table, func(p tape.Param) bool { return p.Name == "blk.1.ffn_up.weight" })
	params.Of(params.Flat, i)[65] = 1e6
	try("overflow", w.GGUF(t.Context(), out, Options{Type: quant.F16}), "row 1, column 1 is 1e+06")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	try("cancelled", w.GGUF(ctx, out, Options{}), "canceled")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
