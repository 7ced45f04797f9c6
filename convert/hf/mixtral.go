package hf

// mixtral: Mistral with experts; no sliding window where nothing is said.
var mixtral = family{
	modelType: "mixtral", class: "MixtralForCausalLM", arch: "llama",
	kvHeads: 8, context: 4096 * 32,
	ropes: []string{"linear", "yarn"},
	read: func(f *fields, m *Model) {
		if f.has("sliding_window") {
			m.window(f)
		}
		m.moe(f, moeFields{experts: "num_local_experts", used: "num_experts_per_tok", defaults: [4]int64{8, 2}})
	},
}
