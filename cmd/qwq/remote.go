package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/engine/session"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// generate continues a text through the daemon: the same tokens as in this process.
func (d *daemon) generate(c *cli.Context, r engine.Request) error {
	defer d.Close()
	q := &api.CompletionRequest{Model: c.String("model"), Generation: settings(r.Sampling), IgnoreEOS: r.IgnoreEOS, ReturnTokenIDs: true, Echo: c.Bool("echo")}
	q.MaxTokens, q.Stop, q.StreamOptions = &r.MaxTokens, r.Stop, &api.StreamOptions{IncludeUsage: true}
	if q.Prompt.Texts = []string{r.Prompt}; r.IDs != nil {
		q.Prompt = api.Prompt{IDs: [][]int32{r.IDs}}
	}
	if err := restrict(c, q); err != nil {
		return err
	}
	g, out := &generation{IDs: []int32{}, PromptIDs: []int32{}}, io.Discard
	if !c.Bool("json") {
		out = c.App.Writer
	}
	var text strings.Builder
	for piece, err := range d.CompleteStream(c.Context, q) {
		if err != nil {
			return d.explain(c.Context, err)
		}
		for _, x := range piece.Choices {
			text.WriteString(x.Text)
			g.IDs, g.PromptIDs = append(g.IDs, x.TokenIDs...), append(g.PromptIDs, x.PromptTokenIDs...)
			if x.FinishReason != nil {
				g.FinishReason = *x.FinishReason
			}
			if _, err := io.WriteString(out, x.Text); err != nil {
				return err
			}
		}
		if u := piece.Usage; u != nil {
			g.Timings.PromptTokens, g.Timings.GeneratedTokens = u.PromptTokens, u.CompletionTokens
			if t := u.Timings; t != nil {
				g.Timings.PromptMS, g.Timings.GenerateMS, g.Timings.Drafted, g.Timings.Accepted = t.PromptMS, t.GenerateMS, t.Drafted, t.Accepted
			}
		}
	}
	g.Text = text.String()
	if c.Bool("json") {
		return prog.JSON(c.App.Writer, g)
	}
	_, err := fmt.Fprintln(out)
	return err
}

// restrict passes the grammar on, which was read without an error.
func restrict(c *cli.Context, q *api.CompletionRequest) error {
	for _, flag := range []string{"grammar", "json-schema"} {
		if c.String(flag) == "" {
			continue
		}
		b, err := readGrammar(c.String(flag))
		if err != nil {
			return err
		}
		if flag == "grammar" {
			q.Grammar = string(b)
		} else {
			q.ResponseFormat = &api.ResponseFormat{Type: "json_schema", JSONSchema: &api.JSONSchema{Name: "text", Schema: b}}
		}
	}
	if c.Bool("json-object") {
		q.ResponseFormat = &api.ResponseFormat{Type: "json_object"}
	}
	return nil
}

// settings are sampling options as the API has them, all of them said.
func settings(o sample.Options) api.Generation {
	seed := int64(o.Seed)
	g := api.Generation{Temperature: &o.Temperature, TopK: &o.TopK, TopP: &o.TopP, MinP: &o.MinP, RepeatPenalty: &o.RepeatPenalty, Seed: &seed}
	for id, v := range o.LogitBias {
		if g.LogitBias == nil {
			g.LogitBias = map[string]float32{}
		}
		g.LogitBias[strconv.Itoa(int(id))] = v
	}
	return g
}

// embed makes vectors through the daemon.
func (d *daemon) embed(c *cli.Context, next func() (string, bool, error)) error {
	defer d.Close()
	most := embedBatch
	if c.Bool("json") {
		most = 1 // tokens are counted by request
	}
	for more := true; more; {
		var texts []string
		for more && len(texts) < most {
			var s string
			var err error
			if s, more, err = next(); err != nil {
				return err
			} else if more {
				texts = append(texts, s)
			}
		}
		if len(texts) == 0 {
			return nil
		}
		a, err := d.Embed(c.Context, &api.EmbeddingRequest{Model: c.String("model"), Input: api.Inputs{Prompt: api.Prompt{Texts: texts}}})
		if err != nil {
			return d.explain(c.Context, err)
		}
		if len(a.Data) != len(texts) {
			return fmt.Errorf("the daemon sent %d vectors for %d texts", len(a.Data), len(texts))
		}
		for _, v := range a.Data {
			if err := writeEmbedding(c, a.Usage.PromptTokens, v.Embedding.Values); err != nil {
				return err
			}
		}
	}
	return nil
}

// name is what the first line calls the model.
func (d *daemon) name(c *cli.Context) string {
	return cmp.Or(c.String("model"), "the default model") + " of " + d.target
}

