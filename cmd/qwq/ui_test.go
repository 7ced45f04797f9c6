package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
)

// lockedBuffer is read while the command writes.
type lockedBuffer struct {
	lines chan string
	buf   bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.buf.Write(p)
	for {
		i := bytes.IndexByte(b.buf.Bytes(), '\n')
		if i < 0 {
			return len(p), nil
		}
		b.lines <- string(b.buf.Next(i + 1))
	}
}

// fakeDaemon answers on a Unix socket.
func fakeDaemon(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"path":"`+r.URL.Path+`"}`) //nolint:errcheck // the test reads it
	})}
	go s.Serve(l) //nolint:errcheck // ends with the test
	t.Cleanup(func() { s.Close() })
	return path
}

// runUI runs qwq ui until stop is called, and gives the address that it prints.
func runUI(t *testing.T, args ...string) (address string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a := app()
	out := &lockedBuffer{lines: make(chan string, 10)}
	errs := &bytes.Buffer{}
	a.Writer, a.ErrWriter = out, errs
	code := make(chan int, 1)
	go func() { code <- prog.Run(ctx, a, append([]string{"qwq", "ui"}, args...)) }()
	stop = func() {
		t.Helper()
		cancel()
		if c := <-code; c != 0 {
			t.Errorf("exit code %d: %s", c, errs)
		}
	}
	select {
	case line := <-out.lines:
		return strings.TrimSpace(line), stop
	case c := <-code:
		t.Fatalf("exit code %d: %s", c, errs)
	case <-time.After(20 * time.Second):
		t.Fatal("no address")
	}
	return "", nil
}

// TestUI: the address that is printed leads to the daemon, a browser is asked to open it
// where there is a desktop, and the port is that of last time.
func TestUI(t *testing.T) {
	socket, bin := fakeDaemon(t), t.TempDir()
	t.Setenv("STATE_DIRECTORY", "")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("DISPLAY", ":7")
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	opened := filepath.Join(bin, "opened")
	if err := os.WriteFile(filepath.Join(bin, "xdg-open"), []byte("#!/bin/sh\necho \"$1\" > "+opened+".new && mv "+opened+".new "+opened+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	first, stop := runUI(t, "--socket", socket)
	m := regexp.MustCompile(`^(http://127\.0\.0\.1:\d+)/#token=([\w-]{43})$`).FindStringSubmatch(first)
	if m == nil {
		t.Fatalf("address %q", first)
	}
	var got []byte
	for range 200 {
		if got, _ = os.ReadFile(opened); got != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if strings.TrimSpace(string(got)) != first {
		t.Errorf("the browser opened %q, printed was %q", got, first)
	}
	ask := func(method, path, body string, c *http.Cookie) (int, string, []*http.Cookie) {
		t.Helper()
		q, err := http.NewRequestWithContext(t.Context(), method, m[1]+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Origin", m[1])
		if c != nil {
			q.AddCookie(c)
		}
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(b), a.Cookies()
	}
	if status, _, _ := ask(http.MethodGet, "/v1/models", "", nil); status != http.StatusUnauthorized {
		t.Errorf("without the cookie: %d", status)
	}
	status, _, cookies := ask(http.MethodPost, "/session", `{"token":"`+m[2]+`"}`, nil)
	if status != http.StatusNoContent || len(cookies) != 1 {
		t.Fatalf("the token: %d %v", status, cookies)
	}
	if status, body, _ := ask(http.MethodGet, "/v1/models", "", cookies[0]); status != http.StatusOK || body != `{"path":"/v1/models"}` {
		t.Errorf("%d %q", status, body)
	}
	// A second page beside the first has another port, and does not take its place.
	second, stop2 := runUI(t, "--socket", socket, "--no-browser")
	if strings.HasPrefix(second, m[1]+"/") {
		t.Errorf("%s and %s", first, second)
	}
	stop2()
	stop()
	if third, stop := runUI(t, "--no-browser", "--socket", socket); !strings.HasPrefix(third, m[1]+"/") || third == first {
		t.Errorf("first %s, then %s", first, third)
	} else {
		stop()
	}
}
