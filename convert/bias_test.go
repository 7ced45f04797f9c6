package convert

import (
	"archive/zip"
	"bytes"
	"fmt"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
)

// vector adds a tensor of n values that every 16-bit type holds.
func (c *ckpt) vector(name string, n int) {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((i*37+len(c.tensors))%251-125) / 128
	}
	c.tensors[name] = mat{[]int{n}, v}
}

// biased is tinyLlama with attention_bias, for llama with mlp_bias, for qwen3
// with its norms.
func biased(modelType string) *ckpt {
	c := tinyLlama(40)
	c.config["model_type"], c.config["attention_bias"], c.config["head_dim"] = modelType, true, 16
	if modelType == "llama" {
		c.config["mlp_bias"] = true
	} else {
		c.config["architectures"] = []string{"Qwen3ForCausalLM"}
	}
	for l := range 2 {
		p := fmt.Sprintf("model.layers.%d.", l)
		c.vector(p+"self_attn.q_proj.bias", 64)
		c.vector(p+"self_attn.k_proj.bias", 32)
		c.vector(p+"self_attn.v_proj.bias", 32)
		c.vector(p+"self_attn.o_proj.bias", 64)
		if modelType == "llama" {
			c.vector(p+"mlp.gate_proj.bias", 96)
			c.vector(p+"mlp.up_proj.bias", 96)
			c.vector(p+"mlp.down_proj.bias", 64)
			continue
		}
		c.vector(p+"self_attn.q_norm.weight", 16)
		c.vector(p+"self_attn.k_norm.weight", 16)
	}
	return c
}

// TestBiases: the biases of q and k are permuted as their rows are where the
// architecture wants that, and come out the same from a safetensors file and
// from strided torch views, in small chunks and large ones.
func TestBiases(t *testing.T) {
	for _, modelType := range []string{"llama", "qwen3"} {
		c := biased(modelType)
		var want []byte
		for _, strided := range []bool{false, true} {
			d := t.TempDir() + "/biased"
			c.put(t, d, "config.json", c.configJSON())
			if strided {
				c.put(t, d, "pytorch_model.bin", c.torch(t, zip.Store, func(string) bool { return true }))
			} else {
				c.put(t, d, "model.safetensors", c.safetensors("BF16", c.names()))
			}
			b, _ := run(t, Options{Source: d, Type: "q8_0"})
			if want == nil {
				want = b
			}
			if !bytes.Equal(b, want) {
				t.Errorf("%s: strided torch views give another file", modelType)
			}
		}
		f, err := gguf.Parse(want)
		if err != nil {
			t.Fatal(err)
		}
		h, err := arch.ReadHyper(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Arch.CheckFile(f, h); err != nil {
			t.Error(err)
		}
		biases := 0
		for _, ft := range f.Tensors() {
			n, _ := h.Arch.Find(ft.Name)
			if !n.Vector {
				continue
			}
			exp := c.tensors[n.HFName]
			if n.Permute {
				biases++
				exp.shape = []int{exp.shape[0], 1} // rows of one weight
			}
			got, err := ft.Data()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, expected(t, &ckpt{tensors: map[string]mat{n.HFName: exp}}, n, quant.F32)) {
				t.Errorf("%s: %s differs", modelType, ft.Name)
			}
		}
		if perm := map[string]int{"llama": 4, "qwen3": 0}[modelType]; biases != perm || f.Tensor("blk.1.attn_output.bias") == nil {
			t.Errorf("%s: %d permuted biases, want %d", modelType, biases, perm)
		}
	}
}
