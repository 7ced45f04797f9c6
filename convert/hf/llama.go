package hf

// llama: Llama 1 to 3. One attention_bias covers q, k, v and o. RoPE rotates
// the halves of a head in the checkpoint and interleaved pairs in GGUF, so the
// rows of q and k are permuted (gguf/arch says which).
var llama = family{
	modelType: "llama", class: "LlamaForCausalLM", arch: "llama",
	context: 2048,
	ropes:   []string{"linear", "yarn", "llama3"},
	read: func(f *fields, m *Model) {
		if f.bool("attention_bias", false) {
			m.AttnBias, m.OutBias = WithBias, WithBias
		}
		if f.bool("mlp_bias", false) {
			m.MLPBias = WithBias
		}
	},
}
