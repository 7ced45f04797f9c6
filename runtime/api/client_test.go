package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// serveUnix serves a handler on a Unix socket and returns a client of it.
func serveUnix(t *testing.T, h http.Handler) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go s.Serve(l) //nolint:errcheck // ends with the test
	c, err := Dial(path, Options{Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c
}

// TestStream: pieces come whole, whatever the lines look like, and a stream that is cut
// off or has an error in it says so.
func TestStream(t *testing.T) {
	for name, c := range map[string]struct {
		body, want, err string
		status          int
	}{
		"good":    {body: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n: note\r\n\r\nevent: x\ndata:{\"choices\":[{\"delta\":{\"content\":\"b\"}}]}\r\n\r\ndata: [DONE]\n\n", want: "ab"},
		"error":   {body: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"error\":{\"message\":\"no luck\",\"type\":\"server_error\"}}\n\n", want: "a", err: "no luck"},
		"cut off": {body: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: {\"cho", want: "a", err: "unexpected EOF"},
		"no end":  {body: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", want: "a", err: "cut off"},
		"no JSON": {body: "data: {\n\n", err: "unexpected end of JSON"},
		"busy":    {body: `{"error":{"message":"try later"}}`, status: 503, err: "try later"},
		"proxy":   {body: `<h1>bad gateway</h1>`, status: 502, err: "<h1>bad gateway</h1>"},
		"ollama":  {body: `{"error":"no model"}`, status: 404, err: "no model"},
	} {
		t.Run(name, func(t *testing.T) {
			cl := serveUnix(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer secret" {
					t.Error("no token")
				}
				w.Header().Set("Retry-After", "7")
				if c.status != 0 {
					w.WriteHeader(c.status)
				}
				io.WriteString(w, c.body) //nolint:errcheck // a test
			}))
			got, end := "", error(nil)
			for p, err := range cl.ChatStream(t.Context(), &ChatRequest{}) {
				if end = err; err == nil {
					got += p.Text()
				}
			}
			if got != c.want || (end == nil) != (c.err == "") || end != nil && !strings.Contains(end.Error(), c.err) {
				t.Errorf("%q, %v; want %q, %q", got, end, c.want, c.err)
			}
			var e *Error
			if c.status != 0 && (!errors.As(end, &e) || e.Status != c.status || e.After != 7) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestOllamaStream: without a last line a stream was cut off.
func TestOllamaStream(t *testing.T) {
	for body, want := range map[string]string{
		"{\"response\":\"a\"}\n{\"done\":true}\n":   "",
		"{\"response\":\"a\"}\n":                    "cut off",
		"{\"response\":\"a\"}\n{\"error\":\"x\"}\n": "x",
	} {
		cl := serveUnix(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, body) //nolint:errcheck // a test
		}))
		var end error
		for _, err := range cl.OllamaGenerateStream(t.Context(), &OllamaGenerate{}) {
			end = err
		}
		if (end == nil) != (want == "") || end != nil && !strings.Contains(end.Error(), want) {
			t.Errorf("%q: %v, want %q", body, end, want)
		}
	}
}

// TestLeave: leaving the loop, or the end of the context, ends the request.
func TestLeave(t *testing.T) {
	gone := make(chan struct{})
	cl := serveUnix(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "data: {}\n\n") //nolint:errcheck // a test
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	for _, err := range cl.ChatStream(t.Context(), &ChatRequest{}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	<-gone
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var end error
	for _, err := range cl.ChatStream(ctx, &ChatRequest{}) {
		cancel()
		end = err
	}
	<-gone
	if !errors.Is(end, context.Canceled) {
		t.Errorf("ended with %v", end)
	}
}

// TestDial: what is no address is refused.
func TestDial(t *testing.T) {
	for _, bad := range []string{"", "unix://", "ftp://x", "http://", "http://u:p@h", "http://h/x", "http://h?q", "http://%zz"} {
		if _, err := Dial(bad, Options{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, good := range []string{"/run/x", "x.sock", "unix:///x", "http://h:1", "https://h/"} {
		if _, err := Dial(good, Options{}); err != nil {
			t.Error(err)
		}
	}
}
