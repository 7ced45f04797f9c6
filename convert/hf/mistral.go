package hf

// mistral: as Llama without biases; a sliding window, where given, holds for
// every layer.
var mistral = family{
	modelType: "mistral", class: "MistralForCausalLM", arch: "llama",
	ropes: []string{"linear", "yarn", "llama3"},
	read:  func(f *fields, m *Model) { m.window(f) },
}
