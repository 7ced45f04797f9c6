package arch_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
)

// model is a tiny file of an architecture; edit changes its metadata first.
func model(t *testing.T, name string, d arch.Dims, edit func(kv map[string]gguf.Value), drop ...string) *gguf.File {
	t.Helper()
	kv := map[string]gguf.Value{
		arch.KeyArch:    gguf.String(name),
		arch.KeyContext: gguf.Uint32(2048), arch.KeyHidden: gguf.Uint32(uint32(d.Hidden)), arch.KeyLayers: gguf.Uint32(uint32(d.Layers)),
		arch.KeyFFN: gguf.Uint32(uint32(d.FFN)), arch.KeyHeads: gguf.Uint32(uint32(d.Heads)), arch.KeyKVHeads: gguf.Uint32(uint32(d.KVHeads)),
		arch.KeyEps: gguf.Float32(1e-5), arch.KeyHeadDim: gguf.Uint32(uint32(d.HeadDim)), arch.KeyValueDim: gguf.Uint32(uint32(d.HeadDim)),
	}
	if edit != nil {
		edit(kv)
	}
	var l gguf.Layout
	for k, v := range kv {
		l.KVs = append(l.KVs, gguf.KV{Key: arch.Key(k, name), Value: v})
	}
	a, ok := arch.Lookup(name)
	if !ok {
		a, _ = arch.Lookup("llama")
	}
	for _, n := range a.Expand(d) {
		if n.Optional {
			continue
		}
		s := n.Shape(d)
		dims := []uint64{uint64(s[len(s)-1])}
		if len(s) == 2 {
			dims = append(dims, uint64(s[0]))
		}
		for _, x := range drop {
			if x == n.Name {
				dims = nil
			}
		}
		if dims != nil {
			l.Tensors = append(l.Tensors, gguf.TensorInfo{Name: n.Name, Type: quant.F32, Dims: dims})
		}
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	w, err := gguf.Create(path, l, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range l.Tensors {
		n := 4
		for _, d := range x.Dims {
			n *= int(d)
		}
		if err := w.WriteAt(i, 0, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var small = arch.Dims{Hidden: 64, FFN: 96, Heads: 4, KVHeads: 2, HeadDim: 16, Vocab: 50, Layers: 2}

func TestReadHyper(t *testing.T) {
	f := model(t, "qwen2", small, func(kv map[string]gguf.Value) {
		delete(kv, arch.KeyHeadDim)
		delete(kv, arch.KeyValueDim)
		kv[arch.KeyName] = gguf.String("tiny")
		kv[arch.KeyTheta] = gguf.Float32(1e6)
		kv[arch.KeyScaling] = gguf.String("yarn")
		kv[arch.KeyFactor] = gguf.Float32(4)
		kv[arch.KeyOrigContext] = gguf.Uint32(512)
		kv[arch.KeyWindow] = gguf.Uint32(128)
	})
	h, err := arch.ReadHyper(f)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := arch.Lookup("qwen2")
	want := arch.Hyper{Arch: a, Name: "tiny", Layers: 2, Hidden: 64, FFN: 96, Heads: 4, KVHeads: 2, HeadDim: 16, Rot: 16, Vocab: 50, Context: 2048, Window: 128, Eps: 1e-5, Tied: true,
		Rope: arch.Rope{Theta: 1e6, Scaling: "yarn", Factor: 4, OrigContext: 512, AttnFactor: 1, ExtFactor: 1, BetaFast: 32, BetaSlow: 1}}
	if h != want {
		t.Errorf("got %+v, want %+v", h, want)
	}
	if err := a.CheckFile(f, h); err != nil {
		t.Error(err)
	}
}

func TestReadHyperDefaults(t *testing.T) {
	f := model(t, "llama", small, func(kv map[string]gguf.Value) {
		kv[arch.KeyKVHeads] = gguf.Int32s([]int32{2, 2})
		kv[arch.KeyScaleLinear] = gguf.Float32(2)
	})
	h, err := arch.ReadHyper(f)
	if err != nil {
		t.Fatal(err)
	}
	if h.KVHeads != 2 || h.Rope.Theta != 10000 || h.Rope.Scaling != "linear" || h.Rope.Factor != 2 || h.Window != 0 || h.Experts != 0 {
		t.Errorf("got %+v", h)
	}
}

func TestReadHyperRefuses(t *testing.T) {
	set := func(key string, v gguf.Value) func(map[string]gguf.Value) {
		return func(kv map[string]gguf.Value) { kv[key] = v }
	}
	u, f := gguf.Uint32, gguf.Float32
	for _, c := range []struct {
		name string
		edit func(map[string]gguf.Value)
		says string
	}{
		{"no architecture", func(kv map[string]gguf.Value) { delete(kv, arch.KeyArch) }, "missing"},
		{"no layers", func(kv map[string]gguf.Value) { delete(kv, arch.KeyLayers) }, `key "llama.block_count" at offset 0: missing`},
		{"0 layers", set(arch.KeyLayers, u(0)), "from 1 to"},
		{"more layers than tensors", set(arch.KeyLayers, u(1<<31)), "from 1 to"},
		{"layers a string", set(arch.KeyLayers, gguf.String("2")), "want an integer"},
		{"layers negative", set(arch.KeyLayers, gguf.Int32(-1)), "want an integer"},
		{"hidden 2^32-1", set(arch.KeyHidden, u(math.MaxUint32)), "from 1 to"},
		{"0 heads", set(arch.KeyHeads, u(0)), "from 1 to"},
		{"0 kv heads", set(arch.KeyKVHeads, u(0)), "from 1 to"},
		{"3 kv heads", set(arch.KeyKVHeads, u(3)), "do not divide"},
		{"kv heads differ", set(arch.KeyKVHeads, gguf.Int32s([]int32{2, 4})), "differ between layers"},
		{"odd head", set(arch.KeyHeadDim, u(15)), "only the key length 15"},
		{"value length", set(arch.KeyValueDim, u(32)), "only the key length 16"},
		{"rotated more than a head", set(arch.KeyRot, u(32)), "from 2 to 16"},
		{"rotated odd", set(arch.KeyRot, u(7)), "want an even number"},
		{"context 0", set(arch.KeyContext, u(0)), "from 1 to"},
		{"eps NaN", set(arch.KeyEps, f(float32(math.NaN()))), "want a number"},
		{"no eps", func(kv map[string]gguf.Value) { delete(kv, arch.KeyEps) }, "missing"},
		{"theta 0", set(arch.KeyTheta, f(0)), "want a number"},
		{"theta infinite", set(arch.KeyTheta, f(float32(math.Inf(1)))), "want a number"},
		{"scaling unknown", set(arch.KeyScaling, gguf.String("longrope")), `"longrope" is not supported`},
		{"scaling a number", set(arch.KeyScaling, u(1)), "want a string"},
		{"yarn without context", set(arch.KeyScaling, gguf.String("yarn")), "yarn needs it"},
		{"experts without a number of a token's", set(arch.KeyExperts, u(8)), "expert_used_count"},
		{"more experts of a token than there are", func(kv map[string]gguf.Value) { kv[arch.KeyExperts], kv[arch.KeyExpertsUsed] = u(8), u(9) }, "from 1 to 8"},
		{"vocabulary differs", set(arch.KeyVocab, u(51)), "the embedding has 50 rows"},
		{"wide heads", func(kv map[string]gguf.Value) {
			kv[arch.KeyHeads], kv[arch.KeyKVHeads] = u(1<<20), u(1<<20)
		}, "wider than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := arch.ReadHyper(model(t, "llama", small, c.edit))
			var fe *gguf.FormatError
			if !errors.As(err, &fe) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %+v, %v, want %q", h, err, c.says)
			}
		})
	}
	if _, err := arch.ReadHyper(model(t, "gpt2", small, nil)); err == nil || !strings.Contains(err.Error(), "bert, clip, llama, qwen2, qwen2moe, qwen3, qwen3moe") {
		t.Errorf("gpt2: %v", err)
	}
	if _, err := arch.ReadHyper(model(t, "llama", small, nil, "token_embd.weight")); err == nil || !strings.Contains(err.Error(), "token_embd.weight") {
		t.Errorf("no embedding: %v", err)
	}
}

func TestCheckFile(t *testing.T) {
	f := model(t, "llama", small, nil)
	h, err := arch.ReadHyper(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Arch.CheckFile(f, h); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name string
		edit func(*arch.Hyper)
		says string
	}{
		{"shape", func(h *arch.Hyper) { h.FFN = 97 }, "shape [96, 64], want [97, 64]"},
		{"a layer missing", func(h *arch.Hyper) { h.Layers = 3 }, "missing, llama with 3 layers"},
		{"a layer too many", func(h *arch.Hyper) { h.Layers = 1 }, "layer 1 of 1"},
	} {
		g := h
		c.edit(&g)
		if err := h.Arch.CheckFile(f, g); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.says)
		}
	}
	q, _ := arch.Lookup("qwen2")
	if err := q.CheckFile(f, h); err == nil || !strings.Contains(err.Error(), "attn_q.bias") {
		t.Errorf("as qwen2: %v", err)
	}
	wrong := model(t, "llama", small, nil, "blk.1.ffn_up.weight")
	if err := h.Arch.CheckFile(wrong, h); err == nil || !strings.Contains(err.Error(), `"blk.1.ffn_up.weight"`) {
		t.Errorf("without ffn_up: %v", err)
	}
}

func TestStories(t *testing.T) {
	f, err := gguf.Open(testdata.Shared(t, "data", "llm", "stories260K", "stories260K.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := arch.ReadHyper(f)
	if err != nil {
		t.Fatal(err)
	}
	if h.Layers != 5 || h.Hidden != 64 || h.FFN != 172 || h.Heads != 8 || h.KVHeads != 4 || h.HeadDim != 8 || h.Vocab != 512 || h.Tied {
		t.Errorf("got %+v", h)
	}
	if err := h.Arch.CheckFile(f, h); err != nil {
		t.Error(err)
	}
}
