package convert

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

// ckpt is a checkpoint for tests: float32 values that every 16-bit type holds.
type ckpt struct {
	config  map[string]any
	tensors map[string]mat
}

type mat struct {
	shape []int
	v     []float32
}

// tinyLlama has 2 layers, 4 heads over 2 kv heads of 16, hidden 64, ffn 96.
func tinyLlama(vocab int) *ckpt {
	c := &ckpt{config: map[string]any{
		"model_type": "llama", "architectures": []string{"LlamaForCausalLM"}, "hidden_size": 64, "intermediate_size": 96,
		"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": vocab, "max_position_embeddings": 128,
		"rms_norm_eps": 1e-5, "hidden_act": "silu", "eos_token_id": 2, "bos_token_id": 1,
	}, tensors: map[string]mat{}}
	r := rand.New(rand.NewPCG(1, 2))
	add := func(name string, shape ...int) {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.IntN(255)-127) / 128 // 8 bits: exact in BF16 too
		}
		c.tensors[name] = mat{shape, v}
	}
	add("model.embed_tokens.weight", vocab, 64)
	add("lm_head.weight", vocab, 64)
	add("model.norm.weight", 64)
	for l := range 2 {
		p := fmt.Sprintf("model.layers.%d.", l)
		add(p+"input_layernorm.weight", 64)
		add(p+"post_attention_layernorm.weight", 64)
		add(p+"self_attn.q_proj.weight", 64, 64)
		add(p+"self_attn.k_proj.weight", 32, 64)
		add(p+"self_attn.v_proj.weight", 32, 64)
		add(p+"self_attn.o_proj.weight", 64, 64)
		add(p+"mlp.gate_proj.weight", 96, 64)
		add(p+"mlp.up_proj.weight", 96, 64)
		add(p+"mlp.down_proj.weight", 64, 96)
	}
	return c
}

func (c *ckpt) names() []string { return slices.Sorted(maps.Keys(c.tensors)) }

// encode stores values in the named element type.
func encode(dtype string, v []float32) []byte {
	var b []byte
	le := binary.LittleEndian
	for _, x := range v {
		switch dtype {
		case "F64":
			b = le.AppendUint64(b, math.Float64bits(float64(x)))
		case "F32":
			b = le.AppendUint32(b, math.Float32bits(x))
		case "F16":
			b = le.AppendUint16(b, quant.FloatToHalf(x))
		case "BF16":
			b = le.AppendUint16(b, quant.FloatToBF16(x))
		}
	}
	return b
}

// safetensors renders the tensors called names.
func (c *ckpt) safetensors(dtype string, names []string) []byte {
	head := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var data []byte
	for _, n := range names {
		b := encode(dtype, c.tensors[n].v)
		head[n] = map[string]any{"dtype": dtype, "shape": c.tensors[n].shape, "data_offsets": []int{len(data), len(data) + len(b)}}
		data = append(data, b...)
	}
	h, err := json.Marshal(head)
	if err != nil {
		panic(err)
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...), data...)
}

func (c *ckpt) configJSON() []byte {
	b, err := json.Marshal(c.config)
	if err != nil {
		panic(err)
	}
	return b
}

// write makes a folder with config.json and one safetensors file.
func (c *ckpt) write(t testing.TB, dtype string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny-llama")
	c.put(t, dir, "config.json", c.configJSON())
	c.put(t, dir, "model.safetensors", c.safetensors(dtype, c.names()))
	return dir
}

func (c *ckpt) put(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// shards writes the same in three files with an index.
func (c *ckpt) shards(t testing.TB, dtype string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny-llama")
	c.put(t, dir, "config.json", c.configJSON())
	index := map[string]string{}
	names := c.names()
	for i := range 3 {
		file := fmt.Sprintf("model-%05d-of-00003.safetensors", i+1)
		part := names[i*len(names)/3 : (i+1)*len(names)/3]
		for _, n := range part {
			index[n] = file
		}
		c.put(t, dir, file, c.safetensors(dtype, part))
	}
	b, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": index})
	if err != nil {
		t.Fatal(err)
	}
	c.put(t, dir, "model.safetensors.index.json", b)
	return dir
}

// torch renders a zip checkpoint. The matrices that transposed names are stored
// column by column and described by strides, the vectors with two other values
// after each of theirs.
func (c *ckpt) torch(t testing.TB, method uint16, transposed func(string) bool) []byte {
	t.Helper()
	var pkl, out bytes.Buffer
	z := zip.NewWriter(&out)
	str := func(s string) {
		pkl.WriteByte('X')
		pkl.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(s))))
		pkl.WriteString(s)
	}
	num := func(n int) { pkl.Write(binary.LittleEndian.AppendUint32([]byte{'J'}, uint32(n))) }
	put := func(name string, b []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "archive/" + name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	pkl.WriteString("\x80\x02}(")
	for i, n := range c.names() {
		m := c.tensors[n]
		v, strides := m.v, []int{1}
		for k := len(m.shape) - 1; k > 0; k-- {
			strides = append([]int{strides[0] * m.shape[k]}, strides...)
		}
		if len(m.shape) == 2 {
			rows, cols := m.shape[0], m.shape[1]
			strides = []int{cols, 1}
			if transposed(n) {
				v, strides = make([]float32, len(m.v)), []int{1, rows}
				for r := range rows {
					for k := range cols {
						v[k*rows+r] = m.v[r*cols+k]
					}
				}
			}
		}
		if len(m.shape) == 1 && transposed(n) {
			v, strides = make([]float32, 3*len(m.v)), []int{3}
			for r := range m.v {
				v[3*r], v[3*r+1], v[3*r+2] = m.v[r], -77, 77
			}
		}
		put(fmt.Sprintf("data/%d", i), encode("BF16", v))
		str(n)
		pkl.WriteString("ctorch._utils\n_rebuild_tensor_v2\n((")
		str("storage")
		pkl.WriteString("ctorch\nBFloat16Storage\n")
		str(fmt.Sprint(i))
		str("cpu")
		num(len(v))
		pkl.WriteString("tQ")
		num(0)
		for _, tuple := range [][]int{m.shape, strides} {
			pkl.WriteByte('(')
			for _, d := range tuple {
				num(d)
			}
			pkl.WriteByte('t')
		}
		pkl.WriteString("\x89ccollections\nOrderedDict\n)RtR")
	}
	pkl.WriteString("u.")
	put("data.pkl", pkl.Bytes())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
