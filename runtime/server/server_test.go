package server

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// serveDemo serves the embedded model.
func serveDemo(t *testing.T) *httptest.Server {
	t.Helper()
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "demo", Time: time.Unix(1, 0)}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 2},
	})
	s := httptest.NewServer(New(h, Options{Version: "test"}).Handler())
	t.Cleanup(func() {
		s.Close()
		if err := h.Drain(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return s
}

func post(t *testing.T, s *httptest.Server, path, body string) (int, string) {
	t.Helper()
	r, err := http.Post(s.URL+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// TestChat: a whole answer, its stream and Ollama's form of it have the same text.
func TestChat(t *testing.T) {
	s := serveDemo(t)
	const rest = `"messages":[{"role":"user","content":"Once upon a time"}],"seed":5,"max_tokens":24`
	status, body := post(t, s, "/v1/chat/completions", "{"+rest+"}")
	var whole api.Chat
	if err := json.Unmarshal([]byte(body), &whole); err != nil || status != 200 {
		t.Fatalf("%d %v %s", status, err, body)
	}
	want := whole.Choices[0].Message.Content.String()
	if want == "" || whole.Usage.CompletionTokens != 24 || *whole.Choices[0].FinishReason != "length" {
		t.Errorf("%s", body)
	}
	_, stream := post(t, s, "/v1/chat/completions", "{"+rest+`,"stream":true}`)
	var got strings.Builder
	last := ""
	for l := bufio.NewScanner(strings.NewReader(stream)); l.Scan(); {
		data, ok := strings.CutPrefix(l.Text(), "data: ")
		if last = data; !ok || data == "[DONE]" {
			continue
		}
		var c api.Chat
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatal(err)
		}
		if d := c.Choices[0].Delta; d.Content != nil {
			got.WriteString(*d.Content)
		}
	}
	if got.String() != want || !strings.HasSuffix(stream, "data: [DONE]\n\n") {
		t.Errorf("stream %q, whole %q, last %q", got.String(), want, last)
	}
	_, body = post(t, s, "/api/chat", `{"stream":false,"messages":[{"role":"user","content":"Once upon a time"}],"options":{"seed":5,"num_predict":24}}`)
	var o api.OllamaAnswer
	if err := json.Unmarshal([]byte(body), &o); err != nil || o.Message == nil || o.Message.Content != want || !o.Done || o.EvalCount != 24 {
		t.Errorf("ollama: %v %s", err, body)
	}
}

// TestSchema: an answer under a schema is a value of it.
func TestSchema(t *testing.T) {
	s := serveDemo(t)
	_, body := post(t, s, "/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],"max_tokens":200,"seed":1,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"type":"boolean"},"b":{"enum":["x","y"]}},"required":["a","b"]}}}}`)
	var c api.Chat
	var v struct {
		A *bool  `json:"a"`
		B string `json:"b"`
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil || len(c.Choices) != 1 {
		t.Fatal(err, body)
	}
	if err := json.Unmarshal([]byte(c.Choices[0].Message.Content.String()), &v); err != nil || v.A == nil || v.B != "x" && v.B != "y" {
		t.Errorf("%v: %s", err, body)
	}
}

// TestRefusals: what is wrong is told in each API's form.
func TestRefusals(t *testing.T) {
	s := serveDemo(t)
	for _, c := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/v1/chat/completions", ``, 400, "the body is empty"},
		{"/v1/chat/completions", `{"messages":3}`, 400, "messages must be an array, not number"},
		{"/v1/chat/completions", `{"messages":[]}`, 400, "messages is empty"},
		{"/v1/chat/completions", `{"messages":[{"role":"x","content":"a"}]}`, 400, `messages[0].role is \"x\"`},
		{"/v1/chat/completions", `{"model":"none","messages":[{"role":"user","content":"a"}]}`, 404, "model_not_found"},
		{"/v1/chat/completions", `{"messages":[{"role":"user","content":"a"}],"temperature":9}`, 400, "temperature 9 is not in 0 to 2"},
		{"/v1/chat/completions", `{"messages":[{"role":"user","content":"a"}],"n":99}`, 400, "n is 99"},
		{"/v1/completions", `{"prompt":[]}`, 400, "0 prompts"},
		{"/v1/completions", `{"prompt":"a","suffix":"b"}`, 400, "fill in the middle"},
		{"/v1/none", `{}`, 404, "not served here"},
		{"/api/chat", `{"model":"none","messages":[{"role":"user","content":"a"}]}`, 404, `{"error":"there is no model`},
	} {
		status, body := post(t, s, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.path, c.body, status, body, c.status, c.want)
		}
	}
}
