package server

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/runtime/api"
)

// client is a typed client of the embedded model.
func client(t *testing.T) *api.Client {
	t.Helper()
	c, err := api.Dial(serveDemo(t).URL, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func p[T any](v T) *T { return &v }

const weather = `{"name":"get_weather","description":"weather","parameters":{"type":"object","properties":{"city":{"enum":["Paris","Rome"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"]}}`

var twoTools = []api.Tool{
	{Type: "function", Function: json.RawMessage(weather)},
	{Type: "function", Function: json.RawMessage(`{"name":"get","parameters":{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}}`)},
}

// checkCall refuses a call that the schemas above do not allow.
func checkCall(name, args string) error {
	var v struct {
		City string
		Days int
		OK   *bool
	}
	if err := json.Unmarshal([]byte(args), &v); err != nil {
		return fmt.Errorf("%s(%s): %w", name, args, err)
	}
	if name == "get_weather" && (v.City == "Paris" || v.City == "Rome") && v.Days >= 1 && v.Days <= 9 || name == "get" && v.OK != nil {
		return nil
	}
	return fmt.Errorf("the call %s(%s) is not valid", name, args)
}

// TestToolChoice: required calls are valid whatever the model would like to write, and a
// stream brings the same ones.
func TestToolChoice(t *testing.T) {
	c := client(t)
	ask := func(choice string, parallel *bool, seed int64) *api.ChatRequest {
		return &api.ChatRequest{
			Messages: []api.Message{{Role: "user", Content: api.Text("Once upon a time")}}, Tools: twoTools, ToolChoice: json.RawMessage(choice), ParallelToolCalls: parallel,
			Generation: api.Generation{Seed: &seed, MaxTokens: p(200)},
		}
	}
	names, most := map[string]int{}, 0
	for seed := range int64(6) {
		a, err := c.Chat(t.Context(), ask(`"required"`, nil, seed))
		if err != nil {
			t.Fatal(err)
		}
		calls := a.Choices[0].Message.ToolCalls
		most = max(most, len(calls))
		if len(calls) == 0 || *a.Choices[0].FinishReason != "tool_calls" && len(calls) < mostCalls && a.Usage.CompletionTokens < 200 {
			t.Errorf("seed %d: %+v", seed, a.Choices[0])
		}
		var args []string
		for _, call := range calls {
			names[call.Function.Name]++
			args = append(args, call.Function.Name+call.Function.Arguments)
			if err := checkCall(call.Function.Name, call.Function.Arguments); err != nil || call.ID == "" {
				t.Error(err, call.ID)
			}
		}
		var streamed []string
		for d, err := range c.ChatStream(t.Context(), ask(`"required"`, nil, seed)) {
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range d.Choices[0].Delta.ToolCalls {
				if call.Function.Name != "" {
					streamed = append(streamed, call.Function.Name)
				}
				streamed[*call.Index] += call.Function.Arguments
			}
		}
		if fmt.Sprint(streamed) != fmt.Sprint(args) {
			t.Errorf("streamed %q, want %q", streamed, args)
		}
	}
	if most < 2 {
		t.Errorf("called %v, at most %d in an answer", names, most)
	}
	for _, choice := range []string{`"required"`, `{"type":"function","function":{"name":"get_weather"}}`} {
		a, err := c.Chat(t.Context(), ask(choice, p(false), 3))
		if err != nil {
			t.Fatal(err)
		}
		if n := len(a.Choices[0].Message.ToolCalls); n != 1 || *a.Choices[0].FinishReason != "tool_calls" || a.Choices[0].Message.Content != nil {
			t.Errorf("%s: %+v", choice, a.Choices[0])
		} else if name := a.Choices[0].Message.ToolCalls[0].Function.Name; choice[0] == '{' && name != "get_weather" {
			t.Errorf("%s: called %s", choice, name)
		}
	}
	for _, choice := range []string{`"none"`, `"auto"`} {
		a, err := c.Chat(t.Context(), ask(choice, nil, 1))
		if err != nil || a.Text() == "" {
			t.Errorf("%s: %v %+v", choice, err, a)
		}
	}
}

// TestToolTurns: a conversation with calls and results can go on, also where the
// template knows nothing of them.
func TestToolTurns(t *testing.T) {
	c := client(t)
	a, err := c.Chat(t.Context(), &api.ChatRequest{Tools: twoTools, Generation: api.Generation{MaxTokens: p(5)}, Messages: []api.Message{
		{Role: "user", Content: api.Text("How is the weather?")},
		{Role: "assistant", ToolCalls: []api.ToolCall{{ID: "1", Type: "function", Function: api.FunctionCall{Name: "get", Arguments: `{"ok":true}`}}}},
		{Role: "tool", ToolCallID: "1", Content: api.Text("sunny")},
	}})
	if err != nil || a.Text() == "" {
		t.Fatal(err, a)
	}
	l := &Loaded{}
	task := &Task{Tools: []json.RawMessage{json.RawMessage(`{}`)}}
	m, err := anthropicMessages(&api.AnthropicMessage{Role: "assistant", Content: api.Blocks{{Type: "text", Text: "look"}, {Type: "tool_use", ID: "1", Name: "get", Input: json.RawMessage(`{"ok":true}`)}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	task.Messages = m
	l.tellTools(task)
	if got, want := task.Messages[1].Content.String(), "look\n<tool_call>\n{\"name\": \"get\", \"arguments\": {\"ok\":true}}\n</tool_call>"; got != want || task.Messages[0].Role != "system" {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMessages: Anthropic's API gives the text that OpenAI's gives, calls, and the stop
// sequence; its stream is the same, block by block.
func TestMessages(t *testing.T) {
	c := client(t)
	q := &api.MessagesRequest{MaxTokens: p(20), Seed: p(int64(5)), System: api.Blocks{{Type: "text", Text: "Be kind."}}, Messages: []api.AnthropicMessage{{Role: "user", Content: api.Blocks{{Type: "text", Text: "Once upon a time"}}}}}
	a, err := c.Messages(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Chat(t.Context(), &api.ChatRequest{Generation: api.Generation{MaxTokens: p(20), Seed: p(int64(5))}, Messages: []api.Message{{Role: "system", Content: api.Text("Be kind.")}, {Role: "user", Content: api.Text("Once upon a time")}}})
	if err != nil || a.Content[0].Text != want.Text() || *a.StopReason != "max_tokens" || a.Usage.OutputTokens != 20 {
		t.Errorf("got %+v, want %q, %v", a, want.Text(), err)
	}
	n, err := c.CountTokens(t.Context(), q)
	if err != nil || n.InputTokens != a.Usage.InputTokens+a.Usage.CacheRead || n.InputTokens == 0 {
		t.Errorf("counted %+v, %v; used %+v", n, err, a.Usage)
	}
	word := strings.Fields(want.Text())[2]
	q.StopSequences = []string{"\x00", word}
	if a, err = c.Messages(t.Context(), q); err != nil || *a.StopReason != "stop_sequence" || *a.StopSequence != word || strings.Contains(a.Content[0].Text, word) {
		t.Errorf("stopped at %q: %+v, %v", word, a, err)
	}
	q.StopSequences, q.MaxTokens = nil, p(200)
	q.Tools = []api.AnthropicTool{{Name: "get_weather", InputSchema: json.RawMessage(`{"type":"object","properties":{"city":{"enum":["Paris","Rome"]},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"]}`)}}
	q.ToolChoice = &api.AnthropicToolChoice{Type: "any", OneCall: true}
	if a, err = c.Messages(t.Context(), q); err != nil || *a.StopReason != "tool_use" || len(a.Content) != 1 || a.Content[0].Type != "tool_use" {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := checkCall(a.Content[0].Name, string(a.Content[0].Input)); err != nil {
		t.Error(err)
	}
	var kinds []string
	input := ""
	for e, err := range c.MessagesStream(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Type)
		if e.Delta != nil && e.Delta.PartialJSON != nil {
			input += *e.Delta.PartialJSON
		}
	}
	if got, want := strings.Join(kinds, " "), "message_start content_block_start content_block_delta content_block_stop message_delta message_stop"; got != want || input != string(a.Content[0].Input) {
		t.Errorf("got %s %s, want %s %s", got, input, want, a.Content[0].Input)
	}
}

// TestResponses: the text is the chat's, events are numbered and build the response
// that comes at the end.
func TestResponses(t *testing.T) {
	c := client(t)
	q := &api.ResponsesRequest{Instructions: "Be kind.", Input: api.ResponseInput{{Role: "user", Content: api.Text("Once upon a time")}}, MaxOutputTokens: p(20), Seed: p(int64(5)), TopLogprobs: p(2)}
	a, err := c.Responses(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Chat(t.Context(), &api.ChatRequest{Generation: api.Generation{MaxTokens: p(20), Seed: p(int64(5))}, Messages: []api.Message{{Role: "system", Content: api.Text("Be kind.")}, {Role: "user", Content: api.Text("Once upon a time")}}})
	if err != nil || a.OutputText() != want.Text() || a.Status != "incomplete" || a.IncompleteDetails.Reason != "max_output_tokens" || a.Usage.OutputTokens != 20 {
		t.Errorf("got %+v, want %q, %v", a, want.Text(), err)
	}
	if lp := a.Output[0].Content[0].Logprobs; len(lp) < 10 || len(lp[0].Top) != 2 {
		t.Errorf("logprobs %+v", lp)
	}
	q.Tools = []api.ResponseTool{{Type: "function", Name: "get", Parameters: json.RawMessage(`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}`)}}
	for _, choice := range []string{`"none"`, `{"type":"function","name":"get"}`} {
		q.ToolChoice, q.MaxOutputTokens, q.ParallelToolCalls = json.RawMessage(choice), p(60), p(false)
		text, args := "", ""
		var end *api.Response
		i := 0
		for e, err := range c.ResponsesStream(t.Context(), q) {
			if err != nil || e.Sequence != i {
				t.Fatal(err, e)
			}
			i++
			switch e.Type {
			case "response.output_text.delta":
				text += *e.Delta
			case "response.function_call_arguments.delta":
				args += *e.Delta
			}
			end = e.Response
		}
		whole, err := c.Responses(t.Context(), q)
		if err != nil || end == nil || end.OutputText() != text || whole.OutputText() != text {
			t.Fatalf("%s: %+v, %q, %v", choice, end, text, err)
		}
		if o := end.Output[0]; choice[0] == '{' && (o.Type != "function_call" || o.Name != "get" || *o.Arguments != args || checkCall("get", args) != nil) {
			t.Errorf("%+v, streamed %s", o, args)
		}
	}
}

// TestEmbeddings: vectors have length 1, do not depend on their company, and are the
// same in every form.
func TestEmbeddings(t *testing.T) {
	c := client(t)
	texts := []string{"The dog ran.", "The cat sat on the mat."}
	a, err := c.Embed(t.Context(), &api.EmbeddingRequest{Input: api.Inputs{Prompt: api.Prompt{Texts: texts}}})
	if err != nil || len(a.Data) != 2 || a.Usage.PromptTokens < 8 {
		t.Fatal(err, a)
	}
	o, err := c.OllamaEmbed(t.Context(), &api.OllamaEmbed{Input: texts})
	if err != nil || o.PromptEvalCount != a.Usage.PromptTokens {
		t.Fatal(err)
	}
	for i, text := range texts {
		b, err := c.Embed(t.Context(), &api.EmbeddingRequest{Input: api.Inputs{Prompt: api.Prompt{Texts: []string{text}}}, EncodingFormat: "base64", Dimensions: p(8)})
		if err != nil {
			t.Fatal(err)
		}
		v, short := a.Data[i].Embedding.Values, b.Data[0].Embedding
		length, part := 0.0, 0.0
		for k, x := range v {
			length += float64(x) * float64(x)
			if k < 8 {
				part += float64(x) * float64(x)
			}
			if x != o.Embeddings[i][k] {
				t.Fatalf("dimension %d: OpenAI's %v, Ollama's %v", k, x, o.Embeddings[i][k])
			}
		}
		if math.Abs(length-1) > 1e-5 || !short.Base64 || len(short.Values) != 8 {
			t.Fatalf("length %v, %+v", length, short)
		}
		for k, x := range short.Values {
			if want := float64(v[k]) / math.Sqrt(part); math.Abs(float64(x)-want) > 1e-5 {
				t.Errorf("dimension %d of 8: %v, want %v", k, x, want)
			}
		}
	}
}

// TestLogprobs: Ollama's probabilities are OpenAI's, whole and streamed.
func TestLogprobs(t *testing.T) {
	c := client(t)
	a, err := c.Chat(t.Context(), &api.ChatRequest{Messages: []api.Message{{Role: "user", Content: api.Text("Once")}}, Logprobs: true, TopLogprobs: 2, Generation: api.Generation{Seed: p(int64(1)), MaxTokens: p(10), Stop: api.Strings{"never said"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := a.Choices[0].Logprobs.Content
	q := &api.OllamaChat{Messages: []api.OllamaMessage{{Role: "user", Content: "Once"}}, OllamaCommon: api.OllamaCommon{Logprobs: true, TopLogprobs: 2, Options: api.OllamaOptions{Seed: p(int64(1)), NumPredict: p(10), Stop: api.Strings{"never said"}}}}
	whole, err := c.OllamaChat(t.Context(), q)
	if err != nil || len(want) != 10 || !reflect.DeepEqual(whole.Logprobs, want) || len(want[0].Top) != 2 {
		t.Errorf("%+v, %v; want %+v", whole.Logprobs, err, want)
	}
	var streamed []api.TokenLogprob
	for piece, err := range c.OllamaChatStream(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		streamed = append(streamed, piece.Logprobs...)
	}
	if !reflect.DeepEqual(streamed, want) {
		t.Errorf("streamed %+v, want %+v", streamed, want)
	}
}
