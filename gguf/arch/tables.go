package arch

import "slices"

var all = []*Arch{&bert, &clip, &llama, &qwen2, &qwen2moe, &qwen3, &qwen3moe, &seed}

// llama is Llama 1 to 3, Mistral and Mixtral. Details that are easy to get wrong: Q
// and K rows (and biases) are permuted to interleaved pairs; Llama 3's scaling is
// the tensor rope_freqs.weight, a divisor per frequency; biases exist only
// where attention_bias or mlp_bias was set; with experts the feed-forward
// length is an expert's.
var llama = Arch{
	Name:        "llama",
	HFTypes:     []string{"llama", "mistral", "mixtral"},
	ExpertsNorm: true,
	Tensors: decoder(
		[]Tensor{
			permuted(weight("attn_q", "self_attn.q_proj", QHeads, Hidden)),
			permuted(optional(bias("attn_q", "self_attn.q_proj", QHeads))),
			permuted(weight("attn_k", "self_attn.k_proj", KVHeads, Hidden)),
			permuted(optional(bias("attn_k", "self_attn.k_proj", KVHeads))),
			weight("attn_v", "self_attn.v_proj", KVHeads, Hidden),
			optional(bias("attn_v", "self_attn.v_proj", KVHeads)),
			weight("attn_output", "self_attn.o_proj", Hidden, QHeads),
			optional(bias("attn_output", "self_attn.o_proj", Hidden)),
		},
		only(Dense,
			weight("ffn_gate", "mlp.gate_proj", FFN, Hidden),
			optional(bias("ffn_gate", "mlp.gate_proj", FFN)),
			weight("ffn_up", "mlp.up_proj", FFN, Hidden),
			optional(bias("ffn_up", "mlp.up_proj", FFN)),
			weight("ffn_down", "mlp.down_proj", Hidden, FFN),
			optional(bias("ffn_down", "mlp.down_proj", Hidden)),
		),
		experts("block_sparse_moe", "w1", "w3", "w2"),
	),
}

// qwen2Attention is Qwen2's: Q, K and V have biases, the output projection has none.
var qwen2Attention = []Tensor{
	weight("attn_q", "self_attn.q_proj", QHeads, Hidden),
	bias("attn_q", "self_attn.q_proj", QHeads),
	weight("attn_k", "self_attn.k_proj", KVHeads, Hidden),
	bias("attn_k", "self_attn.k_proj", KVHeads),
	weight("attn_v", "self_attn.v_proj", KVHeads, Hidden),
	bias("attn_v", "self_attn.v_proj", KVHeads),
	weight("attn_output", "self_attn.o_proj", Hidden, QHeads),
}

// qwenFFN is the feed-forward block of the dense models.
var qwenFFN = []Tensor{
	weight("ffn_gate", "mlp.gate_proj", FFN, Hidden),
	weight("ffn_up", "mlp.up_proj", FFN, Hidden),
	weight("ffn_down", "mlp.down_proj", Hidden, FFN),
}

// qwen2 is Qwen2, Qwen2.5 and QwQ.
var qwen2 = Arch{Name: "qwen2", HFTypes: []string{"qwen2"}, NeoX: true, Tensors: decoder(qwen2Attention, qwenFFN)}

// qwen2moe is Qwen1.5-MoE and Qwen2-57B-A14B: the weights of a token's experts are
// their shares of all, and one expert, behind a gate of its own, is every token's.
var qwen2moe = Arch{
	Name: "qwen2moe", HFTypes: []string{"qwen2_moe"}, NeoX: true,
	Tensors: decoder(qwen2Attention, experts("mlp", "gate_proj", "up_proj", "down_proj"), only(MoE,
		Tensor{GGUF: "blk.%d.ffn_gate_inp_shexp.weight", HF: "model.layers.%d.mlp.shared_expert_gate.weight", Axes: []Axis{Hidden}, PerLayer: true, Vector: true},
		weight("ffn_gate_shexp", "mlp.shared_expert.gate_proj", SharedFFN, Hidden),
		weight("ffn_up_shexp", "mlp.shared_expert.up_proj", SharedFFN, Hidden),
		weight("ffn_down_shexp", "mlp.shared_expert.down_proj", Hidden, SharedFFN),
	)),
}

// qwen3Attention is Qwen3's: a norm per head on Q and K before RoPE and a head
// dimension of its own, not hidden/heads. It has biases, also on the output,
// only where attention_bias was set.
var qwen3Attention = []Tensor{
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
}

// qwen3 is the dense Qwen3.
var qwen3 = Arch{Name: "qwen3", HFTypes: []string{"qwen3"}, NeoX: true, Tensors: decoder(qwen3Attention, qwenFFN)}

// qwen3moe is Qwen3-30B-A3B and its kin; no shared expert.
var qwen3moe = Arch{
	Name: "qwen3moe", HFTypes: []string{"qwen3_moe"}, NeoX: true, ExpertsNorm: true,
	Tensors: decoder(qwen3Attention, experts("mlp", "gate_proj", "up_proj", "down_proj")),
}

// decoder is what every decoder has: norms around the attention's and the
// feed-forward block's own tensors, embedding and output.
func decoder(attention []Tensor, ffn ...[]Tensor) []Tensor {
	return slices.Concat(
		[]Tensor{
			{GGUF: "token_embd.weight", HF: "model.embed_tokens.weight", Axes: []Axis{Vocab, Hidden}},
			{GGUF: "rope_freqs.weight", Axes: []Axis{RotHalf}, Optional: true, Vector: true},
			norm("attn_norm", "input_layernorm", Hidden),
		},
		attention,
		[]Tensor{norm("ffn_norm", "post_attention_layernorm", Hidden)},
		slices.Concat(ffn...),
		[]Tensor{
			{GGUF: "output_norm.weight", HF: "model.norm.weight", Axes: []Axis{Hidden}, Vector: true},
			{GGUF: "output.weight", HF: "lm_head.weight", Axes: []Axis{Vocab, Hidden}, Optional: true}, // absent: tied to token_embd
		},
	)
}

// experts is a router and its experts; block, gate, up and down are their names
// in a checkpoint.
func experts(block, gate, up, down string) []Tensor {
	stack := func(gguf, hf string, rows, cols Axis) Tensor {
		return Tensor{GGUF: "blk.%d." + gguf + "_exps.weight", HF: "model.layers.%d." + block + ".experts.%d." + hf + ".weight",
			Axes: []Axis{Experts, rows, cols}, PerLayer: true}
	}
	return only(MoE,
		weight("ffn_gate_inp", block+".gate", Experts, Hidden),
		stack("ffn_gate", gate, ExpertFFN, Hidden),
		stack("ffn_up", up, ExpertFFN, Hidden),
		stack("ffn_down", down, Hidden, ExpertFFN),
	)
}

// only marks tensors that some of an architecture's models have.
func only(in In, tensors ...Tensor) []Tensor {
	for i := range tensors {
		tensors[i].In = in
	}
	return tensors
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
