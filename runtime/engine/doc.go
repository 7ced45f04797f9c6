// Package engine is the Go API of the runtime: it opens a model file and
// generates text from it. It must never print, and never hold more memory than
// the KV cache and scratch of the sequences that live.
//
// Weights stay in the read-only mapping. A sequence's tokens do not depend on
// the thread count, on what else is in the batch, on the prefill chunk or on
// whether its prefix was computed before.
//
//	m, err := engine.Open("model.gguf", engine.Options{})
//	defer m.Close()
//	for t, err := range m.Generate(ctx, engine.Request{Prompt: "Once upon a time", MaxTokens: 100}) {
//		fmt.Print(t.Text)
//	}
package engine
