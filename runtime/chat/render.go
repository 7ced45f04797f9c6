package chat

import (
	"encoding/json"
	"errors"
	"time"
)

// RenderOptions are a conversation's surroundings.
type RenderOptions struct {
	// AddGenerationPrompt ends the text where the assistant begins to speak.
	AddGenerationPrompt bool
	// Tools are the definitions as the client wrote them, OpenAI's
	// {"type": "function", "function": {…}}; key order is kept. nil is None.
	Tools []json.RawMessage
	// Documents are objects with title and text, for templates that quote
	// them. nil is None.
	Documents []json.RawMessage
	// Vars are further variables: enable_thinking, builtin_tools, … They win
	// over everything else.
	Vars map[string]any
	// BOS and EOS are the texts of these tokens, bos_token and eos_token.
	BOS, EOS string
	// Now is the time that strftime_now formats; zero means the template's
	// clock.
	Now time.Time
}

// Chat renders a conversation. Values take the form that the template is able
// to read, see Caps. Where a template stumbles over a content or over tools
// that are None, it gets an empty text and no variable tools.
func (t *Template) Chat(messages []Message, o RenderOptions) (string, error) {
	c := t.Caps()
	f := form{stringArgs: c.StringArguments, flatParts: !c.Parts, wrapText: c.OnlyParts}
	out, first := t.chat(messages, o, f)
	var raised *RaiseError
	if first == nil || errors.Is(first, ErrLimit) || errors.As(first, &raised) {
		return out, first
	}
	for _, again := range []form{{emptyNull: true}, {noNone: true}, {emptyNull: true, noNone: true}} {
		if again.emptyNull && !hasNull(messages) || again.noNone && o.Tools != nil && o.Documents != nil {
			continue
		}
		f.emptyNull, f.noNone = again.emptyNull, again.noNone
		if out, err := t.chat(messages, o, f); err == nil {
			return out, nil
		}
	}
	return "", first
}

func hasNull(messages []Message) bool {
	for _, m := range messages {
		if m.Content.Null {
			return true
		}
	}
	return false
}

func (t *Template) chat(messages []Message, o RenderOptions, f form) (string, error) {
	list := make([]any, len(messages))
	for i, m := range messages {
		list[i] = m.dict(f)
	}
	ctx := Context{
		"messages":              list,
		"add_generation_prompt": o.AddGenerationPrompt,
		"bos_token":             o.BOS,
		"eos_token":             o.EOS,
	}
	for name, raw := range map[string][]json.RawMessage{"tools": o.Tools, "documents": o.Documents} {
		if raw != nil || !f.noNone {
			ctx[name] = rawList(raw)
		}
	}
	for k, v := range o.Vars {
		ctx[k] = v
	}
	now := t.now
	if !o.Now.IsZero() {
		now = func() time.Time { return o.Now }
	}
	return t.render(ctx, now)
}

func rawList(raw []json.RawMessage) any {
	if raw == nil {
		return nil
	}
	out := make([]any, len(raw))
	for i, r := range raw {
		out[i] = r
	}
	return out
}
