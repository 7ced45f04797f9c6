package server

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// responses serves POST /v1/responses. Nothing is stored: a client sends the whole
// conversation each time.
func (s *Server) responses(w http.ResponseWriter, r *http.Request) error {
	var q api.ResponsesRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	t, err := l.responsesTask(&q)
	if err != nil {
		return err
	}
	t.User = userOf(r.Context())
	b := &responseBuilder{l: l, out: newResponse(l, &q, t), logprobs: q.TopLogprobs != nil}
	if q.Stream {
		b.open = func() *events { return newEvents(w) }
	}
	u, err := l.Run(r.Context(), t, b.piece)
	if err != nil {
		b.fail(failure(err))
		return err
	}
	if err := b.finish(u); err != nil {
		return err
	}
	if !q.Stream {
		reply(w, http.StatusOK, b.out)
	}
	return nil
}

// responsesTask checks a request.
func (l *Loaded) responsesTask(q *api.ResponsesRequest) (*Task, error) {
	switch {
	case q.PreviousResponseID != "":
		return nil, bad("previous_response_id", "responses are not stored: send the whole conversation as input in place of previous_response_id")
	case len(q.Conversation) > 0 && string(q.Conversation) != "null":
		return nil, bad("conversation", "conversations are not stored: send the whole conversation as input")
	case q.Background:
		return nil, bad("background", "background is not supported: responses are not stored")
	case q.Truncation != "" && q.Truncation != "disabled":
		return nil, bad("truncation", "truncation is %.100q, only disabled is supported", q.Truncation)
	case len(q.Input) == 0:
		return nil, bad("input", "input is empty")
	}
	t := &Task{Think: -1}
	if q.Instructions != "" {
		t.Messages = append(t.Messages, chat.Message{Role: "system", Content: chat.Text(q.Instructions)})
	}
	if err := responseMessages(t, q.Input); err != nil {
		return nil, err
	}
	g := api.Generation{Temperature: q.Temperature, TopP: q.TopP, Seed: q.Seed}
	if err := l.generation(t, &g); err != nil {
		return nil, err
	}
	if err := maxTokens(t, "max_output_tokens", q.MaxOutputTokens); err != nil {
		return nil, err
	}
	if n := q.TopLogprobs; n != nil {
		if *n < 0 || *n > 20 {
			return nil, bad("top_logprobs", "top_logprobs is %d, not in 0 to 20", *n)
		}
		if t.Sampling.Logprobs = *n; *n == 0 {
			t.Sampling.Logprobs = -1
		}
	}
	if n := q.MaxThinkingTokens; n != nil {
		if t.Think = *n; t.Think < 0 {
			return nil, bad("max_thinking_tokens", "max_thinking_tokens is %d, it must be at least 0", t.Think)
		}
	}
	if q.Reasoning != nil && q.Reasoning.Effort != nil && *q.Reasoning.Effort == "none" {
		t.Vars = map[string]any{"enable_thinking": false}
	}
	if err := l.responseTools(t, q); err != nil {
		return nil, err
	}
	if q.Text == nil || q.Text.Format == nil {
		return t, nil
	}
	f := q.Text.Format
	rf := &api.ResponseFormat{Type: f.Type}
	if f.Type == "json_schema" {
		rf.JSONSchema = &api.JSONSchema{Name: f.Name, Schema: f.Schema}
	}
	return t, l.restrict(t, rf, "")
}

// responseMessages turns items into turns: calls join the turn of the assistant before
// them, as chats have it.
func responseMessages(t *Task, items []api.ResponseItem) error {
	thought := ""
	for i := range items {
		it := &items[i]
		switch it.Type {
		case "", "message":
			m, err := message(&api.Message{Role: it.Role, Content: it.Content}, i)
			if err != nil {
				e := failure(err)
				return bad("input", "input: %s", e.Message)
			}
			if m.Role == "assistant" {
				m.ReasoningContent, thought = thought, ""
			}
			t.Messages = append(t.Messages, m)
		case "function_call":
			args := json.RawMessage(it.Arguments)
			if !json.Valid(args) {
				args, _ = json.Marshal(it.Arguments)
			}
			n := len(t.Messages)
			if n == 0 || t.Messages[n-1].Role != "assistant" {
				t.Messages = append(t.Messages, chat.Message{Role: "assistant", Content: chat.Content{Null: true}, ReasoningContent: thought})
				thought = ""
				n++
			}
			m := &t.Messages[n-1]
			m.ToolCalls = append(m.ToolCalls, chat.ToolCall{ID: it.CallID, Name: it.Name, Arguments: args})
		case "function_call_output":
			m, err := message(&api.Message{Role: "tool", Content: it.Output, ToolCallID: it.CallID}, i)
			if err != nil {
				return bad("input", "input[%d].output must be a text", i)
			}
			t.Messages = append(t.Messages, m)
		case "reasoning":
			thought = it.Content.String()
		default:
			return bad("input", "input[%d].type is %.100q, not message, function_call, function_call_output or reasoning", i, it.Type)
		}
	}
	if len(t.Messages) == 0 {
		return bad("input", "input has no message")
	}
	return nil
}

