package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/distill/topic"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/dialog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/store"
)

// following is a daemon that follows topics, with the embedded model as encoder and
// a tracker as training begins with; its context has 192 tokens.
func following(t *testing.T, state string, tracker string) (post func(id string, said ...string) (int, string), get func(path string) (int, string), end func()) {
	t.Helper()
	model := func(o engine.Options) *engine.Model {
		f, err := gguf.Parse(demo.Model())
		if err != nil {
			t.Fatal(err)
		}
		m, err := engine.New(f, o)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	enc := model(engine.Options{Threads: 1, Sequences: 1})
	tr, err := dialog.Open(tracker, backend.CPUOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	topics, err := NewTopics(tr, enc)
	if err != nil {
		t.Fatal(err)
	}
	fs, err := store.Dir(state)
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(fs, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "demo", Time: time.Now()}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 1, Context: 192}, Store: st, Topics: topics,
	})
	s := httptest.NewUnstartedServer(New(h, Options{}).Handler())
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return WithUser(ctx, 7) }
	s.Start()
	do := func(method, path string, body io.Reader) (int, string) {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(q)
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
	post = func(id string, said ...string) (int, string) {
		q := map[string]any{"model": "demo", "session_id": id, "max_tokens": 4, "temperature": 0}
		var m []map[string]string
		for i, x := range said {
			m = append(m, map[string]string{"role": []string{"user", "assistant"}[i%2], "content": x})
		}
		q["messages"] = m
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		return do(http.MethodPost, "/v1/chat/completions", strings.NewReader(string(b)))
	}
	get = func(path string) (int, string) { return do(http.MethodGet, path, nil) }
	return post, get, func() {
		errs := []error{h.Drain(context.Background())}
		s.Close()
		for _, err := range append(errs, st.Close(), enc.Close(), tr.Close()) {
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// TestTopics: the state grows with a session's turns, is the same after a restart,
// goes with the session; a conversation longer than the context is answered, without
// a session refused.
func TestTopics(t *testing.T) {
	dir := t.TempDir()
	tracker := filepath.Join(dir, "t.gguf")
	f, err := gguf.Parse(demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	width, _ := f.Uint(f.Arch() + ".embedding_length")
	if err := topic.Init(tracker, int(width), 1, nil); err != nil {
		t.Fatal(err)
	}
	post, get, end := following(t, dir, tracker)
	state := func() (s api.SessionState) {
		t.Helper()
		code, body := get("/qwq/v1/sessions/a/state")
		if err := json.Unmarshal([]byte(body), &s); err != nil || code != 200 {
			t.Fatal(code, body)
		}
		return s
	}
	if code, body := get("/qwq/v1/sessions/a/state"); code != 404 || !strings.Contains(body, "session_not_found") {
		t.Errorf("before the first turn: %d %s", code, body)
	}
	said := []string{"The dog ran."}
	for i := range 3 {
		if code, body := post("a", said...); code != 200 {
			t.Fatal(code, body)
		}
		if s := state(); s.Turns != i+1 || len(s.State) != int(width) || len(s.Topics) == 0 || s.Topics[0].Turn != 0 {
			t.Errorf("turn %d: %d turns, %d values, topics %+v", i, s.Turns, len(s.State), s.Topics)
		}
		said = append(said, "It was fun.", fmt.Sprintf("Lily saw %d birds.", i))
	}
	before := state()
	post("a", said[:5]...) // the same again
	if s := state(); s.Turns != 3 {
		t.Errorf("%d turns after the same request", s.Turns)
	}
	end()

	post, get, end = following(t, dir, tracker)
	defer end()
	after := state()
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("after a restart %+v, before %+v", after, before)
	}
	var long []string
	for i := range 31 {
		long = append(long, fmt.Sprintf("The little girl went to the park with her dog %d times.", i))
	}
	if code, body := post("", long...); code != 400 {
		t.Errorf("too long, without a session: %d %s", code, body)
	}
	if code, body := post("b", long...); code != 200 {
		t.Errorf("too long, with a session: %d %s", code, body)
	}
	if code, body := post("b", strings.Repeat("The little girl went to the park. ", 60)); code != 400 || !strings.Contains(body, "does not fit") {
		t.Errorf("one message that is too long: %d %s", code, body)
	}
}

// TestNoTopics: without a tracker the route says so.
func TestNoTopics(t *testing.T) {
	p := startProcess(t, t.TempDir())
	defer p.end()
	if code, body := p.do(http.MethodGet, "/qwq/v1/sessions/a/state", false); code != http.StatusNotFound || !strings.Contains(body, "state_not_followed") {
		t.Errorf("%d %s", code, body)
	}
}
