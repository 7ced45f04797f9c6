package arch

import "slices"

var all = []*Arch{&llama, &qwen2, &qwen3}

// llama is Llama 1 to 3 and Mistral. Details that are easy to get wrong: Q and K
// rows (and biases) are permuted to interleaved pairs; Llama 3's scaling is
// the tensor rope_freqs.weight, a divisor per frequency; biases exist only
// where attention_bias or mlp_bias was set.
var llama = Arch{
	Name:    "llama",
	HFTypes: []string{"llama", "mistral"},
	Tensors: decoder(
		permuted(weight("attn_q", "self_attn.q_proj", QHeads, Hidden)),
		permuted(optional(bias("attn_q", "self_attn.q_proj", QHeads))),
		permuted(weight("attn_k", "self_attn.k_proj", KVHeads, Hidden)),
		permuted(optional(bias("attn_k", "self_attn.k_proj", KVHeads))),
		weight("attn_v", "self_attn.v_proj", KVHeads, Hidden),
		optional(bias("attn_v", "self_attn.v_proj", KVHeads)),
		weight("attn_output", "self_attn.o_proj", Hidden, QHeads),
		optional(bias("attn_output", "self_attn.o_proj", Hidden)),
		norm("ffn_norm", "post_attention_layernorm", Hidden),
		weight("ffn_gate", "mlp.gate_proj", FFN, Hidden),
		optional(bias("ffn_gate", "mlp.gate_proj", FFN)),
		weight("ffn_up", "mlp.up_proj", FFN, Hidden),
		optional(bias("ffn_up", "mlp.up_proj", FFN)),
		weight("ffn_down", "mlp.down_proj", Hidden, FFN),
		optional(bias("ffn_down", "mlp.down_proj", Hidden)),
	),
}

// qwen2 is Qwen2, Qwen2.5 and QwQ. Q, K and V have biases, the output projection
// has none.
var qwen2 = Arch{
	Name:    "qwen2",
	HFTypes: []string{"qwen2"},
	NeoX:    true,
	Tensors: decoder(
		weight("attn_q", "self_attn.q_proj", QHeads, Hidden),
		bias("attn_q", "self_attn.q_proj", QHeads),
		weight("attn_k", "self_attn.k_proj", KVHeads, Hidden),
		bias("attn_k", "self_attn.k_proj", KVHeads),
		weight("attn_v", "self_attn.v_proj", KVHeads, Hidden),
		bias("attn_v", "self_attn.v_proj", KVHeads),
		weight("attn_output", "self_attn.o_proj", Hidden, QHeads),
		norm("ffn_norm", "post_attention_layernorm", Hidden),
		weight("ffn_gate", "mlp.gate_proj", FFN, Hidden),
		weight("ffn_up", "mlp.up_proj", FFN, Hidden),
		weight("ffn_down", "mlp.down_proj", Hidden, FFN),
	),
}

// qwen3 has a norm per head on Q and K before RoPE and a head dimension of its
// own, not hidden/heads. The attention has biases, also on the output, only
// where attention_bias was set.
var qwen3 = Arch{
	Name:    "qwen3",
	HFTypes: []string{"qwen3"},
	NeoX:    true,
	Tensors: decoder(
		weight("attn_q", "self_attn.q_proj", QHeads, Hidden),
		optional(bias("attn_q", "self_attn.q_proj", QHeads)),
		weight("attn_k", "self_attn.k_proj", KVHeads, Hidden),
		optional(bias("attn_k", "self_attn.k_proj", KVHeads)),
		weight("attn_v", "self_attn.v_proj", KVHeads, Hidden),
		optional(bias("attn_v", "self_attn.v_proj", KVHeads)),
		norm("attn_q_norm", "self_attn.q_norm", HeadDim),
		norm("attn_k_norm", "self_attn.k_norm", HeadDim),
		weight("attn_output", "self_attn.o_proj", Hidden, QHeads),
		optional(bias("attn_output", "self_attn.o_proj", Hidden)),
		norm("ffn_norm", "post_attention_layernorm", Hidden),
		weight("ffn_gate", "mlp.gate_proj", FFN, Hidden),
		weight("ffn_up", "mlp.up_proj", FFN, Hidden),
		weight("ffn_down", "mlp.down_proj", Hidden, FFN),
	),
}

// decoder puts what every dense decoder has around a layer's own tensors.
func decoder(layer ...Tensor) []Tensor {
	return slices.Concat(
		[]Tensor{
			{GGUF: "token_embd.weight", HF: "model.embed_tokens.weight", Axes: []Axis{Vocab, Hidden}},
			{GGUF: "rope_freqs.weight", Axes: []Axis{RotHalf}, Optional: true, Vector: true},
			norm("attn_norm", "input_layernorm", Hidden),
		},
		layer,
		[]Tensor{
			{GGUF: "output_norm.weight", HF: "model.norm.weight", Axes: []Axis{Hidden}, Vector: true},
			{GGUF: "output.weight", HF: "lm_head.weight", Axes: []Axis{Vocab, Hidden}, Optional: true}, // absent: tied to token_embd
		},
	)
}

// weight is a matrix of a layer.
func weight(gguf, hf string, rows, cols Axis) Tensor {
	return Tensor{GGUF: "blk.%d." + gguf + ".weight", HF: "model.layers.%d." + hf + ".weight", Axes: []Axis{rows, cols}, PerLayer: true}
}

// norm is a vector of weights of a layer.
func norm(gguf, hf string, a Axis) Tensor {
	return Tensor{GGUF: "blk.%d." + gguf + ".weight", HF: "model.layers.%d." + hf + ".weight", Axes: []Axis{a}, PerLayer: true, Vector: true}
}

// bias is the bias of a layer's matrix.
func bias(gguf, hf string, a Axis) Tensor {
	return Tensor{GGUF: "blk.%d." + gguf + ".bias", HF: "model.layers.%d." + hf + ".bias", Axes: []Axis{a}, PerLayer: true, Vector: true}
}

func optional(t Tensor) Tensor {
	t.Optional = true
	return t
}

func permuted(t Tensor) Tensor {
	t.Permute = true
	return t
}
