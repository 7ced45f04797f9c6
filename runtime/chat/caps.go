package chat

import (
	"encoding/json"
	"strings"
	"sync"
)

// Caps is what a template does with what it is given, found by rendering
// small conversations once and looking for their words in the result.
type Caps struct {
	Tools           bool // tool definitions appear in the prompt
	System          bool // a system message appears
	Parts           bool // content may be a list of typed parts
	OnlyParts       bool // content must be such a list
	ToolCalls       bool // an assistant's tool calls appear
	StringArguments bool // their arguments are wanted as JSON text, not as an object
	OpensThink      bool // with enable_thinking the generation prompt opens <think> for the model
	ThinkSwitch     bool // the variable enable_thinking changes the prompt
}

type capsOnce struct {
	once sync.Once
	caps Caps
}

// Caps examines the template; the first call renders it about nine times.
func (t *Template) Caps() Caps {
	t.caps.once.Do(func() { t.caps.caps = t.probe() })
	return t.caps.caps
}

// probeLimits keep a hostile template from spending a real one's allowance on
// every probe.
var probeLimits = Limits{Steps: 200_000, Memory: 8 << 20, Output: 1 << 20}

func (t *Template) probe() Caps {
	p := &Template{name: t.name, src: t.src, body: t.body, main: t.main, lim: probeLimits, dialect: t.dialect, now: t.now}
	const needle = "Qneedle"
	render := func(f form, o RenderOptions, messages ...Message) string {
		out, err := p.chat(messages, o, f)
		if err != nil {
			return ""
		}
		return out
	}
	user := func(c Content) Message { return Message{Role: "user", Content: c} }
	hello := user(Text("hello"))
	open := RenderOptions{AddGenerationPrompt: true}

	var c Caps
	parts := Content{Parts: []Part{{Type: "text", Text: needle}}}
	asParts := render(form{}, open, user(parts))
	asText := render(form{}, open, user(Text(needle)))
	c.Parts = strings.Contains(asParts, needle) && !strings.Contains(asParts, "'text'") && !strings.Contains(asParts, `"text"`)
	c.OnlyParts = c.Parts && !strings.Contains(asText, needle)
	f := form{wrapText: c.OnlyParts}
	system := render(f, open, Message{Role: "system", Content: Text(needle)}, hello)
	c.System = strings.Contains(system, needle)
	tool := json.RawMessage(`{"type": "function", "function": {"name": "` + needle + `", "description": "d", "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "d"}}, "required": ["a"]}}}`)
	o := RenderOptions{AddGenerationPrompt: true, Tools: []json.RawMessage{tool}}
	c.Tools = strings.Contains(render(f, o, hello), needle)
	on, off := open, open
	on.Vars, off.Vars = map[string]any{"enable_thinking": true}, map[string]any{"enable_thinking": false}
	thinking := render(f, on, hello)
	c.OpensThink = ThinkOpen(thinking)
	c.ThinkSwitch = thinking != render(f, off, hello)
	c.probeCalls(f, func(f form) string {
		call := ToolCall{ID: "abcdef123", Name: "tool", Arguments: json.RawMessage(`{"` + needle + `": "value"}`)}
		return render(f, RenderOptions{Tools: o.Tools}, hello,
			Message{Role: "assistant", ToolCalls: []ToolCall{call}},
			Message{Role: "tool", ToolCallID: call.ID, Name: "tool", Content: Text("done")},
			Message{Role: "assistant", Content: Text("done")})
	}, needle)
	return c
}

// probeCalls finds the form of the arguments: an object if its key is printed
// and not in Python's quotes, text if that is printed unescaped.
func (c *Caps) probeCalls(f form, render func(form) string, needle string) {
	object := render(f)
	if strings.Contains(object, needle) && !strings.Contains(object, "'"+needle+"'") {
		c.ToolCalls = true
		return
	}
	f.stringArgs = true
	text := render(f)
	if strings.Contains(text, `{"`+needle+`"`) {
		c.ToolCalls, c.StringArguments = true, true
	}
}
