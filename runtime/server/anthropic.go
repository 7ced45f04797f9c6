package server

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
)

// anthropicType is what Anthropic's API calls an error.
func anthropicType(e *api.Error) string {
	switch e.Status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusServiceUnavailable:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if e.Status < http.StatusInternalServerError {
		return "invalid_request_error"
	}
	return "api_error"
}

// messages serves POST /v1/messages.
func (s *Server) messages(w http.ResponseWriter, r *http.Request) error {
	var q api.MessagesRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	if q.MaxTokens == nil {
		return bad("max_tokens", "max_tokens is missing")
	}
	t, err := l.messagesTask(&q)
	if err != nil {
		return err
	}
	t.User = userOf(r.Context())
	head := api.AnthropicAnswer{ID: newID("msg_"), Type: "message", Role: "assistant", Model: l.Name, Content: []api.Block{}}
	if q.Stream {
		return s.streamMessages(w, r, l, t, head)
	}
	var end Piece
	u, err := l.Run(r.Context(), t, func(p Piece) error {
		for _, d := range p.Deltas {
			if n := len(head.Content); n == 0 || d.Kind == chat.DeltaToolCall || head.Content[n-1].Type != blockType(d.Kind) {
				head.Content = append(head.Content, newBlock(d))
			}
			b := &head.Content[len(head.Content)-1]
			switch d.Kind {
			case chat.DeltaReasoning:
				b.Thinking += d.Text
			case chat.DeltaToolCall:
				b.Input = callObject(*d.Call)
			default:
				b.Text += d.Text
			}
		}
		end = p
		return nil
	})
	if err != nil {
		return err
	}
	head.StopReason, head.StopSequence = stopReason(end)
	head.Usage = anthropicUsage(u)
	reply(w, http.StatusOK, head)
	return nil
}

// countTokens serves POST /v1/messages/count_tokens.
func (s *Server) countTokens(w http.ResponseWriter, r *http.Request) error {
	var q api.MessagesRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	t, err := l.messagesTask(&q)
	if err != nil {
		return err
	}
	_, ids, err := l.render(t)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, api.TokenCount{InputTokens: len(ids)})
	return nil
}

// messagesTask checks a request.
func (l *Loaded) messagesTask(q *api.MessagesRequest) (*Task, error) {
	if len(q.Messages) == 0 {
		return nil, bad("messages", "messages is empty")
	}
	t := &Task{Think: -1}
	if len(q.System) > 0 {
		text, err := blockText(q.System, "system")
		if err != nil {
			return nil, err
		}
		t.Messages = append(t.Messages, chat.Message{Role: "system", Content: chat.Text(text)})
	}
	for i := range q.Messages {
		m, err := anthropicMessages(&q.Messages[i], i)
		if err != nil {
			return nil, err
		}
		t.Messages = append(t.Messages, m...)
	}
	g := api.Generation{MaxTokens: q.MaxTokens, Temperature: q.Temperature, TopP: q.TopP, TopK: q.TopK, Stop: q.StopSequences, Seed: q.Seed}
	if err := l.generation(t, &g); err != nil {
		return nil, err
	}
	if err := l.anthropicTools(t, q); err != nil {
		return nil, err
	}
	if k := q.Thinking; k != nil {
		switch k.Type {
		case "enabled", "disabled", "adaptive":
			t.Vars = map[string]any{"enable_thinking": k.Type != "disabled"}
		default:
			return nil, bad("thinking", "thinking.type is %.100q, not enabled, disabled or adaptive", k.Type)
		}
		if k.Budget != nil {
			if t.Think = *k.Budget; t.Think < 0 {
				return nil, bad("thinking", "thinking.budget_tokens is %d, it must be at least 0", t.Think)
			}
		}
	}
	if o := q.OutputConfig; o != nil && o.Format != nil {
		if o.Format.Type != "json_schema" || len(o.Format.Schema) == 0 {
			return nil, bad("output_config", "output_config.format must have the type json_schema and a schema")
		}
		return t, l.restrict(t, &api.ResponseFormat{Type: "json_schema", JSONSchema: &api.JSONSchema{Schema: o.Format.Schema}}, "")
	}
	return t, nil
}

