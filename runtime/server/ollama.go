package server

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
)

// line writes one JSON object a line (application/x-ndjson).
func (e *events) line(v any) error {
	e.buf.Reset()
	if err := json.NewEncoder(&e.buf).Encode(v); err != nil {
		return err
	}
	return e.flush()
}

func newLines(w http.ResponseWriter) *events {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return &events{w: w, c: http.NewResponseController(w)}
}

// ollamaTask sets what both ways to generate share.
func (l *Loaded) ollamaTask(t *Task, q *api.OllamaCommon) error {
	o := q.Options
	g := api.Generation{Temperature: o.Temperature, TopP: o.TopP, TopK: o.TopK, MinP: o.MinP, RepeatPenalty: o.RepeatPenalty, Stop: o.Stop, Seed: o.Seed,
		FrequencyPenalty: o.FrequencyPenalty, PresencePenalty: o.PresencePenalty}
	if o.NumPredict != nil && *o.NumPredict > 0 { // -1 and -2: to the end of the context
		g.MaxTokens = o.NumPredict
	}
	if err := l.generation(t, &g); err != nil {
		return err
	}
	t.Think = -1
	if q.Think != nil {
		switch q.Think.Level {
		case "", "low", "medium", "high", "max":
		default:
			return bad("think", "think is %.100q, not true, false, low, medium, high or max", q.Think.Level)
		}
		t.Vars = map[string]any{"enable_thinking": q.Think.On}
	}
	if err := logprobs(t, q.Logprobs, q.TopLogprobs); err != nil {
		return err
	}
	var kind string
	switch {
	case len(q.Format) == 0 || string(q.Format) == "null" || string(q.Format) == `""`:
		return nil
	case json.Unmarshal(q.Format, &kind) == nil && kind == "json":
		return l.schema(t, json.RawMessage(anyObject), "format")
	case json.Unmarshal(q.Format, &kind) == nil:
		return bad("format", "format is %q, not \"json\" or a schema", kind)
	}
	return l.schema(t, q.Format, "format")
}

// ollamaGenerate serves POST /api/generate.
func (s *Server) ollamaGenerate(w http.ResponseWriter, r *http.Request) error {
	var q api.OllamaGenerate
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	t := &Task{User: userOf(r.Context())}
	if err := l.ollamaTask(t, &q.OllamaCommon); err != nil {
		return err
	}
	if len(q.Images) > 0 {
		return bad("images", "this model reads text only")
	}
	head := api.OllamaAnswer{Model: l.Name, CreatedAt: time.Now().UTC()}
	if q.Prompt == "" && q.Suffix == "" { // a client that wants the model loaded
		text := ""
		head.Response, head.Done, head.DoneReason = &text, true, "load"
		reply(w, http.StatusOK, head)
		return nil
	}
	switch {
	case q.Suffix != "":
		if err := l.fillInTheMiddle(t, q.Prompt, q.Suffix); err != nil {
			return err
		}
	case q.Raw || l.Template == nil:
		t.Prompt = q.System + q.Prompt
	default:
		if q.System != "" {
			t.Messages = append(t.Messages, chat.Message{Role: "system", Content: chat.Text(q.System)})
		}
		t.Messages = append(t.Messages, chat.Message{Role: "user", Content: chat.Text(q.Prompt)})
	}
	return s.ollamaRun(w, r, l, t, q.Stream, func(text, thought string, _ []api.OllamaToolCall) api.OllamaAnswer {
		a := head
		a.Response, a.Thinking = &text, thought
		return a
	})
}

