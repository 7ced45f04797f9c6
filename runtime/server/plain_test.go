package server

import (
	"testing"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// TestNoTemplate: a model without a template continues the text of the conversation, in
// every API, and can be made to call.
func TestNoTemplate(t *testing.T) {
	path, h := onSocket(t, sched.Options{})
	l, done, err := h.Use(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	l.Template, l.Format = nil, chat.FormatNone
	done()
	c, err := api.Dial(path, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const text = "Once upon a time there was"
	want, err := c.Complete(t.Context(), &api.CompletionRequest{Prompt: api.Prompt{Texts: []string{text}}, Generation: api.Generation{Seed: p(int64(4)), MaxTokens: p(12)}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Chat(t.Context(), &api.ChatRequest{Messages: []api.Message{{Role: "user", Content: api.Text(text)}}, Generation: api.Generation{Seed: p(int64(4)), MaxTokens: p(12)}})
	if err != nil || a.Text() != want.Choices[0].Text {
		t.Errorf("chat %q, %v; want %q", a.Text(), err, want.Choices[0].Text)
	}
	o, err := c.OllamaChat(t.Context(), &api.OllamaChat{Messages: []api.OllamaMessage{{Role: "user", Content: text}}, OllamaCommon: api.OllamaCommon{Options: api.OllamaOptions{Seed: p(int64(4)), NumPredict: p(12)}}})
	if err != nil || o.Message.Content != want.Choices[0].Text {
		t.Errorf("ollama %+v, %v; want %q", o.Message, err, want.Choices[0].Text)
	}
	a, err = c.Chat(t.Context(), &api.ChatRequest{Messages: []api.Message{{Role: "user", Content: api.Text(text)}}, Tools: twoTools, ToolChoice: []byte(`"required"`), ParallelToolCalls: p(false), Generation: api.Generation{Seed: p(int64(4))}})
	if err != nil || len(a.Choices[0].Message.ToolCalls) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
}
