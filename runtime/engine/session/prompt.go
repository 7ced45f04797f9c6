package session

import (
	"context"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// prompt is a conversation as the model reads it.
type prompt struct {
	text string
	ids  []int32 // begins with the tokenizer's begin token where the model wants one
}

// leastRoom is how many tokens an answer must have room for.
const leastRoom = 8

// prompt renders the messages in the window. Where they leave the answer less
// than a quarter of the context, or than MaxTokens, the oldest turns are
// dropped until half of it is free: each time that turns go the rest has to be
// read again, so it should not happen at every turn.
func (s *Session) prompt(ctx context.Context) (prompt, error) {
	limit := s.m.Context()
	room := limit / 4
	if n := s.Options.MaxTokens; n > 0 {
		room = min(room, n)
	}
	room = max(room, leastRoom)
	if s.Options.Window != nil {
		return s.choose(ctx, limit, room)
	}
	p, err := s.render(s.first)
	if err != nil || len(p.ids)+room <= limit {
		return p, err
	}
	for first := s.first; ; {
		next := s.turnAfter(first)
		if next < 0 {
			break
		}
		first = next
		if p, err = s.render(first); err != nil {
			return p, err
		}
		s.first = first
		if len(p.ids) <= limit/2 && len(p.ids)+room <= limit {
			break
		}
	}
	if len(p.ids)+leastRoom > limit {
		return p, &TooLongError{len(p.ids), limit}
	}
	return p, nil
}

// turnAfter is where the next turn begins after that at index i, -1: there is
// none.
func (s *Session) turnAfter(i int) int {
	for i++; i < len(s.messages); i++ {
		if s.messages[i].Role == "user" {
			return i
		}
	}
	return -1
}

// render makes the prompt of the messages from first on.
func (s *Session) render(first int) (prompt, error) { return s.renderMessages(s.messages[first:]) }

func (s *Session) renderMessages(messages []chat.Message) (prompt, error) {
	text, err := s.text(messages)
	if err != nil {
		return prompt{}, err
	}
	return prompt{text, s.encode(text)}, nil
}

// text is what the template makes of the system prompt and some messages.
func (s *Session) text(messages []chat.Message) (string, error) {
	if s.template == nil {
		return s.continued(messages), nil
	}
	t := s.m.Tokenizer()
	return s.template.Chat(s.withSystem(messages), chat.RenderOptions{AddGenerationPrompt: true, Tools: s.Options.Tools, Vars: s.Options.Vars,
		BOS: t.Spelling(t.BOS()), EOS: t.Spelling(t.EOS())})
}

// withSystem puts the system prompt first; into the first message where the
// template knows no such role.
func (s *Session) withSystem(messages []chat.Message) []chat.Message {
	if s.Options.System == "" {
		return messages
	}
	if s.template.Caps().System || len(messages) == 0 {
		return append([]chat.Message{{Role: "system", Content: chat.Text(s.Options.System)}}, messages...)
	}
	messages = slices.Clone(messages)
	messages[0].Content = chat.Text(s.Options.System + "\n\n" + messages[0].Content.String())
	return messages
}

// continued joins texts where there is no template: what the user writes goes
// on after the model's text on a line of its own.
func (s *Session) continued(messages []chat.Message) string {
	var b strings.Builder
	b.WriteString(s.Options.System)
	for _, m := range messages {
		if m.Role == "user" && b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(m.Content.String())
	}
	return b.String()
}

// encode makes the ids of a prompt. Where it begins with the text of the last
// sequence only the rest is tokenized, and the ids that the model wrote stay
// as they are, so that the KV cache fits. (SentencePiece tokenizers put a space
// before a text: there the whole text is tokenized.)
func (s *Session) encode(text string) []int32 {
	t := s.m.Tokenizer()
	if rest, ok := strings.CutPrefix(text, s.known); ok && s.known != "" && s.seq != nil && t.Model() == "gpt2" {
		return t.Append(slices.Clone(s.seq.IDs()), rest, tokenizer.EncodeOptions{})
	}
	ids := t.Encode(text, tokenizer.EncodeOptions{})
	if bos := t.BOS(); bos >= 0 && t.AddBOS() && (len(ids) == 0 || ids[0] != bos) {
		ids = slices.Insert(ids, 0, bos)
	}
	return ids
}
