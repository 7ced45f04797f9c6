// Package modeltest writes small random models for tests. Nothing but tests
// may import it.
//
//	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0})
package modeltest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// Spec is the shape of a random model; zero fields have small defaults.
type Spec struct {
	Arch                                 string     // "llama"
	Type                                 quant.Type // of the matrices; F32
	Layers, Hidden, FFN, Heads, KVHeads  int        // 2, 64, 96, 4, 2
	HeadDim                              int        // 32
	Vocab                                int        // 320, at least that with Tokenizer
	Context, Window                      int        // 512; none
	Experts, Used, ExpertFFN, SharedFFN  int        // 0: dense; 2, 48, and for qwen2moe 80
	Tied, Biases, Tokenizer, RopeFactors bool
	Seed                                 uint64
	KVs                                  []gguf.KV // further metadata
}

func (s *Spec) defaults() {
	for _, d := range []struct {
		p *int
		v int
	}{{&s.Layers, 2}, {&s.Hidden, 64}, {&s.FFN, 96}, {&s.Heads, 4}, {&s.KVHeads, 2}, {&s.HeadDim, 32}, {&s.Vocab, 320}, {&s.Context, 512}} {
		if *d.p == 0 {
			*d.p = d.v
		}
	}
	if s.Arch == "" {
		s.Arch = "llama"
	}
	if s.Experts > 0 {
		s.Used, s.ExpertFFN = cmp.Or(s.Used, 2), cmp.Or(s.ExpertFFN, 48)
		if s.Arch == "llama" {
			s.ExpertFFN = s.FFN
		}
	}
	if s.Arch == "qwen2moe" {
		s.SharedFFN = cmp.Or(s.SharedFFN, 80)
	}
}

