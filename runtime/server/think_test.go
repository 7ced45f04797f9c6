package server

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// thinker serves the embedded model with a template that opens the reasoning, unless
// enable_thinking is false.
func thinker(t *testing.T) *api.Client {
	t.Helper()
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "demo", Time: time.Unix(1, 0)}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 1},
	})
	l, done, err := h.Use(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if l.Template, err = chat.Parse("test", `{% for m in messages %}{{ m.role + ": " + m.content + "\n" }}{% endfor %}assistant: {% if enable_thinking is not defined or enable_thinking %}<think>
{% endif %}`); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(New(h, Options{}).Handler())
	c, err := api.Dial(s.URL, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
		h.Drain(t.Context()) //nolint:errcheck // the test has ended
	})
	return c
}

// TestThinking: reasoning is bounded, and comes apart from the answer in every API, the
// same in all of them; it can be turned off.
func TestThinking(t *testing.T) {
	c := thinker(t)
	user := []api.Message{{Role: "user", Content: api.Text("Once upon a time")}}
	a, err := c.Chat(t.Context(), &api.ChatRequest{Messages: user, MaxThinkingTokens: p(6), Generation: api.Generation{Seed: p(int64(3)), MaxTokens: p(40)}})
	if err != nil {
		t.Fatal(err)
	}
	m := a.Choices[0].Message
	thought, text := m.ReasoningContent, m.Content.String()
	if thought == "" || text == "" || strings.Contains(thought+text, "think>") || len(strings.Fields(thought)) > 6 {
		t.Fatalf("thought %q, said %q", thought, text)
	}
	b, err := c.Messages(t.Context(), &api.MessagesRequest{MaxTokens: p(40), Seed: p(int64(3)), Thinking: &api.AnthropicThinking{Type: "enabled", Budget: p(6)}, Messages: []api.AnthropicMessage{{Role: "user", Content: api.Blocks{{Type: "text", Text: "Once upon a time"}}}}})
	if err != nil || len(b.Content) != 2 || b.Content[0].Type != "thinking" || b.Content[0].Thinking != thought || b.Content[1].Text != text {
		t.Errorf("messages: %+v, %v; want %q, %q", b, err, thought, text)
	}
	r, err := c.Responses(t.Context(), &api.ResponsesRequest{MaxOutputTokens: p(40), Seed: p(int64(3)), MaxThinkingTokens: p(6), Input: api.ResponseInput{{Role: "user", Content: api.Text("Once upon a time")}}})
	if err != nil || len(r.Output) != 2 || r.Output[0].Type != "reasoning" || r.Output[0].Content[0].Text != thought || r.OutputText() != text || r.Usage.OutputDetails.ReasoningTokens < 4 {
		t.Errorf("responses: %+v, %v; want %q, %q", r, err, thought, text)
	}
	o, err := c.OllamaChat(t.Context(), &api.OllamaChat{OllamaCommon: api.OllamaCommon{Think: &api.Think{On: true}, Options: api.OllamaOptions{NumPredict: p(12)}}, Messages: []api.OllamaMessage{{Role: "user", Content: "Once upon a time"}}})
	if err != nil || o.Message.Thinking == "" || o.Message.Content != "" {
		t.Errorf("ollama: %+v, %v", o, err)
	}
	if o, err = c.OllamaChat(t.Context(), &api.OllamaChat{OllamaCommon: api.OllamaCommon{Think: &api.Think{}, Options: api.OllamaOptions{NumPredict: p(12)}}, Messages: []api.OllamaMessage{{Role: "user", Content: "Once upon a time"}}}); err != nil || o.Message.Thinking != "" || o.Message.Content == "" {
		t.Errorf("ollama without: %+v, %v", o, err)
	}
	// A required call comes behind the reasoning.
	a, err = c.Chat(t.Context(), &api.ChatRequest{Messages: user, MaxThinkingTokens: p(6), Tools: twoTools, ToolChoice: json.RawMessage(`"required"`), ParallelToolCalls: p(false), Generation: api.Generation{Seed: p(int64(3)), MaxTokens: p(150)}})
	if err != nil {
		t.Fatal(err)
	}
	if m := a.Choices[0].Message; len(m.ToolCalls) != 1 || m.ReasoningContent == "" || m.Content != nil {
		t.Errorf("%+v", m)
	} else if err := checkCall(m.ToolCalls[0].Function.Name, m.ToolCalls[0].Function.Arguments); err != nil {
		t.Error(err)
	}
	// So does a value of a schema.
	a, err = c.Chat(t.Context(), &api.ChatRequest{Messages: user, MaxThinkingTokens: p(6), ResponseFormat: &api.ResponseFormat{Type: "json_schema", JSONSchema: &api.JSONSchema{Schema: json.RawMessage(`{"type":"boolean"}`)}}, Generation: api.Generation{Seed: p(int64(3))}})
	if err != nil || a.Choices[0].Message.ReasoningContent == "" || a.Text() != "true" && a.Text() != "false" {
		t.Errorf("%+v, %v", a, err)
	}
}
