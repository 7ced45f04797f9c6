package convert

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// TestBadInput: every class of damage is a one-line error that says what and
// where, and leaves no file.
func TestBadInput(t *testing.T) {
	edit := func(f func(c *ckpt)) func(t *testing.T) string {
		return func(t *testing.T) string {
			c := tinyLlama(20)
			f(c)
			return c.write(t, "F32")
		}
	}
	config := func(key string, v any) func(t *testing.T) string {
		return edit(func(c *ckpt) { c.config[key] = v })
	}
	header := func(f func(h map[string]map[string]any)) func(t *testing.T) string {
		return func(t *testing.T) string {
			c := tinyLlama(20)
			b := c.safetensors("F32", c.names())
			n := binary.LittleEndian.Uint64(b)
			h := map[string]map[string]any{}
			if err := json.Unmarshal(b[8:8+n], &h); err != nil {
				t.Fatal(err)
			}
			f(h)
			j, _ := json.Marshal(h)
			dir := t.TempDir()
			c.put(t, dir, "config.json", c.configJSON())
			c.put(t, dir, "model.safetensors", append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(j))), j...), b[8+n:]...))
			return dir
		}
	}
	file := func(name string, b []byte) func(t *testing.T) string {
		return func(t *testing.T) string {
			c := tinyLlama(20)
			dir := t.TempDir()
			c.put(t, dir, "config.json", c.configJSON())
			c.put(t, dir, name, b)
			return dir
		}
	}
	good := tinyLlama(20)
	st := good.safetensors("F32", good.names())
	const q = "model.layers.0.self_attn.q_proj.weight"
	for _, c := range []struct {
		name string
		src  func(t *testing.T) string
		want string
	}{
		{"no such folder", func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }, "no such file"},
		{"empty folder", func(t *testing.T) string { return t.TempDir() }, "no weights"},
		{"empty file", file("model.safetensors", nil), "empty"},
		{"truncated", file("model.safetensors", st[:len(st)-5]), "offset"},
		{"header cut", file("model.safetensors", st[:40]), "header length"},
		{"header of 2^63", file("model.safetensors", append(binary.LittleEndian.AppendUint64(nil, 1<<63), "{}"...)), "limit"},
		{"offset past the end", header(func(h map[string]map[string]any) { h[q]["data_offsets"] = []int64{1 << 40, 1<<40 + 16384} }), q},
		{"overlap", header(func(h map[string]map[string]any) {
			h[q]["data_offsets"] = h["model.layers.0.self_attn.o_proj.weight"]["data_offsets"]
		}), "inside the tensor before"},
		{"shape of 2^80", header(func(h map[string]map[string]any) { h[q]["shape"] = []int64{1 << 40, 1 << 40} }), "too large"},
		{"negative shape", header(func(h map[string]map[string]any) { h[q]["shape"] = []int64{-1, 4} }), "shape holds -1"},
		{"shape and bytes differ", header(func(h map[string]map[string]any) { h[q]["shape"] = []int64{3} }), "needs 12 bytes"},
		{"unknown dtype", header(func(h map[string]map[string]any) { h[q]["dtype"] = "F7" }), `unknown dtype "F7"`},
		{"integer weights", header(func(h map[string]map[string]any) { h[q]["dtype"] = "I32" }), "element type I32 cannot be converted"},
		{"tensor missing", edit(func(c *ckpt) { delete(c.tensors, q) }), q + `" is missing`},
		{"lm_head missing", edit(func(c *ckpt) { delete(c.tensors, "lm_head.weight") }), "tie_word_embeddings"},
		{"unknown tensor", edit(func(c *ckpt) { c.tensors["model.extra"] = mat{[]int{1}, []float32{1}} }), `"model.extra" has no place`},
		{"bias without attention_bias", edit(func(c *ckpt) {
			c.tensors["model.layers.0.self_attn.q_proj.bias"] = mat{[]int{64}, make([]float32, 64)}
		}), "has no place"},
		{"wrong shape", edit(func(c *ckpt) { c.tensors[q] = mat{[]int{32, 64}, make([]float32, 2048)} }), "config.json asks for [64 64]"},
		{"NaN", edit(func(c *ckpt) { c.tensors[q].v[3*64+5] = float32(math.NaN()) }), q + `": weight [3, 5] is NaN`},
		{"Inf in a norm", edit(func(c *ckpt) { c.tensors["model.norm.weight"].v[7] = float32(math.Inf(1)) }), "weight [0, 7] is +Inf"},
		{"no config", func(t *testing.T) string {
			d := t.TempDir()
			good.put(t, d, "model.safetensors", st)
			return d
		}, "no config.json"},
		{"config is no JSON", func(t *testing.T) string {
			d := t.TempDir()
			good.put(t, d, "model.safetensors", st)
			good.put(t, d, "config.json", []byte("nope"))
			return d
		}, "config.json: no JSON object"},
		{"model type", config("model_type", "falcon"), `field "model_type": "falcon"`},
		{"class", config("architectures", []string{"LlamaForSequenceClassification"}), `"LlamaForSequenceClassification"`},
		{"activation", config("hidden_act", "gelu"), `field "hidden_act": "gelu"`},
		{"hidden 0", config("hidden_size", 0), `field "hidden_size"`},
		{"hidden a string", config("hidden_size", "64"), `field "hidden_size"`},
		{"heads 2^40", config("num_attention_heads", int64(1)<<40), `field "num_attention_heads"`},
		{"heads not divisible", config("num_key_value_heads", 3), `field "num_key_value_heads"`},
		{"layers 4000", config("num_hidden_layers", 4000), `field "num_hidden_layers"`},
		{"rope type", config("rope_scaling", map[string]any{"rope_type": "longrope", "factor": 2}), `"longrope"`},
		{"rope factor", config("rope_scaling", map[string]any{"type": "linear"}), `field "rope_scaling.factor": is missing`},
		{"eps", config("rms_norm_eps", -1), `field "rms_norm_eps"`},
		{"eos", config("eos_token_id", 20), `field "eos_token_id"`},
		{"quantized", config("quantization_config", map[string]any{"quant_method": "gptq", "bits": 4}), `method "gptq"`},
		{"tokenizer incomplete", func(t *testing.T) string {
			d := tinyLlama(20).write(t, "F32")
			good.put(t, d, "tokenizer_config.json", []byte("{}"))
			return d
		}, "tokenizer is incomplete"},
		{"two files without an index", func(t *testing.T) string {
			d := t.TempDir()
			good.put(t, d, "a.safetensors", st)
			good.put(t, d, "b.safetensors", st)
			return d
		}, "without an index"},
		{"shard missing", func(t *testing.T) string {
			d := tinyLlama(20).shards(t, "F32")
			if err := os.Remove(filepath.Join(d, "model-00002-of-00003.safetensors")); err != nil {
				t.Fatal(err)
			}
			return d
		}, `"model-00002-of-00003.safetensors" is missing`},
		{"one shard", func(t *testing.T) string {
			return filepath.Join(tinyLlama(20).shards(t, "F32"), "model-00001-of-00003.safetensors")
		}, "one shard of a checkpoint"},
		{"more ids than rows", func(t *testing.T) string {
			d := tinyLlama(20).write(t, "F32")
			b, err := os.ReadFile(testdata.Shared(t, "goldens", "models", "qwen2-tiny", "checkpoint", "tokenizer.json"))
			if err != nil {
				t.Fatal(err)
			}
			good.put(t, d, "tokenizer.json", b)
			return d
		}, "20"},
		{"index names an unknown tensor", index("model.ghost", "model-00001-of-00003.safetensors"), `"model.ghost" is not in shard`},
		{"index leaves the folder", index(q, "../x.safetensors"), "no plain name"},
		{"gzip cut", file("model.safetensors.gz", gz(t, st)[:200]), "unexpected EOF"},
		{"gzip of a broken header", file("model.safetensors.gz", append([]byte("\x1f\x8b\x07"), make([]byte, 40)...)), "model.safetensors.gz: gzip: invalid header"},
		{"zstd of a broken header", file("model.safetensors.zst", append([]byte("\x28\xb5\x2f\xfd\xff"), make([]byte, 40)...)), "model.safetensors.zst: zstd: "},
		{"gzip of HTML", file("model.safetensors.gz", gz(t, []byte("<!DOCTYPE html><html>"))), "an HTML page"},
		{"zstd cut", file("model.safetensors.zst", zst(t, st)[:200]), "zstd"},
		{"zstd twice", file("model.safetensors.zst", zst(t, zst(t, st))), "compressed twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tmp := t.TempDir()
			_, err := Quantize(context.Background(), Options{Source: c.src(t), Out: filepath.Join(tmp, "out.gguf"), Type: "q8_0"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %s", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), "gzip: gzip:") || strings.Contains(err.Error(), "zstd: zstd:")) {
				t.Errorf("%v says its format twice", err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
			if e, _ := os.ReadDir(tmp); len(e) != 0 {
				t.Errorf("%v is left", e)
			}
		})
	}
}

