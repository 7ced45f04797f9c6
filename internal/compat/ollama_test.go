package compat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ollama/ollama/api"
)

// checkValue checks a value of schema.
func checkValue(text string) error {
	var v struct {
		Name string
		Age  int
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if v.Name != "Tom" && v.Name != "Lily" || v.Age < 1 || v.Age > 9 {
		return fmt.Errorf("%q is no value of the schema", text)
	}
	return nil
}

// TestOllama is the Go package of Ollama's own client.
func TestOllama(t *testing.T) {
	c := api.NewClient(&url.URL{Scheme: "http", Host: "qwqd"}, &http.Client{Transport: transport()})
	const name = "ollama/api"
	messages := []api.Message{{Role: "user", Content: "Once upon a time"}}
	few := map[string]any{"seed": 5, "num_predict": 16}
	no := false
	chat := func(q *api.ChatRequest) (text string, end api.ChatResponse, pieces int, err error) {
		err = c.Chat(t.Context(), q, func(r api.ChatResponse) error {
			text += r.Message.Content
			end = r
			pieces++
			return nil
		})
		return text, end, pieces, err
	}
	whole, end, n, err := chat(&api.ChatRequest{Model: model, Messages: messages, Options: few, Stream: &no})
	if err == nil && (n != 1 || end.EvalCount != 16 || end.DoneReason != "length" || end.EvalDuration <= 0) {
		err = fmt.Errorf("%d pieces, %+v", n, end)
	}
	note(t, name, "chat", err)

	text, end, n, err := chat(&api.ChatRequest{Model: model, Messages: messages, Options: few})
	if err == nil && (n < 4 || !end.Done || text != whole) {
		err = fmt.Errorf("%q in %d pieces, want %q", text, n, whole)
	}
	note(t, name, "stream", err)

	text = ""
	err = c.Generate(t.Context(), &api.GenerateRequest{Model: model, Prompt: "Once upon a time", Options: few}, func(r api.GenerateResponse) error {
		text += r.Response
		return nil
	})
	if err == nil && text != whole {
		err = fmt.Errorf("%q, want %q", text, whole)
	}
	note(t, name, "generate", err)

	b, err := json.Marshal(schema)
	if err == nil {
		text, _, _, err = chat(&api.ChatRequest{Model: model, Messages: messages, Options: map[string]any{"seed": 1}, Format: b})
	}
	if err == nil {
		err = checkValue(text)
	}
	note(t, name, "schema", err)

	tool := api.Tool{Type: "function", Function: api.ToolFunction{Name: "get_age", Description: "how old"}}
	args := api.NewToolCallFunctionArguments()
	args.Set("name", "Tom")
	_, end, _, err = chat(&api.ChatRequest{Model: model, Options: few, Tools: api.Tools{tool}, Messages: append(messages,
		api.Message{Role: "assistant", ToolCalls: []api.ToolCall{{Function: api.ToolCallFunction{Name: "get_age", Arguments: args}}}},
		api.Message{Role: "tool", ToolName: "get_age", Content: "5"})})
	if err == nil && !end.Done {
		err = fmt.Errorf("%+v", end)
	}
	note(t, name, "tools", err)

	e, err := c.Embed(t.Context(), &api.EmbedRequest{Model: model, Input: []string{"a dog", "a cat"}})
	if err == nil && (len(e.Embeddings) != 2 || len(e.Embeddings[0]) == 0 || e.PromptEvalCount == 0) {
		err = fmt.Errorf("%+v", e)
	}
	note(t, name, "embeddings", err)

	list, err := c.List(t.Context())
	if err == nil && (len(list.Models) == 0 || list.Models[0].Name != model) {
		err = fmt.Errorf("%+v", list)
	}
	if err == nil {
		_, err = c.Show(t.Context(), &api.ShowRequest{Model: model})
	}
	if err == nil {
		var ps *api.ProcessResponse
		if ps, err = c.ListRunning(t.Context()); err == nil && len(ps.Models) != 1 {
			err = fmt.Errorf("%+v", ps)
		}
	}
	if err == nil {
		_, err = c.Version(t.Context())
	}
	note(t, name, "models", err)

	_, _, _, err = chat(&api.ChatRequest{Model: "none", Messages: messages})
	var refused api.StatusError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound && strings.Contains(refused.ErrorMessage, "none") {
		err = nil
	} else {
		err = fmt.Errorf("was not refused: %w", err)
	}
	note(t, name, "errors", err)

	stop := errors.New("enough")
	err = c.Chat(t.Context(), &api.ChatRequest{Model: model, Messages: messages}, func(api.ChatResponse) error { return stop })
	if errors.Is(err, stop) {
		_, _, _, err = chat(&api.ChatRequest{Model: model, Messages: messages, Options: map[string]any{"num_predict": 2}})
	}
	note(t, name, "abort", err)
}
