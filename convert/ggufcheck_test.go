package convert

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// edited writes a GGUF of tinyLlama with other metadata and, where dims has a
// tensor's name, another shape of as many weights.
func edited(t *testing.T, architecture string, kv map[string]gguf.Value, dims map[string][]uint64) string {
	t.Helper()
	b, _ := run(t, Options{Source: tinyLlama(20).write(t, "F32"), Type: "f32"})
	f, err := gguf.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	var l gguf.Layout
	for _, x := range f.KVs() {
		key := strings.Replace(x.Key, "llama.", architecture+".", 1)
		if v, ok := kv[key]; ok {
			x.Value = v
			delete(kv, key)
		}
		if key == arch.KeyArch {
			x.Value = gguf.String(architecture)
		}
		l.KVs = append(l.KVs, gguf.KV{Key: key, Value: x.Value})
	}
	for k, v := range kv {
		l.KVs = append(l.KVs, gguf.KV{Key: k, Value: v})
	}
	for _, x := range f.Tensors() {
		d := x.Dims
		if dims[x.Name] != nil {
			d = dims[x.Name]
		}
		l.Tensors = append(l.Tensors, gguf.TensorInfo{Name: x.Name, Type: x.Type, Dims: d})
	}
	path := filepath.Join(t.TempDir(), "edited.gguf")
	w, err := gguf.Create(path, l, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range f.Tensors() {
		data, err := x.Data()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteAt(i, 0, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNonsenseGGUF: what the loader would refuse is refused before it is
// converted, and by Inspect.
func TestNonsenseGGUF(t *testing.T) {
	u, f := gguf.Uint32, gguf.Float32
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		key string
		v   gguf.Value
	}{
		{"llama.attention.head_count", u(0)},
		{"llama.attention.head_count", u(math.MaxUint32)},
		{"llama.block_count", u(0)},
		{"llama.embedding_length", u(0)},
		{"llama.feed_forward_length", u(0)},
		{"llama.attention.key_length", u(0)},
		{"llama.vocab_size", u(0)},
		{"llama.vocab_size", u(21)},
		{"llama.rope.dimension_count", u(0)},
		{"llama.rope.freq_base", f(nan)},
		{"llama.rope.freq_base", f(inf)},
		{"llama.rope.freq_base", f(-1)},
		{"llama.attention.layer_norm_rms_epsilon", f(nan)},
		{"llama.attention.layer_norm_rms_epsilon", f(inf)},
		{"llama.attention.layer_norm_rms_epsilon", f(-1)},
		{"llama.context_length", u(0)},
		{"tokenizer.ggml.eos_token_id", u(1 << 30)},
		{"tokenizer.ggml.bos_token_id", u(20)},
		{"tokenizer.ggml.eot_token_id", u(20)},
		{"tokenizer.ggml.padding_token_id", gguf.Int32(-2)},
		{"tokenizer.ggml.padding_token_id", gguf.String("0")},
		{"general.sampling.temp", f(nan)},
		{"general.sampling.top_p", f(inf)},
	} {
		src := edited(t, "llama", map[string]gguf.Value{c.key: c.v}, nil)
		refused(t, src, c.key)
	}
	refused(t, edited(t, "llama", map[string]gguf.Value{"llama.block_count": u(3)}, nil), "blk.2.")
	refused(t, edited(t, "llama", nil, map[string][]uint64{"output_norm.weight": {32, 2}}), "output_norm.weight")
	refused(t, edited(t, "llama", map[string]gguf.Value{"tokenizer.ggml.tokens": gguf.Strings(make([]string, 21))}, nil), "tokenizer.ggml.tokens")
}

func refused(t *testing.T, src, says string) {
	t.Helper()
	tmp := t.TempDir()
	if _, err := Quantize(context.Background(), Options{Source: src, Out: filepath.Join(tmp, "o.gguf"), Type: "q8_0"}); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("quantize: got %v, want an error about %s", err, says)
	}
	if e, _ := os.ReadDir(tmp); len(e) != 0 {
		t.Errorf("%s: %v is left", says, e)
	}
	if _, err := Inspect(src); err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("inspect: got %v, want an error about %s", err, says)
	}
}

// TestUnknownArchitecture: names and sizes that no table has are kept; what is
// nonsense anywhere is refused.
func TestUnknownArchitecture(t *testing.T) {
	none := map[string]gguf.Value{"tokenizer.ggml.eot_token_id": gguf.Uint32(noID), "mamba.attention.head_count": gguf.Uint32(0)}
	src := edited(t, "mamba", none, nil)
	if _, r := run(t, Options{Source: src, Type: "q8_0"}); r.Arch != "mamba" {
		t.Errorf("architecture %q", r.Arch)
	}
	i, err := Inspect(src)
	if err != nil || i.Architecture != "mamba" || len(i.Warnings) != 1 || i.Memory.Context != 0 {
		t.Errorf("got %+v, %v, want a warning about mamba", i, err)
	}
	run(t, Options{Source: edited(t, "llama", map[string]gguf.Value{"tokenizer.ggml.eot_token_id": gguf.Uint32(noID), "tokenizer.ggml.padding_token_id": gguf.Int32(-1)}, nil), Type: "q8_0"})
	refused(t, edited(t, "mamba", map[string]gguf.Value{"general.sampling.min_p": gguf.Float32(float32(math.NaN()))}, nil), "min_p")
	refused(t, edited(t, "mamba", map[string]gguf.Value{"tokenizer.ggml.tokens": gguf.Strings([]string{"a", "b", "c"}), "tokenizer.ggml.eot_token_id": gguf.Uint32(3)}, nil), "eot_token_id")
}
