package compat

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

const model = "embedded"

var schema = map[string]any{
	"type": "object", "additionalProperties": false, "required": []string{"name", "age"},
	"properties": map[string]any{"name": map[string]any{"enum": []string{"Tom", "Lily"}}, "age": map[string]any{"type": "integer", "minimum": 1, "maximum": 9}},
}

// TestOpenAI is the Go package openai-go.
func TestOpenAI(t *testing.T) {
	c := openai.NewClient(option.WithBaseURL("http://qwqd/v1/"), option.WithAPIKey("none"), option.WithMaxRetries(0), option.WithHTTPClient(&http.Client{Transport: transport()}))
	const name = "openai-go"
	ask := openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Once upon a time")}, Seed: openai.Int(5), MaxTokens: openai.Int(16)}
	whole, err := c.Chat.Completions.New(t.Context(), ask)
	if err == nil && (whole.Usage.CompletionTokens != 16 || whole.Choices[0].Message.Content == "") {
		err = fmt.Errorf("%+v", whole)
	}
	note(t, name, "chat", err)
	if err != nil {
		return
	}

	acc := openai.ChatCompletionAccumulator{}
	s := c.Chat.Completions.NewStreaming(t.Context(), ask)
	for s.Next() {
		acc.AddChunk(s.Current())
	}
	if err = s.Err(); err == nil && acc.Choices[0].Message.Content != whole.Choices[0].Message.Content {
		err = fmt.Errorf("streamed %q", acc.Choices[0].Message.Content)
	}
	note(t, name, "stream", err)

	tools := ask
	tools.MaxTokens, tools.ParallelToolCalls = openai.Int(100), openai.Bool(false)
	tools.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_age", Parameters: schema})}
	tools.ToolChoice = openai.ChatCompletionToolChoiceOptionUnionParam{OfAuto: openai.String("required")}
	called, err := c.Chat.Completions.New(t.Context(), tools)
	if err == nil {
		if calls := called.Choices[0].Message.ToolCalls; len(calls) != 1 || calls[0].Function.Name != "get_age" {
			err = fmt.Errorf("%+v", calls)
		} else {
			err = checkValue(calls[0].Function.Arguments)
		}
	}
	note(t, name, "tools", err)

	acc = openai.ChatCompletionAccumulator{}
	s = c.Chat.Completions.NewStreaming(t.Context(), tools)
	var finished openai.FinishedChatCompletionToolCall
	for s.Next() {
		acc.AddChunk(s.Current())
		if f, ok := acc.JustFinishedToolCall(); ok {
			finished = f
		}
	}
	if err = s.Err(); err == nil {
		err = checkValue(finished.Arguments)
	}
	note(t, name, "tool stream", err)

	form := ask
	form.MaxTokens = openai.Int(100)
	form.ResponseFormat = openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "who", Schema: schema, Strict: openai.Bool(true)}}}
	v, err := c.Chat.Completions.New(t.Context(), form)
	if err == nil {
		err = checkValue(v.Choices[0].Message.Content)
	}
	note(t, name, "schema", err)

	e, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a dog", "a cat"}}})
	if err == nil && (len(e.Data) != 2 || len(e.Data[1].Embedding) == 0) {
		err = fmt.Errorf("%+v", e)
	}
	note(t, name, "embeddings", err)

	r, err := c.Responses.New(t.Context(), responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Once upon a time")}, MaxOutputTokens: openai.Int(16)})
	if err == nil && (r.OutputText() == "" || r.Status != "incomplete") {
		err = fmt.Errorf("%+v", r)
	}
	if err == nil {
		text := ""
		rs := c.Responses.NewStreaming(t.Context(), responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("Once upon a time")}, MaxOutputTokens: openai.Int(16)})
		var end responses.Response
		for rs.Next() {
			switch v := rs.Current().AsAny().(type) {
			case responses.ResponseTextDeltaEvent:
				text += v.Delta
			case responses.ResponseIncompleteEvent:
				end = v.Response
			}
		}
		if err = rs.Err(); err == nil && (text == "" || end.OutputText() != text) {
			err = fmt.Errorf("streamed %q, ended with %q", text, end.OutputText())
		}
	}
	note(t, name, "responses", err)

	list, err := c.Models.List(t.Context())
	if err == nil && !strings.Contains(list.RawJSON(), model) {
		err = errors.New(list.RawJSON())
	}
	note(t, name, "models", err)

	wrong := ask
	wrong.Temperature = param.NewOpt(9.0)
	_, err = c.Chat.Completions.New(t.Context(), wrong)
	var refused *openai.Error
	if errors.As(err, &refused) && refused.StatusCode == http.StatusBadRequest && strings.Contains(refused.Message, "temperature 9") {
		err = nil
	} else {
		err = fmt.Errorf("was not refused: %w", err)
	}
	note(t, name, "errors", err)
}
