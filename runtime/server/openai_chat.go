package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// chatCompletions serves POST /v1/chat/completions.
func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) error {
	var q api.ChatRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	t, err := l.chatTask(&q)
	if err != nil {
		return err
	}
	t.User = userOf(r.Context())
	if t.Session, err = s.session(r, q.SessionID); err != nil {
		return err
	}
	head := api.Chat{ID: newID("chatcmpl-"), Created: time.Now().Unix(), Model: l.Name, SystemFingerprint: "qwq-" + l.Model.Info().Kernel}
	if q.Stream {
		return s.streamChat(w, r, l, t, &q, head)
	}
	texts := make([]collected, t.N)
	u, err := l.Run(r.Context(), t, func(p Piece) error {
		texts[p.Index].add(l, p, q.Logprobs)
		return nil
	})
	if err != nil {
		return err
	}
	head.Object, head.Usage = "chat.completion", usage(u)
	for i := range texts {
		head.Choices = append(head.Choices, texts[i].choice(i))
	}
	reply(w, http.StatusOK, head)
	return nil
}

// chatTask checks a chat request.
func (l *Loaded) chatTask(q *api.ChatRequest) (*Task, error) {
	if len(q.Messages) == 0 {
		return nil, bad("messages", "messages is empty")
	}
	t := &Task{Think: -1, Vars: q.TemplateVars}
	for i := range q.Messages {
		m, err := message(&q.Messages[i], i)
		if err != nil {
			return nil, err
		}
		t.Messages = append(t.Messages, m)
	}
	if err := l.generation(t, &q.Generation); err != nil {
		return nil, err
	}
	if err := maxTokens(t, "max_completion_tokens", q.MaxCompletionTokens); err != nil {
		return nil, err
	}
	if err := l.openAITools(t, q.Tools, q.ToolChoice, q.ParallelToolCalls); err != nil {
		return nil, err
	}
	if n := q.MaxThinkingTokens; n != nil {
		if t.Think = *n; t.Think < 0 {
			return nil, bad("max_thinking_tokens", "max_thinking_tokens is %d, it must be at least 0", t.Think)
		}
	}
	if q.ReasoningEffort == "none" {
		if t.Vars == nil {
			t.Vars = map[string]any{}
		}
		if _, said := t.Vars["enable_thinking"]; !said {
			t.Vars["enable_thinking"] = false
		}
	}
	if err := logprobs(t, q.Logprobs, q.TopLogprobs); err != nil {
		return nil, err
	}
	return t, l.restrict(t, q.ResponseFormat, q.Grammar)
}

// logprobs sets how many probabilities come with a token.
func logprobs(t *Task, on bool, top int) error {
	switch {
	case top < 0 || top > 20:
		return bad("top_logprobs", "top_logprobs is %d, not in 0 to 20", top)
	case top > 0 && !on:
		return bad("top_logprobs", "top_logprobs needs logprobs: true")
	case top > 0:
		t.Sampling.Logprobs = top
	case on:
		t.Sampling.Logprobs = -1
	}
	return nil
}

// message is message i as templates read it.
func message(m *api.Message, i int) (chat.Message, error) {
	out := chat.Message{Role: m.Role, ReasoningContent: m.ReasoningContent, Name: m.Name, ToolCallID: m.ToolCallID}
	switch m.Role {
	case "system", "user", "assistant", "tool", "function":
	case "developer":
		out.Role = "system"
	default:
		return out, bad("messages", "messages[%d].role is %q, not system, developer, user, assistant or tool", i, m.Role)
	}
	switch {
	case m.Content == nil && len(m.ToolCalls) == 0:
		if m.Role != "assistant" {
			return out, bad("messages", "messages[%d].content is missing", i)
		}
		fallthrough
	case m.Content == nil:
		out.Content.Null = true
	case m.Content.Parts != nil:
		var text strings.Builder
		for k, p := range m.Content.Parts {
			if p.ImageURL != nil {
				if err := checkImageURL(fmt.Sprintf("messages[%d].content[%d].image_url", i, k), p.ImageURL.URL); err != nil {
					return out, err
				}
				return out, bad("messages", "messages[%d].content[%d] is an image, which this model cannot see: it reads text only", i, k)
			}
			if p.Type != "text" && p.Type != "input_text" && p.Type != "output_text" && p.Type != "refusal" {
				return out, bad("messages", "messages[%d].content[%d].type %q: this model reads text only", i, k, p.Type)
			}
			text.WriteString(p.Text)
		}
		out.Content = chat.Text(text.String())
	default:
		out.Content = chat.Text(m.Content.Text)
	}
	for _, c := range m.ToolCalls {
		args := json.RawMessage(c.Function.Arguments)
		if !json.Valid(args) {
			args, _ = json.Marshal(c.Function.Arguments)
		}
		out.ToolCalls = append(out.ToolCalls, chat.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: args})
	}
	return out, nil
}

// collected is one answer on its way to a whole body.
type collected struct {
	text, thought strings.Builder
	calls         []chat.ToolCall
	logprobs      []api.TokenLogprob
	withLogprobs  bool
	finish        string
}

