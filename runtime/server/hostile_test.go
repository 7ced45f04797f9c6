package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// onSocket serves the embedded model on a Unix socket as the daemon does, but for
// shorter times, and returns its path and hub.
func onSocket(t testing.TB, o sched.Options) (string, *Hub) {
	t.Helper()
	return onSocketWith(t, HubOptions{
		List:   func() []Listed { return []Listed{{Name: "demo", Time: time.Unix(1, 0)}} },
		Open:   func(Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 1, Sequences: 8},
		Sched:  o,
	})
}

func onSocketWith(t testing.TB, o HubOptions) (string, *Hub) {
	t.Helper()
	h := NewHub(o)
	path := filepath.Join(t.TempDir(), "s")
	l, err := ListenUnix(SocketOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var a Access
	s := &http.Server{
		Handler: a.Guard(New(h, Options{Version: "test"}).Handler()), ConnContext: a.ConnContext,
		ReadHeaderTimeout: 200 * time.Millisecond, ReadTimeout: 300 * time.Millisecond, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
	}
	go s.Serve(l) //nolint:errcheck // ends with the test
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := h.Drain(ctx); err != nil {
			t.Error(err)
		}
	})
	return path, h
}

// idle waits until nothing runs, and fails when that takes too long.
func idle(t *testing.T, h *Hub) {
	t.Helper()
	for range 500 {
		busy := 0
		for _, l := range h.Loaded() {
			st := l.Sched.Stats()
			busy += st.Running + st.Waiting
		}
		if busy == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("something still runs")
}

const endless = `{"messages":[{"role":"user","content":"Once upon a time"}],"stream":true,"max_tokens":400,"logit_bias":{"2045":-100,"2046":-100,"2047":-100}}`

func request(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// TestAbort: a client that goes away in the middle of a stream, whatever the API, ends
// its sequence; the daemon goes on and leaves no goroutine behind.
func TestAbort(t *testing.T) {
	path, h := onSocket(t, sched.Options{})
	c, err := api.Dial(path, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Chat(t.Context(), &api.ChatRequest{Messages: []api.Message{{Role: "user", Content: api.Text("Hi")}}, Generation: api.Generation{MaxTokens: p(1)}}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	time.Sleep(20 * time.Millisecond)
	before := runtime.NumGoroutine()
	for _, target := range []string{"/v1/chat/completions", "/v1/messages", "/api/chat"} {
		for range 8 {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, request(target, endless)) //nolint:errcheck // read tells
			if _, err := conn.Read(make([]byte, 200)); err != nil {
				t.Error(err)
			}
			conn.Close()
		}
	}
	idle(t, h)
	for range 100 {
		if runtime.NumGoroutine() <= before+2 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		t.Errorf("%d goroutines, there were %d", n, before)
	}
	if n := h.Loaded()[0].Sched.Stats().Cancelled; n < 20 {
		t.Errorf("%d of 24 streams were cancelled", n)
	}
}

// TestLong: an answer may take longer than a request may take to be read.
func TestLong(t *testing.T) {
	path, _ := onSocket(t, sched.Options{})
	c, err := api.Dial(path, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	began, n := time.Now(), 0
	q := &api.ChatRequest{Messages: []api.Message{{Role: "user", Content: api.Text("Once upon a time")}}, Generation: api.Generation{N: p(16), MaxTokens: p(400), Temperature: p(2.0), TopP: p(1.0), LogitBias: map[string]float32{"2045": -100, "2046": -100, "2047": -100}}}
	for time.Since(began) < 500*time.Millisecond { // one request takes longer than that
		for _, err := range c.ChatStream(t.Context(), q) {
			if err != nil {
				t.Fatalf("after %v and %d pieces: %v", time.Since(began), n, err)
			}
			n++
		}
	}
}

// TestSlow: a client that sends its header or its body too slowly is dropped, and others
// are served meanwhile.
func TestSlow(t *testing.T) {
	path, _ := onSocket(t, sched.Options{})
	c, err := api.Dial(path, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, half := range []string{"POST /v1/chat/completions HTTP/1.1\r\nHo", "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{\"messages\":"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, half) //nolint:errcheck // read tells
		if err := c.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		began := time.Now()
		conn.SetDeadline(began.Add(5 * time.Second)) //nolint:errcheck // read tells
		if b, err := io.ReadAll(conn); err != nil || time.Since(began) > 2*time.Second || len(b) > 0 && !strings.HasPrefix(string(b), "HTTP/1.1 4") {
			t.Errorf("%q: %q, %v after %v", half, b, err, time.Since(began))
		}
		conn.Close()
	}
}

// TestPipeline: requests that come in one piece are answered one by one; a stream
// before a plain answer does not disturb it.
func TestPipeline(t *testing.T) {
	path, _ := onSocket(t, sched.Options{})
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	short := strings.Replace(endless, ":400", ":3", 1)
	all := request("/v1/chat/completions", short) + request("/v1/chat/completions", "{") + "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" + request("/api/chat", short)
	io.WriteString(conn, all) //nolint:errcheck // read tells
	r := bufio.NewReader(conn)
	for i, want := range []struct {
		status int
		text   string
	}{{200, "[DONE]"}, {400, "not valid"}, {200, `"id":"demo"`}, {200, `"done":true`}} {
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(i, err)
		}
		b, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != want.status || !strings.Contains(string(b), want.text) {
			t.Errorf("answer %d: %d %.300s, %v; want %d %s", i, a.StatusCode, b, err, want.status, want.text)
		}
		a.Body.Close()
	}
}

// TestOverload: what does not fit is refused with 503 and Retry-After in each API's
// form, what was accepted is answered.
func TestOverload(t *testing.T) {
	path, h := onSocket(t, sched.Options{Streams: 1, Queue: 1})
	c, err := api.Dial(path, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var held []net.Conn
	for range 2 {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
		io.WriteString(conn, request("/v1/chat/completions", strings.Replace(endless, `"max_tokens":400`, `"max_tokens":480`, 1))) //nolint:errcheck // below
		for n := 0; n < 500 && (len(h.Loaded()) == 0 || h.Loaded()[0].Sched.Stats().Accepted < uint64(len(held))); n++ {
			time.Sleep(time.Millisecond)
		}
	}
	for target, want := range map[string]string{"/v1/chat/completions": `"type":"overloaded_error"`, "/v1/messages": `{"type":"error","error":{"type":"overloaded_error"`, "/api/chat": `{"error":"`, "/v1/responses": `"type":"overloaded_error"`} {
		body := endless
		if target == "/v1/responses" {
			body = `{"input":"a","stream":true}`
		}
		a, err := c.HTTP().Post("http://x"+target, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d %s, Retry-After %q, %v; want 503 %s", target, a.StatusCode, b, a.Header.Get("Retry-After"), err, want)
		}
	}
	for _, conn := range held {
		conn.Close()
	}
	idle(t, h)
}
