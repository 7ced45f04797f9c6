package hf

// qwen3_moe: Qwen3-30B-A3B, Qwen3-235B-A22B. As qwen3; head_dim is hidden/heads
// where it is missing.
var qwen3moe = family{
	modelType: "qwen3_moe", class: "Qwen3MoeForCausalLM", arch: "qwen3moe",
	kvHeads: 4, context: 32768,
	ropes: []string{"linear", "yarn"},
	read: func(f *fields, m *Model) {
		if f.bool("attention_bias", false) {
			m.AttnBias, m.OutBias = WithBias, WithBias
		}
		m.windowFrom(f)
		m.moe(f, moeFields{
			experts: "num_experts", used: "num_experts_per_tok", ffn: "moe_intermediate_size",
			defaults: [4]int64{128, 8, 768}, norm: true,
		})
	},
}
