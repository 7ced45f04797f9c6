package hf

// mistral: as Llama without biases; the sliding window, 4096 where nothing is said and
// none where it is null, holds for every layer.
var mistral = family{
	modelType: "mistral", class: "MistralForCausalLM", arch: "llama",
	kvHeads: 8, context: 4096 * 32,
	ropes: []string{"linear", "yarn", "llama3"},
	read:  func(f *fields, m *Model) { m.window(f) },
}
