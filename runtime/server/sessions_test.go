package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/store"
)

// process is a daemon with a state folder, as long as it lives.
type process struct {
	t     *testing.T
	http  *httptest.Server
	hub   *Hub
	store *store.Store
}

func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	f, err := store.Dir(dir)
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(f, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := NewHub(HubOptions{
		List:   func() []Listed { return []Listed{{Name: "demo", Time: time.Now()}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 2},
		Store:  st,
	})
	s := httptest.NewUnstartedServer(New(h, Options{Metrics: NewMetrics()}).Handler())
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return WithUser(ctx, 7) }
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Other-User") != "" {
			r = r.WithContext(WithUser(r.Context(), 8))
		}
		inner.ServeHTTP(w, r)
	})
	s.Start()
	return &process{t, s, h, st}
}

// end is SIGTERM.
func (p *process) end() {
	p.t.Helper()
	if err := p.hub.Drain(context.Background()); err != nil {
		p.t.Error(err)
	}
	p.http.Close()
	if err := p.store.Close(); err != nil {
		p.t.Error(err)
	}
}

// kill ends a process so that it writes nothing more than ids.
func (p *process) kill() {
	p.t.Helper()
	for _, l := range p.hub.Loaded() {
		l.close()
	}
	p.http.Close()
	if err := p.store.Close(); err != nil {
		p.t.Error(err)
	}
}

// ask returns an answer's text and how much of the prompt was not read again.
func (p *process) ask(session string, messages ...string) (text string, cached int) {
	p.t.Helper()
	q := api.ChatRequest{SessionID: session}
	one, seed := 12, int64(3)
	q.MaxTokens, q.Seed = &one, &seed
	for i, m := range messages {
		q.Messages = append(q.Messages, api.Message{Role: []string{"system", "user", "assistant"}[min(i, 1+(i+1)%2)], Content: api.Text(m)})
	}
	b, err := json.Marshal(q)
	if err != nil {
		p.t.Fatal(err)
	}
	status, body := post(p.t, p.http, "/v1/chat/completions", string(b))
	var c api.Chat
	if err := json.Unmarshal([]byte(body), &c); err != nil || status != 200 {
		p.t.Fatalf("%d %v %s", status, err, body)
	}
	return c.Text(), c.Usage.PromptDetails.CachedTokens
}

func (p *process) do(method, path string, other bool) (int, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.http.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if other {
		r.Header.Set("Other-User", "1")
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer a.Body.Close()
	var v json.RawMessage
	if err := json.NewDecoder(a.Body).Decode(&v); err != nil {
		p.t.Fatal(err)
	}
	return a.StatusCode, string(v)
}

// long is a system prompt of some hundred tokens.
func long(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "There was a little dog number %d who liked to play in the park. ", i)
	}
	return b.String()
}

// TestPrefixOnDisk: a system prompt that two requests had is not read again by the next
// process, and the answers are the same.
func TestPrefixOnDisk(t *testing.T) {
	dir := t.TempDir()
	system := long(16)
	users := []string{"Tell me of a cat.", "What is in the box?", "Where is Tom?"}
	var want []string
	for start := range 3 {
		p := startProcess(t, dir)
		for i, u := range users {
			text, cached := p.ask("", system, u)
			if start == 0 {
				want = append(want, text)
			}
			if text != want[i] || text == "" {
				t.Errorf("start %d: %q, want %q", start, text, want[i])
			}
			if start > 0 && cached < 256 {
				t.Errorf("start %d: request %d: %d tokens came from the disk", start, i, cached)
			}
		}
		a, err := http.Get(p.http.URL + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(a.Body)
		a.Body.Close()
		if m := parseMetrics(t, string(text)); err != nil || start > 0 && (m["qwqd_state_snapshots"] != 1 || m["qwqd_state_loads_total"] != 1 || m["qwqd_state_bytes"] == 0 || m["qwqd_state_written_today_bytes"] < m["qwqd_state_bytes"]) {
			t.Errorf("start %d: %v, %s", start, err, text)
		}
		p.end()
	}
}

// TestSession: a conversation survives the end of the process, belongs to its user, and
// can be deleted; after a kill its KV cache is computed again from its ids.
func TestSession(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	first := []string{long(14), "Tell me of a cat."}
	answer, _ := p.ask("robot-1", first...)
	p.end()
	next := append(first, answer, "And then?")
	p = startProcess(t, t.TempDir())
	plain, _ := p.ask("", next...)
	p.end()
	p = startProcess(t, dir)
	var list api.SessionList
	if _, b := p.do("GET", "/qwq/v1/sessions", false); json.Unmarshal([]byte(b), &list) != nil || len(list.Data) != 1 {
		t.Fatalf("%+v", list)
	}
	if x := list.Data[0]; x.ID != "robot-1" || x.Model != "demo" || x.Tokens < 256 || x.StoredTokens != x.Tokens || x.StoredBytes == 0 || x.Used < x.Created {
		t.Errorf("%+v", x)
	}
	if _, b := p.do("GET", "/qwq/v1/sessions", true); json.Unmarshal([]byte(b), &list) != nil || len(list.Data) != 0 {
		t.Errorf("another user sees %s", b)
	}
	for path, method := range map[string]string{"/qwq/v1/sessions/robot-1": "DELETE", "/qwq/v1/sessions/none": "GET"} {
		if status, b := p.do(method, path, path != "/qwq/v1/sessions/none"); status != 404 || !strings.Contains(b, "session_not_found") {
			t.Errorf("%s %s: %d %s", method, path, status, b)
		}
	}
	if text, cached := p.ask("robot-1", next...); text != plain || cached < 256 {
		t.Errorf("with the session %q, without %q; %d tokens came from the disk", text, plain, cached)
	}
	p.kill() // the second turn is not on disk
	p = startProcess(t, dir)
	p.ask("", "Hi", "Hi") // loads the model
	deadline := time.Now().Add(10 * time.Second)
	for l := p.hub.Loaded()[0]; ; time.Sleep(5 * time.Millisecond) {
		select {
		case <-l.warmed:
		default:
			if time.Now().Before(deadline) {
				continue
			}
			t.Fatal("not computed again")
		}
		break
	}
	if text, cached := p.ask("robot-1", next...); text != plain || cached < 256 {
		t.Errorf("after a kill: %q, want %q; %d cached", text, plain, cached)
	}
	if status, b := p.do("GET", "/qwq/v1/sessions/robot-1", false); status != 200 {
		t.Errorf("%d %s", status, b)
	}
	if status, b := p.do("DELETE", "/qwq/v1/sessions/robot-1", false); status != 200 || !strings.Contains(b, `"deleted":true`) {
		t.Errorf("%d %s", status, b)
	}
	p.end()
	p = startProcess(t, dir)
	if _, b := p.do("GET", "/qwq/v1/sessions", false); !strings.Contains(b, `"data":[]`) {
		t.Errorf("after deletion: %s", b)
	}
	if st := p.store.Stats(); st.Snapshots != 0 {
		t.Errorf("%+v", st)
	}
	for body, want := range map[string]string{
		`{"session_id":"a/b","messages":[{"role":"user","content":"x"}]}`:                              "session_id",
		`{"session_id":"` + strings.Repeat("x", 129) + `","messages":[{"role":"user","content":"x"}]}`: "at most 128",
	} {
		for _, path := range []string{"/v1/chat/completions", "/api/chat"} {
			if status, b := post(t, p.http, path, body); status != 400 || !strings.Contains(b, want) {
				t.Errorf("%s: %d %s", path, status, b)
			}
		}
	}
	p.end()
}