func (c *collected) add(l *Loaded, p Piece, logprobs bool) {
	for _, d := range p.Deltas {
		switch d.Kind {
		case chat.DeltaReasoning:
			c.thought.WriteString(d.Text)
		case chat.DeltaToolCall:
			c.calls = append(c.calls, *d.Call)
		default:
			c.text.WriteString(d.Text)
		}
	}
	if c.withLogprobs = logprobs; logprobs {
		c.logprobs = append(c.logprobs, l.logprob(p.Token))
	}
	c.finish = p.Finish
}

func (c *collected) choice(i int) api.Choice {
	m := &api.Message{Role: "assistant", Content: api.Text(c.text.String()), ReasoningContent: c.thought.String()}
	for k, call := range c.calls {
		m.ToolCalls = append(m.ToolCalls, toolCall(call, k, false))
	}
	if c.text.Len() == 0 && len(c.calls) > 0 {
		m.Content = nil
	}
	out := api.Choice{Index: i, Message: m, FinishReason: &c.finish}
	if c.withLogprobs {
		out.Logprobs = &api.Logprobs{Content: c.logprobs}
	}
	return out
}

// toolCall is call k in OpenAI's form; stream gives it its index.
func toolCall(c chat.ToolCall, k int, stream bool) api.ToolCall {
	out := api.ToolCall{ID: c.ID, Type: "function", Function: api.FunctionCall{Name: c.Name, Arguments: string(c.Arguments)}}
	if out.ID == "" {
		out.ID = newID("call_")
	}
	var text string
	if json.Unmarshal(c.Arguments, &text) == nil { // the text of an object
		out.Function.Arguments = text
	}
	if stream {
		out.Index = &k
	}
	return out
}

// logprob is a token in OpenAI's form.
func (l *Loaded) logprob(t engine.Token) api.TokenLogprob {
	if t.ID == noToken {
		return api.TokenLogprob{Bytes: []int{}, Top: []api.TokenLogprob{}}
	}
	one := func(id int32, p float32) api.TokenLogprob {
		b := l.Model.Tokenizer().Token(id)
		out := api.TokenLogprob{Token: string(b), Logprob: p, Bytes: make([]int, len(b))}
		for i, v := range b {
			out.Bytes[i] = int(v)
		}
		return out
	}
	out := one(t.ID, t.Logprob)
	out.Top = []api.TokenLogprob{}
	for _, a := range t.Top {
		out.Top = append(out.Top, one(a.ID, a.Logprob))
	}
	return out
}

// streamChat answers piece by piece.
func (s *Server) streamChat(w http.ResponseWriter, r *http.Request, l *Loaded, t *Task, q *api.ChatRequest, head api.Chat) error {
	head.Object = "chat.completion.chunk"
	var e *events
	begun := make([]bool, t.N)
	calls := make([]int, t.N)
	send := func(i int, d api.Delta, lp *api.Logprobs, finish string) error {
		if e == nil {
			e = newEvents(w)
		}
		if !begun[i] {
			begun[i], d.Role = true, "assistant"
		}
		c := api.Choice{Index: i, Delta: &d, Logprobs: lp}
		if finish != "" {
			c.FinishReason = &finish
		}
		head.Choices = []api.Choice{c}
		return e.send("", head)
	}
	u, err := l.Run(r.Context(), t, func(p Piece) error {
		var lp *api.Logprobs
		if q.Logprobs {
			lp = &api.Logprobs{Content: []api.TokenLogprob{l.logprob(p.Token)}}
		}
		for _, d := range p.Deltas {
			var out api.Delta
			switch d.Kind {
			case chat.DeltaReasoning:
				out.ReasoningContent = d.Text
			case chat.DeltaToolCall: // the name first, then the arguments
				call := toolCall(*d.Call, calls[p.Index], true)
				args := api.ToolCall{Index: call.Index, Function: api.FunctionCall{Arguments: call.Function.Arguments}}
				call.Function.Arguments = ""
				if err := send(p.Index, api.Delta{ToolCalls: []api.ToolCall{call}}, lp, ""); err != nil {
					return err
				}
				lp, out.ToolCalls = nil, []api.ToolCall{args}
				calls[p.Index]++
			default:
				out.Content = &d.Text
			}
			if err := send(p.Index, out, lp, ""); err != nil {
				return err
			}
			lp = nil
		}
		if lp != nil || p.Finish != "" || !begun[p.Index] {
			return send(p.Index, api.Delta{}, lp, p.Finish)
		}
		return nil
	})
	if err != nil {
		if e != nil {
			f := failure(err)
			e.send("", api.ErrorBody{Error: *f}) //nolint:errcheck // the client may have gone
		}
		return err
	}
	if q.StreamOptions != nil && q.StreamOptions.IncludeUsage {
		head.Choices, head.Usage = []api.Choice{}, usage(u)
		if err := e.send("", head); err != nil {
			return fmt.Errorf("stream: %w", err)
		}
	}
	return e.send("", "[DONE]")
}