// anthropicMessages are the turns that message i stands for: tools' results are turns
// of their own.
func anthropicMessages(m *api.AnthropicMessage, i int) ([]chat.Message, error) {
	if m.Role != "user" && m.Role != "assistant" {
		return nil, bad("messages", "messages[%d].role is %.100q, not user or assistant", i, m.Role)
	}
	var out []chat.Message
	turn := chat.Message{Role: m.Role}
	var text strings.Builder
	said := false
	for k, b := range m.Content {
		switch {
		case b.Type == "text":
			text.WriteString(b.Text)
			said = true
		case b.Type == "thinking" && m.Role == "assistant":
			turn.ReasoningContent += b.Thinking
		case b.Type == "redacted_thinking" && m.Role == "assistant":
		case b.Type == "tool_use" && m.Role == "assistant":
			turn.ToolCalls = append(turn.ToolCalls, chat.ToolCall{ID: b.ID, Name: b.Name, Arguments: b.Input})
		case b.Type == "tool_result" && m.Role == "user":
			result, err := blockText(b.Content, "messages")
			if err != nil {
				return nil, err
			}
			out = append(out, chat.Message{Role: "tool", ToolCallID: b.ToolUseID, Content: chat.Text(result)})
		case b.Type == "image" || b.Type == "document":
			return nil, bad("messages", "messages[%d].content[%d] is of type %s: this model reads text only", i, k, b.Type)
		default:
			return nil, bad("messages", "messages[%d].content[%d] is of type %.100q, which a message of the %s cannot have", i, k, b.Type, m.Role)
		}
	}
	turn.Content = chat.Text(text.String())
	turn.Content.Null = !said && len(turn.ToolCalls) > 0
	if said || len(turn.ToolCalls) > 0 || len(out) == 0 {
		out = append(out, turn)
	}
	return out, nil
}

// blockText is the text of blocks that must have no other.
func blockText(blocks api.Blocks, param string) (string, error) {
	var text strings.Builder
	for i, b := range blocks {
		if b.Type != "text" {
			return "", bad(param, "%s: block %d is of type %.100q: this model reads text only", param, i, b.Type)
		}
		text.WriteString(b.Text)
	}
	return text.String(), nil
}

func (l *Loaded) anthropicTools(t *Task, q *api.MessagesRequest) error {
	var list []function
	for i, tool := range q.Tools {
		if tool.Type != "" && tool.Type != "custom" {
			return bad("tools", "tools[%d].type is %.100q: the daemon has no tools of its own", i, tool.Type)
		}
		f := function{Name: tool.Name, Description: tool.Description, Parameters: tool.InputSchema}
		b, err := json.Marshal(map[string]any{"type": "function", "function": f})
		if err != nil {
			return bad("tools", "tools[%d]: %v", i, err)
		}
		list, t.Tools = append(list, f), append(t.Tools, b)
	}
	var c choice
	if tc := q.ToolChoice; tc != nil {
		c.one = tc.OneCall
		switch tc.Type {
		case choiceAuto, choiceNone:
			c.mode = tc.Type
		case "any":
			c.mode = choiceRequired
		case "tool":
			if c.mode, c.name = choiceRequired, tc.Name; c.name == "" {
				return bad("tool_choice", "tool_choice.name is missing")
			}
		default:
			return bad("tool_choice", "tool_choice.type is %.100q, not auto, any, tool or none", tc.Type)
		}
	}
	return l.tools(t, list, c)
}

// stopReason is why an answer ended, and the stop sequence that ended it.
func stopReason(p Piece) (reason, sequence *string) {
	why := "end_turn"
	switch {
	case p.Finish == FinishToolCalls:
		why = "tool_use"
	case p.Finish == FinishContentFilter:
		why = "refusal"
	case p.Finish == "length":
		why = "max_tokens"
	case p.Token.Stop != "":
		why, sequence = "stop_sequence", &p.Token.Stop
	}
	return &why, sequence
}

func anthropicUsage(u Usage) api.AnthropicUsage {
	return api.AnthropicUsage{InputTokens: u.Prompt - u.Cached, CacheRead: u.Cached, OutputTokens: u.Generated}
}

func blockType(k chat.DeltaKind) string {
	return [...]string{chat.DeltaContent: "text", chat.DeltaReasoning: "thinking", chat.DeltaToolCall: "tool_use"}[k]
}

// newBlock is the block that a delta begins, without its content.
func newBlock(d chat.Delta) api.Block {
	b := api.Block{Type: blockType(d.Kind)}
	if d.Kind == chat.DeltaToolCall {
		if b.ID = d.Call.ID; b.ID == "" {
			b.ID = newID("toolu_")
		}
		b.Name, b.Input = d.Call.Name, json.RawMessage("{}")
	}
	return b
}
