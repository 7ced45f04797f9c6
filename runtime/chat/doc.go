// Package chat turns a conversation into the text a model was trained on, and
// the text a model writes back into reasoning, answer and tool calls.
//
// The first half is a Jinja interpreter for the chat templates that model
// files carry. It prints what Python's jinja2 prints in the environment that
// Hugging Face transformers sets up: block trimming, loop controls, the
// generation tag, a tojson that keeps key order. A template is untrusted: it
// sees only the values it is given, and steps, nesting, memory and output are
// limited. It cannot read files, include other templates or change what the
// caller passed in.
//
//	t, err := chat.Parse("qwen3", src)
//	prompt, err := t.Chat([]chat.Message{{Role: "user", Content: chat.Text("hi")}},
//		chat.RenderOptions{AddGenerationPrompt: true})
//	p := chat.NewParser(chat.ParserOptions{Format: chat.DetectFormat(src)})
//	for text := range tokens {
//		for _, d := range p.Write(text) { ... }
//	}
//
// The package uses the standard library only and works without the rest of
// the module.
package chat
