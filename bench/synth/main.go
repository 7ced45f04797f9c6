// Command synth writes a Qwen2-shaped checkpoint with random BF16 weights, for
// measurements on sizes whose real weights are not at hand. It is a measuring
// tool: nothing in the project imports it.
//
//	go run ./bench/synth -preset 0.5b -tokenizer testdata/tinystories-qwen2 -o /tmp/half
//	go run ./bench/synth -preset 3gb  -tokenizer testdata/tinystories-qwen2 -o /tmp/three
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// shape is the part of a Qwen2 config that fixes the tensors.
type shape struct {
	Hidden, FFN, Layers, Heads, KVHeads, Vocab int
	Tied                                       bool
}

// presets: "0.5b" is Qwen2.5-0.5B; "1024" has rows that are multiples of 256;
// "3gb" has an embedding of 614 MB, larger than a 512 MiB limit; "min" is 25 MB;
// "31m" is the student of bench/torch.
var presets = map[string]shape{
	"0.5b": {896, 4864, 24, 14, 2, 151936, true},
	"1024": {1024, 3072, 24, 16, 4, 151936, true},
	"3gb":  {1536, 8960, 20, 12, 2, 200064, false},
	"min":  {256, 1024, 4, 4, 2, 20000, false},
	"31m":  {512, 1376, 8, 8, 4, 16384, true},
}

// tensor is one entry of a shard; norm weights are written as ones.
type tensor struct {
	name string
	dims []int
	norm bool
}

func main() {
	preset := flag.String("preset", "min", "0.5b, 1024, 3gb, min or 31m")
	tok := flag.String("tokenizer", "testdata/tinystories-qwen2", "folder whose tokenizer files are copied")
	out := flag.String("o", "", "folder to write")
	shard := flag.Int64("shard", 1<<30, "bytes per shard")
	flag.Parse()
	s, ok := presets[*preset]
	if !ok || *out == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(s, *tok, *out, *shard); err != nil {
		fmt.Fprintln(os.Stderr, "synth: error:", err)
		os.Exit(1)
	}
}

func write(s shape, tok, out string, limit int64) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, f := range []string{"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "generation_config.json", "special_tokens_map.json"} {
		b, err := os.ReadFile(filepath.Join(tok, f))
		if os.IsNotExist(err) {
			continue
		} else if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(out, f), b, 0o644); err != nil {
			return err
		}
	}
	if err := writeJSON(filepath.Join(out, "config.json"), s.config()); err != nil {
		return err
	}
	shards := split(s.tensors(), limit)
	weights := map[string]string{}
	seed := uint64(1)
	for i, ts := range shards {
		name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
		if err := writeShard(filepath.Join(out, name), ts, &seed); err != nil {
			return err
		}
		for _, t := range ts {
			weights[t.name] = name
		}
	}
	return writeJSON(filepath.Join(out, "model.safetensors.index.json"), map[string]any{"metadata": map[string]any{}, "weight_map": weights})
}

func (s shape) config() map[string]any {
	return map[string]any{
		"architectures": []string{"Qwen2ForCausalLM"}, "model_type": "qwen2", "hidden_act": "silu", "hidden_size": s.Hidden,
		"intermediate_size": s.FFN, "num_hidden_layers": s.Layers, "num_attention_heads": s.Heads, "num_key_value_heads": s.KVHeads,
		"vocab_size": s.Vocab, "tie_word_embeddings": s.Tied, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
		"rope_theta": 1e6, "torch_dtype": "bfloat16", "use_sliding_window": false,
	}
}

func (s shape) tensors() []tensor {
	kv := s.Hidden / s.Heads * s.KVHeads
	ts := []tensor{{"model.embed_tokens.weight", []int{s.Vocab, s.Hidden}, false}}
	for i := range s.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		ts = append(ts,
			tensor{p + "input_layernorm.weight", []int{s.Hidden}, true},
			tensor{p + "self_attn.q_proj.weight", []int{s.Hidden, s.Hidden}, false}, tensor{p + "self_attn.q_proj.bias", []int{s.Hidden}, false},
			tensor{p + "self_attn.k_proj.weight", []int{kv, s.Hidden}, false}, tensor{p + "self_attn.k_proj.bias", []int{kv}, false},
			tensor{p + "self_attn.v_proj.weight", []int{kv, s.Hidden}, false}, tensor{p + "self_attn.v_proj.bias", []int{kv}, false},
			tensor{p + "self_attn.o_proj.weight", []int{s.Hidden, s.Hidden}, false},
			tensor{p + "post_attention_layernorm.weight", []int{s.Hidden}, true},
			tensor{p + "mlp.gate_proj.weight", []int{s.FFN, s.Hidden}, false}, tensor{p + "mlp.up_proj.weight", []int{s.FFN, s.Hidden}, false},
			tensor{p + "mlp.down_proj.weight", []int{s.Hidden, s.FFN}, false})
	}
	ts = append(ts, tensor{"model.norm.weight", []int{s.Hidden}, true})
	if !s.Tied {
		ts = append(ts, tensor{"lm_head.weight", []int{s.Vocab, s.Hidden}, false})
	}
	return ts
}

func (t tensor) bytes() int64 {
	n := int64(2)
	for _, d := range t.dims {
		n *= int64(d)
	}
	return n
}

func split(ts []tensor, limit int64) [][]tensor {
	var shards [][]tensor
	var cur []tensor
	var size int64
	for _, t := range ts {
		if len(cur) > 0 && size+t.bytes() > limit {
			shards, cur, size = append(shards, cur), nil, 0
		}
		cur, size = append(cur, t), size+t.bytes()
	}
	return append(shards, cur)
}

func writeShard(path string, ts []tensor, seed *uint64) (err error) {
	head := map[string]any{}
	var off int64
	for _, t := range ts {
		head[t.name] = map[string]any{"dtype": "BF16", "shape": t.dims, "data_offsets": []int64{off, off + t.bytes()}}
		off += t.bytes()
	}
	h, err := json.Marshal(head)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(h)))); err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	for _, t := range ts {
		if err := fill(w, t, seed); err != nil {
			return err
		}
	}
	return w.Flush()
}

// fill writes values of a triangular distribution with the standard deviation
// 1/sqrt(columns), so that activations keep their size through the layers.
func fill(w *bufio.Writer, t tensor, seed *uint64) error {
	scale := 2.449 / 65536 / math.Sqrt(float64(t.dims[len(t.dims)-1]))
	var buf [2]byte
	for range t.bytes() / 2 {
		bits := uint16(0x3f80)
		if !t.norm {
			*seed ^= *seed << 13
			*seed ^= *seed >> 7
			*seed ^= *seed << 17
			v := float64(int32(*seed&0xffff)-int32(*seed>>16&0xffff)) * scale
			bits = uint16(math.Float32bits(float32(v)) >> 16)
		}
		binary.LittleEndian.PutUint16(buf[:], bits)
		if _, err := w.Write(buf[:]); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