// Write writes the model into the test's temporary folder.
func Write(t testing.TB, s Spec) string {
	t.Helper()
	s.defaults()
	a, ok := arch.Lookup(s.Arch)
	if !ok {
		t.Fatalf("architecture %q", s.Arch)
	}
	var named []arch.Named
	l := gguf.Layout{KVs: s.metadata()}
	d := arch.Dims{Hidden: s.Hidden, FFN: s.FFN, Heads: s.Heads, KVHeads: s.KVHeads, HeadDim: s.HeadDim, Vocab: s.Vocab, Layers: s.Layers,
		Experts: s.Experts, ExpertFFN: s.ExpertFFN, SharedFFN: s.SharedFFN}
	for _, n := range a.Expand(d) {
		if s.skip(n) {
			continue
		}
		named = append(named, n)
		l.Tensors = append(l.Tensors, s.info(n, d))
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	w, err := gguf.Create(path, l, true)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	rng := rand.New(rand.NewPCG(s.Seed, 99))
	for i, n := range named {
		if err := s.fill(w, i, n, l.Tensors[i], rng); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *Spec) skip(n arch.Named) bool {
	switch {
	case n.Name == "rope_freqs.weight":
		return !s.RopeFactors
	case n.Name == "output.weight":
		return s.Tied
	}
	return n.Optional && strings.HasSuffix(n.Name, ".bias") && !s.Biases
}

func (s *Spec) info(n arch.Named, d arch.Dims) gguf.TensorInfo {
	shape := n.Shape(d) // rows first
	i := gguf.TensorInfo{Name: n.Name, Type: s.Type}
	for k := range shape {
		i.Dims = append(i.Dims, uint64(shape[len(shape)-1-k]))
	}
	if n.Vector || n.Axes[0] == arch.Experts && !n.Stacked() { // a router stays exact
		i.Type = quant.F32
	}
	return i
}

// fill writes random rows: norms around 1, matrices of a scale that keeps the
// stream's size.
func (s *Spec) fill(w *gguf.Writer, i int, n arch.Named, info gguf.TensorInfo, rng *rand.Rand) error {
	cols, rows := int(info.Dims[0]), 1
	for _, n := range info.Dims[1:] {
		rows *= int(n)
	}
	size, ok := info.Type.RowBytes(cols)
	if !ok {
		return fmt.Errorf("tensor %q: %d columns of %v", info.Name, cols, info.Type)
	}
	x, b := make([]float32, cols), make([]byte, size)
	scale := 1.5 / math.Sqrt(float64(cols))
	for r := range rows {
		for c := range x {
			x[c] = float32(rng.NormFloat64() * scale)
			switch {
			case n.Name == "rope_freqs.weight":
				x[c] = 1 + 3*rng.Float32()
			case n.Vector && strings.Contains(n.Name, "norm"):
				x[c] = 1 + 0.2*float32(rng.NormFloat64())
			case n.Name == "token_embd.weight" || n.Vector:
				x[c] = float32(rng.NormFloat64() * 0.5)
			}
		}
		if err := quant.Encode(info.Type, b, x); err != nil {
			return err
		}
		if err := w.WriteAt(i, int64(r)*int64(size), b); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) metadata() []gguf.KV {
	key := func(k string) string { return arch.Key(k, s.Arch) }
	u := func(k string, v int) gguf.KV { return gguf.KV{Key: key(k), Value: gguf.Uint32(uint32(v))} }
	kvs := []gguf.KV{
		{Key: arch.KeyArch, Value: gguf.String(s.Arch)},
		u(arch.KeyLayers, s.Layers), u(arch.KeyHidden, s.Hidden), u(arch.KeyFFN, s.FFN),
		u(arch.KeyHeads, s.Heads), u(arch.KeyKVHeads, s.KVHeads), u(arch.KeyContext, s.Context),
		u(arch.KeyHeadDim, s.HeadDim), u(arch.KeyValueDim, s.HeadDim), u(arch.KeyRot, s.HeadDim),
		{Key: key(arch.KeyEps), Value: gguf.Float32(1e-5)},
	}
	if s.Window > 0 {
		kvs = append(kvs, u(arch.KeyWindow, s.Window))
	}
	if s.Experts > 0 {
		kvs = append(kvs, u(arch.KeyExperts, s.Experts), u(arch.KeyExpertsUsed, s.Used), u(arch.KeyExpertFFN, s.ExpertFFN))
	}
	if s.SharedFFN > 0 {
		kvs = append(kvs, u(arch.KeySharedFFN, s.SharedFFN))
	}
	if s.Tokenizer {
		kvs = append(kvs, tokenizerKVs()...)
	}
	return append(kvs, s.KVs...)
}

// Words are the pieces of the test tokenizer that are more than a byte; their
// ids begin at 259.
var Words = []string{
	"▁", "▁the", "▁cat", "▁sat", "▁on", "a", "e", "i", "o", "t", "h", "n", "s", "c", "m", "▁t", "he", "▁c", "at", "▁s", "▁o",
	"▁m", "▁th", "▁ca", "▁sa", "▁ma", "▁mat", ".", "▁a", "▁b", "b", "u", "r", "l", "d", "▁d", "▁do", "▁dog", "g", "x", "y",
	"z", "é", "中", "ll", "an", "▁an", "nd", "▁and", "er", "▁f", "f", "p", "k", "v", "w", "▁w", "q", "j", "in", "ing",
}

// tokenizerKVs is a SentencePiece BPE of 320 pieces: <unk>, <s>, </s>, the 256
// bytes and Words. Id 2 ends a text.
func tokenizerKVs() []gguf.KV {
	tokens := []string{"<unk>", "<s>", "</s>"}
	types := []int32{2, 3, 3}
	for i := range 256 {
		tokens, types = append(tokens, fmt.Sprintf("<0x%02X>", i)), append(types, 6)
	}
	for _, w := range Words {
		tokens, types = append(tokens, w), append(types, 1)
	}
	scores := make([]float32, len(tokens))
	for i := range tokens {
		if i >= 259 {
			scores[i] = float32(259 - i)
		}
	}
	return []gguf.KV{
		{Key: "tokenizer.ggml.model", Value: gguf.String("llama")},
		{Key: "tokenizer.ggml.tokens", Value: gguf.Strings(tokens)},
		{Key: "tokenizer.ggml.scores", Value: gguf.Float32s(scores)},
		{Key: "tokenizer.ggml.token_type", Value: gguf.Int32s(types)},
		{Key: "tokenizer.ggml.bos_token_id", Value: gguf.Uint32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: gguf.Uint32(2)},
		{Key: "tokenizer.ggml.add_bos_token", Value: gguf.Bool(true)},
	}
}
