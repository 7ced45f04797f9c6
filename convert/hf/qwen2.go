package hf

// qwen2: Qwen2, Qwen2.5, QwQ-32B. Biases on q, k and v, none on o.
var qwen2 = family{
	modelType: "qwen2", class: "Qwen2ForCausalLM", arch: "qwen2",
	kvHeads: 32, context: 32768,
	ropes: []string{"linear", "yarn"},
	read: func(f *fields, m *Model) {
		m.AttnBias = WithBias
		m.windowFrom(f)
	},
}
