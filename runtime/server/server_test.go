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