// index makes shards whose index has one more entry.
func index(name, file string) func(t *testing.T) string {
	return func(t *testing.T) string {
		d := tinyLlama(20).shards(t, "F32")
		p := filepath.Join(d, "model.safetensors.index.json")
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		x := map[string]map[string]any{}
		if err := json.Unmarshal(b, &x); err != nil {
			t.Fatal(err)
		}
		x["weight_map"][name] = file
		b, _ = json.Marshal(x)
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return d
	}
}

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zst(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestBadOptions(t *testing.T) {
	dir := tinyLlama(20).write(t, "F32")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Type: "q9_9"}, `type "q9_9": no such type (there are:`},
		{Options{Type: "q4_k_m"}, "no encoder yet"},
		{Options{Type: "i8"}, "no encoder yet"},
		{Options{Type: "q8_0", MaxMemory: 1 << 20}, "memory limit"},
		{Options{Type: "q8_0", Threads: -1}, "threads"},
		{Options{Type: "q8_0", TensorTypes: []Rule{{"(", "f16"}}}, "missing closing )"},
		{Options{Type: "q8_0", TensorTypes: []Rule{{"attn_z", "f16"}}}, "matches no matrix"},
		{Options{Type: "q8_0", TensorTypes: []Rule{{"attn_norm", "f16"}}}, "matches no matrix"},
		{Options{Type: "q8_0", TensorTypes: []Rule{{"attn_q", "q7"}}}, "no such type"},
	} {
		c.o.Source, c.o.Out = dir, filepath.Join(t.TempDir(), "o.gguf")
		if _, err := Quantize(context.Background(), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want an error with %s", c.o, err, c.want)
		}
	}
}

