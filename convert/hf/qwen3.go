package hf

// qwen3: q and k are normed per head; head_dim is independent of hidden_size
// and 128 where it is missing. One attention_bias covers q, k, v and o.
var qwen3 = family{
	modelType: "qwen3", class: "Qwen3ForCausalLM", arch: "qwen3",
	headDim: 128,
	kvHeads: 32, context: 32768,
	ropes: []string{"linear", "yarn"},
	read: func(f *fields, m *Model) {
		if f.bool("attention_bias", false) {
			m.AttnBias, m.OutBias = WithBias, WithBias
		}
		m.windowFrom(f)
	},
}
