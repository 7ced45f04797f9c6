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
// Where it differs from Python on purpose:
//
//   - A template may change lists and dicts that it made itself (append,
//     update, …); the sandbox of transformers refuses that. What the caller
//     passed in cannot be changed in either.
//   - A generator (the result of map, select, …) can be counted, sliced and
//     given to tojson.
//   - str.replace takes count by name, as from Python 3.13 on.
//   - Integers are 64 bits; larger ones, from JSON only, are printed and
//     compared but not computed with.
//   - Unknown filters and tests are errors when they are reached, not before.
//   - include, import, extends, block, random, urlize, wordwrap,
//     filesizeformat and sorting by several attributes are refused.
//
// The package uses the standard library only and works without the rest of
// the module.
package chat
