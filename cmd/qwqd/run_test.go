package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/server"
)

// gate is a mask that holds every step until it is opened.
type gate chan struct{}

func (g gate) Allowed() []uint64 { <-g; return nil }
func (g gate) Accept(int32)      {}

// TestWatchdog: systemd hears that the daemon lives while it idles and while tokens come,
// not while a step stands still, and again when it goes on.
func TestWatchdog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "300000")
	n, err := server.NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{log: slog.New(slog.DiscardHandler), notify: n, http: &http.Server{ReadHeaderTimeout: time.Second}, hub: server.NewHub(server.HubOptions{
		List:   func() []server.Listed { return []server.Listed{{Name: "demo"}} },
		Open:   func(server.Listed) (*gguf.File, error) { return gguf.Parse(demo.Model()) },
		Engine: engine.Options{Threads: 1, Context: 64},
	})}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, nil, time.Second) }()
	heard := func(within time.Duration) string {
		t.Helper()
		b := make([]byte, 100)
		if err := systemd.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		k, _ := systemd.Read(b)
		return string(b[:k])
	}
	if s := heard(5 * time.Second); s != "READY=1" {
		t.Fatalf("heard %q first", s)
	}
	if s := heard(5 * time.Second); s != "WATCHDOG=1" {
		t.Fatalf("heard %q of an idle daemon", s)
	}
	l, done, err := d.hub.Use(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	g := make(gate)
	st, err := l.Sched.Submit(t.Context(), sched.Request{Request: engine.Request{Prompt: "Once", MaxTokens: 3, Mask: g}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(400 * time.Millisecond)
	for heard(time.Millisecond) != "" { // what was said before it counted as stalled
	}
	if s := heard(400 * time.Millisecond); s != "" {
		t.Errorf("heard %q while nothing moves", s)
	}
	close(g)
	for _, err := range st.Tokens() {
		if err != nil {
			t.Error(err)
		}
	}
	if s := heard(5 * time.Second); s != "WATCHDOG=1" {
		t.Errorf("heard %q after it went on", s)
	}
	done()
	end()
	for s := ""; s != "STOPPING=1"; {
		if s = heard(5 * time.Second); s == "" {
			t.Fatal("its end was not told")
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestDeaf: a daemon that systemd does not hear any more goes on, and ends well.
func TestDeaf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "30000")
	n, err := server.NewNotifier()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d := &daemon{log: slog.New(slog.NewTextHandler(&log, nil)), notify: n, http: &http.Server{ReadHeaderTimeout: time.Second}, hub: server.NewHub(server.HubOptions{})}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx, nil, time.Second) }()
	if _, err := systemd.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	systemd.Close()
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	end()
	if err := <-ended; err != nil || !strings.Contains(log.String(), "systemd was not told") {
		t.Errorf("%v %s", err, log.String())
	}
}

// TestUnit: systemd finds the service's exposure small, and nothing wrong in the units.
func TestUnit(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	units := filepath.Join("..", "..", "deploy", "systemd")
	out, err := exec.CommandContext(t.Context(), tool, "security", "--offline=true", filepath.Join(units, "qwqd.service")).CombinedOutput()
	if err != nil && strings.Contains(string(out), "offline") {
		t.Skipf("this systemd-analyze cannot look at files: %s", out)
	}
	m := regexp.MustCompile(`exposure level for qwqd\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("%v %s", err, out)
	}
	if v, err := strconv.ParseFloat(string(m[1]), 64); err != nil || v > 1 {
		t.Errorf("exposure %s of 10, want at most 1: %s", m[1], out)
	}
	out, _ = exec.CommandContext(t.Context(), tool, "verify", "--man=no", filepath.Join(units, "qwqd.service"), filepath.Join(units, "qwqd.socket")).CombinedOutput() // fails where the program is not installed
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "systemd/qwqd.") && !strings.Contains(line, "/usr/local/bin/qwqd is not executable") {
			t.Errorf("verify: %s", line)
		}
	}
}
