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
// to read, see Caps; where it cannot print a missing content it gets an empty
// one.
func (t *Template) Chat(messages []Message, o RenderOptions) (string, error) {
	c := t.Caps()
	f := form{stringArgs: c.StringArguments, flatParts: !c.Parts, wrapText: c.OnlyParts}
	out, err := t.chat(messages, o, f)
	if err == nil || errors.Is(err, ErrLimit) || !hasNull(messages) {
		return out, err
	}
	var raised *RaiseError
	if errors.As(err, &raised) {
		return "", err
	}
	f.emptyNull = true
	if out, again := t.chat(messages, o, f); again == nil {
		return out, nil
	}
	return "", err
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
		"tools":                 rawList(o.Tools),
		"documents":             rawList(o.Documents),
		"add_generation_prompt": o.AddGenerationPrompt,
		"bos_token":             o.BOS,
		"eos_token":             o.EOS,
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