func (l *Loaded) responseTools(t *Task, q *api.ResponsesRequest) error {
	var tools []api.Tool
	for i, tool := range q.Tools {
		if tool.Type != "function" {
			return bad("tools", "tools[%d].type is %.100q: the daemon has no tools of its own", i, tool.Type)
		}
		f, err := json.Marshal(function{Name: tool.Name, Description: tool.Description, Parameters: tool.Parameters})
		if err != nil {
			return bad("tools", "tools[%d]: %v", i, err)
		}
		tools = append(tools, api.Tool{Type: "function", Function: f})
	}
	return l.openAITools(t, tools, q.ToolChoice, q.ParallelToolCalls)
}

// newResponse is the answer before its first token.
func newResponse(l *Loaded, q *api.ResponsesRequest, t *Task) *api.Response {
	out := &api.Response{
		ID: newID("resp_"), Object: "response", CreatedAt: time.Now().Unix(), Status: "in_progress", Model: l.Name,
		Output: []api.OutputItem{}, ParallelToolCalls: !t.One, Temperature: &t.Sampling.Temperature, TopP: &t.Sampling.TopP,
		MaxOutputTokens: q.MaxOutputTokens, Metadata: q.Metadata, Tools: q.Tools, ToolChoice: q.ToolChoice, Truncation: "disabled",
	}
	if q.Instructions != "" {
		out.Instructions = &q.Instructions
	}
	if q.Reasoning != nil {
		out.Reasoning = *q.Reasoning
	}
	if q.Text != nil {
		out.Text = *q.Text
	}
	if out.Text.Format == nil {
		out.Text.Format = &api.TextFormat{Type: "text"}
	}
	if out.Tools == nil {
		out.Tools = []api.ResponseTool{}
	}
	if len(out.ToolChoice) == 0 || string(out.ToolChoice) == "null" {
		out.ToolChoice = json.RawMessage(`"auto"`)
	}
	if out.Metadata == nil {
		out.Metadata = map[string]string{}
	}
	return out
}

// responseBuilder fills a response, and tells of it in events when open is not nil.
type responseBuilder struct {
	l        *Loaded
	out      *api.Response
	logprobs bool
	open     func() *events
	e        *events
	sequence int
	filling  bool // the last item is not complete
	kind     chat.DeltaKind
	thoughts int // tokens of reasoning
	end      Piece
}

// piece takes the next token.
func (b *responseBuilder) piece(p Piece) error {
	if b.open != nil && b.e == nil {
		b.e = b.open()
		for _, kind := range []string{"response.created", "response.in_progress"} {
			if err := b.send(api.ResponseEvent{Type: kind, Response: b.out}); err != nil {
				return err
			}
		}
	}
	b.end = p
	logprobs := []api.TokenLogprob{}
	if b.logprobs {
		logprobs = append(logprobs, b.l.logprob(p.Token))
	}
	for i, d := range p.Deltas {
		if i == 0 && d.Kind == chat.DeltaReasoning {
			b.thoughts++
		}
		if err := b.delta(d, logprobs); err != nil {
			return err
		}
		if d.Kind == chat.DeltaContent {
			logprobs = []api.TokenLogprob{}
		}
	}
	return nil
}

// finish ends the response well.
func (b *responseBuilder) finish(u Usage) error {
	b.out.Status = "completed"
	if b.end.Finish == engine.FinishLength {
		b.out.Status, b.out.IncompleteDetails = "incomplete", &api.Incomplete{Reason: "max_output_tokens"}
	}
	if b.end.Finish == FinishContentFilter {
		b.out.Status, b.out.IncompleteDetails = "incomplete", &api.Incomplete{Reason: FinishContentFilter}
	}
	if err := b.closeItem(b.out.Status); err != nil {
		return err
	}
	b.out.Usage = &api.ResponseUsage{InputTokens: u.Prompt, OutputTokens: u.Generated, TotalTokens: u.Prompt + u.Generated}
	b.out.Usage.InputDetails.CachedTokens = u.Cached
	b.out.Usage.OutputDetails.ReasoningTokens = b.thoughts
	return b.send(api.ResponseEvent{Type: "response." + b.out.Status, Response: b.out})
}

// fail ends a stream that has begun.
func (b *responseBuilder) fail(e *api.Error) {
	if b.e == nil {
		return
	}
	b.out.Status, b.out.Error = "failed", &api.ResponseError{Code: "server_error", Message: e.Message}
	b.send(api.ResponseEvent{Type: "response.failed", Response: b.out}) //nolint:errcheck // the client may have gone
}
