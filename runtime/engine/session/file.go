package session

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/qwq-edge/qwq/runtime/chat"
)

// message is a turn as the OpenAI API writes it.
type message struct {
	Role       string     `json:"role"`
	Content    *string    `json:"content"`
	Reasoning  string     `json:"reasoning_content,omitempty"`
	ToolCalls  []toolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
	Name       string     `json:"name,omitempty"`
}

type toolCall struct {
	ID       string   `json:"id,omitempty"`
	Type     string   `json:"type"`
	Function function `json:"function"`
}

type function struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// Save writes the conversation, the system prompt first, as a JSON array of
// messages in the form of the OpenAI API.
func (s *Session) Save(w io.Writer) error {
	all := []message{}
	add := func(m chat.Message) {
		text := m.Content.String()
		out := message{Role: m.Role, Content: &text, Reasoning: m.ReasoningContent, ToolCallID: m.ToolCallID, Name: m.Name}
		for _, c := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, toolCall{c.ID, "function", function{c.Name, c.Arguments}})
		}
		all = append(all, out)
	}
	if s.Options.System != "" {
		add(chat.Message{Role: "system", Content: chat.Text(s.Options.System)})
	}
	for _, m := range s.messages {
		add(m)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(all)
}

// maxFile bounds what Load reads, in bytes.
const maxFile = 64 << 20

// Load replaces the conversation, and the system prompt, by what Save wrote.
// On an error the conversation is as before.
func (s *Session) Load(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return fmt.Errorf("session: the conversation is longer than %d bytes", maxFile)
	}
	var all []chat.Message
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("session: no list of messages: %w", err)
	}
	system := ""
	if len(all) > 0 && all[0].Role == "system" {
		system, all = all[0].Content.String(), all[1:]
	}
	for i, m := range all {
		switch m.Role {
		case "user", "assistant", "tool":
		default:
			return fmt.Errorf("session: message %d has the role %q, want user, assistant or tool", i, m.Role)
		}
	}
	s.Reset()
	s.Options.System, s.messages = system, all
	return nil
}