// session is a conversation that the daemon answers.
func (d *daemon) session(c *cli.Context, o session.Options) (*session.Session, error) {
	ctx, cancel := context.WithTimeout(c.Context, 10*time.Second)
	defer cancel()
	if err := d.Ready(ctx); err != nil {
		return nil, d.explain(c.Context, err)
	}
	a := away{d: d, model: c.String("model"), begin: o.Sampling, said: c.IsSet}
	return session.Remote(a.answer, o), nil
}

// away has conversations answered by a daemon.
type away struct {
	d     *daemon
	model string
	begin sample.Options // the flags' values
	said  func(flag string) bool
}

// answer implements session.Answerer.
func (a away) answer(ctx context.Context, messages []chat.Message, o session.Options) iter.Seq2[session.Event, error] {
	return func(yield func(session.Event, error) bool) {
		q := &api.ChatRequest{Model: a.model, Generation: a.settings(o.Sampling), TemplateVars: o.Vars}
		q.Stop, q.StreamOptions = o.Stop, &api.StreamOptions{IncludeUsage: true}
		if o.MaxTokens > 0 {
			q.MaxTokens = &o.MaxTokens
		}
		for _, m := range messages {
			q.Messages = append(q.Messages, turn(m))
		}
		for _, t := range o.Tools {
			var tool api.Tool
			if err := json.Unmarshal(t, &tool); err != nil {
				yield(session.Event{}, fmt.Errorf("a tool's definition: %w", err))
				return
			}
			q.Tools = append(q.Tools, tool)
		}
		stats := session.Stats{Finish: engine.FinishStop}
		var calls []chat.ToolCall
		for piece, err := range a.d.ChatStream(ctx, q) {
			if err != nil {
				yield(session.Event{}, a.d.explain(ctx, err))
				return
			}
			if u := piece.Usage; u != nil {
				stats.Prompt, stats.Generated, stats.Used = u.PromptTokens, u.CompletionTokens, u.TotalTokens
				if u.PromptDetails != nil {
					stats.Cached = u.PromptDetails.CachedTokens
				}
				if t := u.Timings; t != nil {
					stats.Read, stats.Write = duration(t.PromptMS), duration(t.GenerateMS)
				}
			}
			for _, x := range piece.Choices {
				if x.FinishReason != nil {
					stats.Finish = *x.FinishReason
				}
				for _, e := range events(x.Delta, &calls) {
					stats.Generated++ // nearly, until the usage says it
					e.Tokens = stats.Generated
					if !yield(e, nil) {
						return
					}
				}
			}
		}
		for i := range calls {
			if !yield(session.Event{Kind: session.Call, Call: &calls[i]}, nil) {
				return
			}
		}
		yield(session.Event{Kind: session.Done, Stats: &stats}, nil)
	}
}

func duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// settings leaves out what nobody has set: the model's file may recommend it.
func (a away) settings(o sample.Options) api.Generation {
	g := settings(o)
	for _, x := range []struct {
		flag string
		to   **float64
		was  float64
	}{{"temp", &g.Temperature, a.begin.Temperature}, {"top-p", &g.TopP, a.begin.TopP}, {"min-p", &g.MinP, a.begin.MinP}, {"repeat-penalty", &g.RepeatPenalty, a.begin.RepeatPenalty}} {
		if **x.to == x.was && !a.said(x.flag) {
			*x.to = nil
		}
	}
	if *g.TopK == a.begin.TopK && !a.said("top-k") {
		g.TopK = nil
	}
	return g
}

// turn is a message as the API has it.
func turn(m chat.Message) api.Message {
	out := api.Message{Role: m.Role, Content: api.Text(m.Content.String()), ReasoningContent: m.ReasoningContent, Name: m.Name, ToolCallID: m.ToolCallID}
	for _, c := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, api.ToolCall{ID: c.ID, Type: "function", Function: api.FunctionCall{Name: c.Name, Arguments: string(c.Arguments)}})
	}
	return out
}

// mostCalls bounds the tool calls of an answer.
const mostCalls = 128

// events are what a piece of a stream brings; its parts of tool calls are added to calls.
func events(d *api.Delta, calls *[]chat.ToolCall) (out []session.Event) {
	if d == nil {
		return nil
	}
	if d.ReasoningContent != "" {
		out = append(out, session.Event{Kind: session.Reasoning, Text: d.ReasoningContent})
	}
	if d.Content != nil && *d.Content != "" {
		out = append(out, session.Event{Kind: session.Content, Text: *d.Content})
	}
	for _, c := range d.ToolCalls {
		i := len(*calls)
		if c.Index != nil {
			i = *c.Index
		}
		if i < 0 || i >= mostCalls {
			continue
		}
		for len(*calls) <= i {
			*calls = append(*calls, chat.ToolCall{})
		}
		call := &(*calls)[i]
		call.ID, call.Name = call.ID+c.ID, call.Name+c.Function.Name
		call.Arguments = append(call.Arguments, c.Function.Arguments...)
	}
	return out
}