// TestAllowNonFinite: the same weights are written when that is asked for, and
// a value that only the target cannot hold is refused too.
func TestAllowNonFinite(t *testing.T) {
	c := tinyLlama(20)
	c.tensors["model.layers.1.self_attn.k_proj.weight"].v[17*64+2] = float32(math.NaN())
	dir := c.write(t, "F32")
	_, err := Quantize(context.Background(), Options{Source: dir, Out: filepath.Join(t.TempDir(), "o.gguf"), Type: "q8_0"})
	nf := new(NonFiniteError)
	if !errors.As(err, &nf) || nf.Row != 17 || nf.Col != 2 || nf.Tensor != "model.layers.1.self_attn.k_proj.weight" {
		t.Errorf("got %v, want row 17, column 2 of the permuted k_proj", err)
	}
	run(t, Options{Source: dir, Type: "q8_0", AllowNonFinite: true})

	c = tinyLlama(20)
	c.tensors["lm_head.weight"].v[70] = 7e4
	if _, err := Quantize(context.Background(), Options{Source: c.write(t, "F32"), Out: filepath.Join(t.TempDir(), "o.gguf"), Type: "f16"}); err == nil || !strings.Contains(err.Error(), "too large for F16") {
		t.Errorf("got %v, want an error about F16", err)
	}
	run(t, Options{Source: c.write(t, "F32"), Type: "q8_0"})
}

func TestSniff(t *testing.T) {
	llama2c := make([]byte, 28)
	for i, v := range []uint32{64, 172, 5, 8, 4, 512, 512} {
		binary.LittleEndian.PutUint32(llama2c[4*i:], v)
	}
	tar := make([]byte, 512)
	copy(tar, "model.safetensors")
	copy(tar[257:], "ustar")
	for _, c := range []struct {
		name string
		head string
		size int64
		want string // kind, or part of the error
	}{
		{"gguf", "GGUF\x03\x00\x00\x00", 100, "gguf"},
		{"safetensors", "\x10\x00\x00\x00\x00\x00\x00\x00{\"a\":", 100, "safetensors"},
		{"safetensors with a header length that looks like text", "{\x00\x00\x00\x00\x00\x00\x00{\"a\":", 300, "safetensors"},
		{"torch zip", "PK\x03\x04", 100, "torch"},
		{"torch legacy", "\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", 100, "torch"},
		{"gzip", "\x1f\x8b\x08", 100, "gzip"},
		{"zstd", "\x28\xb5\x2f\xfd", 100, "zstd"},
		{"zstd skippable", "\x5a\x2a\x4d\x18", 100, "zstd"},
		{"lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:", 130, "Git LFS pointer"},
		{"html", "\n <!DOCTYPE HTML><html>", 900, "HTML page"},
		{"xml", "<?xml version=\"1.0\"?><Error>", 900, "XML"},
		{"json", `{"error":"not found"}`, 21, "JSON text"},
		{"ggjt", "tjgg\x03\x00\x00\x00", 100, "ggjt"},
		{"llama2.c", string(llama2c), 1056540, "llama2.c"},
		{"llama2.c v1", "24ka\x01\x00\x00\x00", 100, "llama2.c"},
		{"onnx", "\x08\x08\x12\x07pytorch", 100, "ONNX"},
		{"tar", string(tar), 1024, "tar archive"},
		{"zeros", string(make([]byte, 512)), 1024, "begins with zeros"},
		{"npy", "\x93NUMPY\x01\x00", 100, "NumPy"},
		{"noise", "\x01\x02\x03\x04abcdefgh", 100, "no format that is known"},
	} {
		k, err := sniff([]byte(c.head), c.size)
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && string(k) != c.want {
			t.Errorf("%s: got %q, %v; want %s", c.name, k, err, c.want)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("GGUF"), int64(4))
	f.Add([]byte("\x10\x00\x00\x00\x00\x00\x00\x00{}"), int64(26))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		if k, err := sniff(b, size); (k == "") == (err == nil) {
			t.Errorf("kind %q with error %v", k, err)
		}
	})
}
