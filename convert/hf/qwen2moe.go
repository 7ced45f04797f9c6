package hf

// qwen2_moe: Qwen1.5-MoE and Qwen2-57B-A14B. As qwen2, with a shared expert.
var qwen2moe = family{
	modelType: "qwen2_moe", class: "Qwen2MoeForCausalLM", arch: "qwen2moe",
	kvHeads: 16, context: 32768,
	ropes: []string{"linear", "yarn"},
	read: func(f *fields, m *Model) {
		m.AttnBias = WithBias
		if !f.bool("qkv_bias", true) {
			f.fail("qkv_bias", "false is not supported for qwen2_moe")
		}
		m.windowFrom(f)
		m.moe(f, moeFields{
			experts: "num_experts", used: "num_experts_per_tok", ffn: "moe_intermediate_size", shared: "shared_expert_intermediate_size",
			defaults: [4]int64{60, 4, 1408, 5632}, norm: true,
		})
	},
}
