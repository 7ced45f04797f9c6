//go:build linux && (amd64 || arm64 || arm)

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/guard"
)

// TestMain lets the test's program be the daemon.
func TestMain(m *testing.M) {
	switch os.Getenv("QWQD_TEST_MAIN") {
	case "":
	case "leaks":
		leaky()
	default:
		main()
	}
	os.Exit(m.Run())
}

// TestConfined: under systemd's protocol (activation, readiness) the daemon survives being
// executed anew, says what is in force, and serves a model behind a link, a model that came
// later, and after SIGHUP; SIGTERM ends it well.
func TestConfined(t *testing.T) {
	dir := t.TempDir()
	models, elsewhere := filepath.Join(dir, "models"), filepath.Join(dir, "elsewhere")
	config := filepath.Join(dir, "qwq")
	for _, d := range []string{models, elsewhere, config} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(elsewhere, "x.gguf")
	if err := os.WriteFile(file, demo.Model(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, filepath.Join(models, "linked.gguf")); err != nil {
		t.Fatal(err)
	}
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	passed, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" --models "$1"`, os.Args[0], models)
	cmd.ExtraFiles = []*os.File{passed}
	cmd.Env = append(os.Environ(), "QWQD_TEST_MAIN=1", "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CACHE_HOME="+dir, "LISTEN_FDS=1", "NOTIFY_SOCKET="+filepath.Join(dir, "n"))
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended
	b := make([]byte, 100)
	notify.SetReadDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // read tells
	if n, err := notify.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Fatalf("%q %v %s", b[:n], err, log.String())
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(dir, "s"))
	}}}
	ask := func(path, body string) (int, []byte) {
		t.Helper()
		r, err := http.NewRequest(map[bool]string{true: "GET", false: "POST"}[body == ""], "http://q"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		b, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, b
	}
	var health struct {
		Guard guard.State `json:"guard"`
	}
	if _, b := ask("/healthz", ""); json.Unmarshal(b, &health) != nil {
		t.Fatalf("%s", b)
	}
	long, err := http.NewRequest(http.MethodGet, "http://q/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	long.Header.Set("X-Long", strings.Repeat("x", 100_000))
	if a, err := client.Do(long); err != nil || a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 100 KB: %v %v", a, err)
	} else {
		a.Body.Close()
	}
	if err := os.WriteFile(filepath.Join(models, "later.gguf"), demo.Model(), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, m := range []string{"linked", "later", "embedded"} {
			if status, b := ask("/v1/completions", `{"model":"`+m+`","prompt":"Once","max_tokens":3}`); status != 200 {
				t.Errorf("%s: %d %s", m, status, b)
			}
		}
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	// A configuration that an editor puts into place is read at SIGHUP.
	if err := os.WriteFile(filepath.Join(config, "new"), []byte("safety: {topics: [Once]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(config, "new"), filepath.Join(config, "qwq.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	refused := false
	for deadline := time.Now().Add(10 * time.Second); !refused && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, b := ask("/v1/completions", `{"model":"embedded","prompt":"Once","max_tokens":3}`)
		refused = bytes.Contains(b, []byte(`"finish_reason":"content_filter"`))
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || !refused {
		t.Errorf("%v, new policies in force: %v\n%s", err, refused, log.String())
	}
	if !health.Guard.Landlock || !health.Guard.Seccomp {
		t.Skipf("in part: %+v", health.Guard)
	}
}
