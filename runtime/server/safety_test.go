package server

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/safety"
)

// guarded serves the embedded model under rules; requests with the header Uid are that
// user's.
func guarded(t *testing.T, s *Safety) (*api.Client, *httptest.Server) {
	t.Helper()
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "demo", Time: time.Unix(1, 0)}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 1},
		Safety: s,
	})
	inner := New(h, Options{Metrics: NewMetrics()}).Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Uid") != "" {
			r = r.WithContext(WithUser(r.Context(), 1000))
		}
		inner.ServeHTTP(w, r)
	}))
	c, err := api.Dial(srv.URL, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		srv.Close()
		h.Drain(t.Context()) //nolint:errcheck // the test has ended
	})
	return c, srv
}

// TestSafety: an answer with a topic ends before it, in every API, whole and streamed,
// with the filter's message; neither text nor probabilities of what was held are sent.
func TestSafety(t *testing.T) {
	var logged bytes.Buffer
	free := safety.Policy{Off: true}
	s, err := NewSafety(SafetyRules{Default: free}, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	c, srv := guarded(t, s)
	user := []api.Message{{Role: "user", Content: api.Text("Once upon a time")}}
	q := api.ChatRequest{Messages: user, Generation: api.Generation{Seed: p(int64(5)), MaxTokens: p(120)}}
	a, err := c.Chat(t.Context(), &q)
	if err != nil {
		t.Fatal(err)
	}
	whole := a.Choices[0].Message.Content.String()
	windows := safety.Windows(whole)
	if len(windows) < 4 {
		t.Fatalf("%q is too short for the test", whole)
	}
	words := strings.Fields(windows[2])
	topic := strings.Trim(strings.Join(words[len(words)-2:], " "), ".,!\"")
	policy := safety.Policy{Topics: []string{strings.ToUpper(topic)}}
	message := "警告:涉及" + strings.ToUpper(topic) + "相关内容"
	if strings.Contains(windows[0]+windows[1], topic) {
		t.Fatalf("%q is no topic for %q", topic, whole)
	}
	cq := &api.CompletionRequest{Prompt: api.Prompt{Texts: []string{"Once upon a time"}}, ReturnTokenIDs: true, Generation: q.Generation}
	d, err := c.Complete(t.Context(), cq)
	if err != nil {
		t.Fatal(err)
	}
	completed, ids := safety.Windows(d.Choices[0].Text), len(d.Choices[0].TokenIDs)
	if err := s.Set(SafetyRules{Default: free, Users: map[uint32]safety.Policy{0: policy}}); err != nil {
		t.Fatal(err)
	}
	want := windows[0] + windows[1] + message
	check := func(name, text, finish, wantFinish string) {
		t.Helper()
		if text != want || finish != wantFinish {
			t.Errorf("%s: %q, %s; want %q, %s", name, text, finish, want, wantFinish)
		}
	}
	a, err = c.Chat(t.Context(), &q)
	if err != nil {
		t.Fatal(err)
	}
	check("chat", a.Text(), *a.Choices[0].FinishReason, FinishContentFilter)
	if n := a.Usage.CompletionTokens; n < 10 || n > 120 {
		t.Errorf("%d tokens", n)
	}
	var deltas []string
	shown, finish := "", ""
	q.Logprobs, q.TopLogprobs = true, 1
	for piece, err := range c.ChatStream(t.Context(), &q) {
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range piece.Choices {
			if x.Delta.Content != nil && *x.Delta.Content != "" {
				deltas = append(deltas, *x.Delta.Content)
			}
			if x.Logprobs != nil {
				for _, l := range x.Logprobs.Content {
					shown += l.Token
				}
			}
			if x.FinishReason != nil {
				finish = *x.FinishReason
			}
		}
	}
	check("chat stream", strings.Join(deltas, ""), finish, FinishContentFilter)
	if deltas[len(deltas)-1] != message {
		t.Errorf("the last delta is %q", deltas[len(deltas)-1])
	}
	if shown != strings.TrimSuffix(want, message) {
		t.Errorf("probabilities of %q were sent", shown)
	}
	q.Logprobs, q.TopLogprobs = false, 0

	m, err := c.Messages(t.Context(), &api.MessagesRequest{MaxTokens: p(120), Seed: p(int64(5)), Messages: []api.AnthropicMessage{{Role: "user", Content: api.Blocks{{Type: "text", Text: "Once upon a time"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	check("messages", m.Content[0].Text, *m.StopReason, "refusal")
	r, err := c.Responses(t.Context(), &api.ResponsesRequest{MaxOutputTokens: p(120), Seed: p(int64(5)), Input: api.ResponseInput{{Role: "user", Content: api.Text("Once upon a time")}}})
	if err != nil || r.Status != "incomplete" {
		t.Fatal(r, err)
	}
	check("responses", r.OutputText(), r.IncompleteDetails.Reason, FinishContentFilter)
	o, err := c.OllamaChat(t.Context(), &api.OllamaChat{OllamaCommon: api.OllamaCommon{Options: api.OllamaOptions{Seed: p(int64(5)), NumPredict: p(120)}}, Messages: []api.OllamaMessage{{Role: "user", Content: "Once upon a time"}}})
	if err != nil {
		t.Fatal(err)
	}
	check("ollama", o.Message.Content, o.DoneReason, FinishContentFilter)

	// A prompt with the topic gets the message alone, without work; each of n answers.
	q.N = p(2)
	q.Messages = []api.Message{{Role: "user", Content: api.Text("Tell me of ｔｈｅ " + topic + "!")}}
	want = message
	if a, err = c.Chat(t.Context(), &q); err != nil || len(a.Choices) != 2 || a.Usage.CompletionTokens != 0 {
		t.Fatal(a, err)
	}
	check("prompt", a.Choices[1].Message.Content.String(), *a.Choices[1].FinishReason, FinishContentFilter)

	// A completion without its text's end, and without its tokens' ids.
	word := strings.Trim(strings.Fields(completed[1])[2], ".,")
	if err := s.Set(SafetyRules{Default: safety.Policy{Topics: []string{word}}, Users: map[uint32]safety.Policy{1000: free}}); err != nil {
		t.Fatal(err)
	}
	cq.Stream = true
	shown, finish = "", ""
	got := 0
	for piece, err := range c.CompleteStream(t.Context(), cq) {
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range piece.Choices {
			if shown, got = shown+x.Text, got+len(x.TokenIDs); x.FinishReason != nil {
				finish = *x.FinishReason
			}
		}
	}
	want = completed[0] + "警告:涉及" + word + "相关内容"
	check("completion", shown, finish, FinishContentFilter)
	if got == 0 || got >= ids {
		t.Errorf("%d ids of %d", got, ids)
	}

	// Another user is free; the counts name policies and results, nothing of a text.
	body, err := json.Marshal(api.ChatRequest{Messages: user, Generation: api.Generation{Seed: p(int64(5)), MaxTokens: p(120)}})
	if err != nil {
		t.Fatal(err)
	}
	h, err := http.NewRequest(http.MethodPost, srv.URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	h.Header.Set("Uid", "1000")
	resp, err := http.DefaultClient.Do(h)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var free1000 api.Chat
	if err := json.NewDecoder(resp.Body).Decode(&free1000); err != nil || free1000.Text() != whole {
		t.Errorf("%q, %v", free1000.Text(), err)
	}
	e := &exposition{}
	s.write(e)
	for _, line := range []string{
		`qwqd_safety_checks_total{policy="0",part="answer",result="topic"} 5`,
		`qwqd_safety_checks_total{policy="0",part="prompt",result="passed"} 5`,
		`qwqd_safety_checks_total{policy="0",part="prompt",result="topic"} 1`,
		`qwqd_safety_checks_total{policy="default",part="answer",result="topic"} 1`,
	} {
		if !strings.Contains(string(e.b), line+"\n") {
			t.Errorf("no %s in\n%s", line, e.b)
		}
	}
	if log := logged.String(); strings.Count(log, "refused") != 7 || strings.Contains(strings.ToLower(log), topic) || strings.Contains(log, "相关") {
		t.Errorf("log: %s", log)
	}
}

// TestSafetyPasses: what is not refused is the same text as without a filter, and the
// same number of tokens.
func TestSafetyPasses(t *testing.T) {
	s, err := NewSafety(SafetyRules{Default: safety.Policy{Topics: []string{"zzz", "the ca"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := guarded(t, s)
	plain := serveDemo(t)
	free, err := api.Dial(plain.URL, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	for seed := range int64(3) {
		q := &api.CompletionRequest{Prompt: api.Prompt{Texts: []string{"The girl"}}, ReturnTokenIDs: true, Generation: api.Generation{Seed: p(seed), MaxTokens: p(60), N: p(2)}}
		want, err := free.Complete(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Complete(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range got.Choices {
			if w := want.Choices[i]; x.Text != w.Text && *x.FinishReason != FinishContentFilter || len(x.TokenIDs) != len(w.TokenIDs) && *x.FinishReason != FinishContentFilter {
				t.Errorf("seed %d: %q, want %q", seed, x.Text, w.Text)
			}
		}
	}
	if s.Set(SafetyRules{Users: map[uint32]safety.Policy{7: {Threshold: p(2.0)}}}) == nil {
		t.Error("a threshold of 2 is taken")
	}
}

// TestSafetyTools: the texts inside of a call's arguments are checked.
func TestSafetyTools(t *testing.T) {
	got := appendStrings(nil, json.RawMessage(`{"a":["x\u0079",{"b":1,"c":null}],"d":"z"}`))
	if strings.Join(got, "|") != "a|xy|b|c|d|z" {
		t.Errorf("%q", got)
	}
	if got := appendStrings(nil, json.RawMessage(`{"broken`)); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