// ollamaChat serves POST /api/chat.
func (s *Server) ollamaChat(w http.ResponseWriter, r *http.Request) error {
	var q api.OllamaChat
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	t := &Task{User: userOf(r.Context()), Messages: []chat.Message{}}
	if t.Session, err = s.session(r, q.SessionID); err != nil {
		return err
	}
	if err := l.ollamaTask(t, &q.OllamaCommon); err != nil {
		return err
	}
	head := api.OllamaAnswer{Model: l.Name, CreatedAt: time.Now().UTC()}
	message := func(text, thought string, calls []api.OllamaToolCall) api.OllamaAnswer {
		a := head
		a.Message = &api.OllamaMessage{Role: "assistant", Content: text, Thinking: thought, ToolCalls: calls}
		return a
	}
	if len(q.Messages) == 0 {
		a := message("", "", nil)
		a.Done, a.DoneReason = true, "load"
		reply(w, http.StatusOK, a)
		return nil
	}
	for i, m := range q.Messages {
		if len(m.Images) > 0 {
			return bad("messages", "messages[%d].images: this model reads text only", i)
		}
		switch m.Role {
		case "system", "user", "assistant", "tool":
		default:
			return bad("messages", "messages[%d].role is %q, not system, user, assistant or tool", i, m.Role)
		}
		out := chat.Message{Role: m.Role, Content: chat.Text(m.Content), ReasoningContent: m.Thinking, Name: m.ToolName}
		for _, c := range m.ToolCalls {
			out.ToolCalls = append(out.ToolCalls, chat.ToolCall{Name: c.Function.Name, Arguments: c.Function.Arguments})
		}
		t.Messages = append(t.Messages, out)
	}
	if err := l.openAITools(t, q.Tools, nil, nil); err != nil {
		return err
	}
	return s.ollamaRun(w, r, l, t, q.Stream, message)
}

// ollamaRun generates and answers; Ollama streams unless told not to.
func (s *Server) ollamaRun(w http.ResponseWriter, r *http.Request, l *Loaded, t *Task, stream *bool, answer func(text, thought string, calls []api.OllamaToolCall) api.OllamaAnswer) error {
	whole := stream != nil && !*stream
	var c collected
	var e *events
	var end Piece
	began := time.Now()
	send := func(a api.OllamaAnswer) error {
		if e == nil {
			e = newLines(w)
		}
		return e.line(a)
	}
	u, err := l.Run(r.Context(), t, func(p Piece) error {
		if p.Finish != "" {
			end = p
		}
		if whole {
			c.add(l, p, t.Sampling.Logprobs != 0)
			return nil
		}
		var lp []api.TokenLogprob
		if t.Sampling.Logprobs != 0 {
			lp = append(lp, l.logprob(p.Token))
		}
		if len(p.Deltas) == 0 && lp != nil { // its text is held back
			p.Deltas = []chat.Delta{{Kind: chat.DeltaContent}}
		}
		for _, d := range p.Deltas {
			var a api.OllamaAnswer
			switch d.Kind {
			case chat.DeltaReasoning:
				a = answer("", d.Text, nil)
			case chat.DeltaToolCall:
				a = answer("", "", []api.OllamaToolCall{ollamaCall(*d.Call)})
			default:
				a = answer(d.Text, "", nil)
			}
			a.Logprobs, lp = lp, nil
			if err := send(a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		if e != nil {
			e.line(formOllama.body(failure(err))) //nolint:errcheck // the client may have gone
		}
		return err
	}
	var calls []api.OllamaToolCall
	for _, call := range c.calls {
		calls = append(calls, ollamaCall(call))
	}
	a := answer(c.text.String(), c.thought.String(), calls)
	a.Done, a.DoneReason, a.Logprobs = true, end.Finish, c.logprobs
	if a.DoneReason == FinishToolCalls {
		a.DoneReason = "stop"
	}
	took := time.Since(began)
	a.TotalDuration, a.LoadDuration = took.Nanoseconds(), 0
	a.PromptEvalCount, a.PromptEvalDuration = u.Prompt, max(1, end.Timings.Prompt.Nanoseconds())
	a.EvalCount, a.EvalDuration = u.Generated, max(1, end.Timings.Generate.Nanoseconds())
	if whole {
		reply(w, http.StatusOK, a)
		return nil
	}
	return send(a)
}

func ollamaCall(c chat.ToolCall) api.OllamaToolCall {
	return api.OllamaToolCall{Function: api.OllamaFunction{Name: c.Name, Arguments: callObject(c)}}
}
