//go:build linux && (amd64 || arm64 || arm)

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
)

// process is a daemon of its own.
type process struct {
	cmd    *exec.Cmd
	log    bytes.Buffer
	client *api.Client
}

// startDaemon starts the daemon on a folder and waits until it is ready.
func startDaemon(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	socket := filepath.Join(dir, "s")
	p := &process{cmd: exec.Command(os.Args[0], append([]string{"--socket", socket}, args...)...)}
	p.cmd.Env = append(os.Environ(), "QWQD_TEST_MAIN=1", "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CACHE_HOME="+dir)
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cmd.Process.Kill() }) //nolint:errcheck // it has ended
	c, err := api.Dial(socket, api.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.client = c
	t.Cleanup(c.Close)
	for range 400 {
		if c.Ready(t.Context()) == nil {
			return p
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("not ready: %s", p.log.String())
	return nil
}

func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, p.log.String())
	}
}

// question is a chat with a system prompt of more than 256 tokens.
func question(topic, user int, session string) *api.ChatRequest {
	var b strings.Builder
	for i := range 15 {
		fmt.Fprintf(&b, "Story %d has a little dog number %d who liked to play in the park. ", topic, i)
	}
	n, seed := 6, int64(9)
	q := &api.ChatRequest{SessionID: session, Messages: []api.Message{{Role: "system", Content: api.Text(b.String())}, {Role: "user", Content: api.Text(fmt.Sprintf("What did child %d do?", user))}}}
	q.MaxTokens, q.Seed = &n, &seed
	return q
}

// TestState: a system prompt is read once over restarts; a second daemon on the folder is
// refused where the folder is named, and keeps nothing where it is not.
func TestState(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	for start := range 2 {
		p := startDaemon(t, dir, "--state", state, "--state-size", "50MB")
		for user := range 3 {
			a, err := p.client.Chat(t.Context(), question(1, user, ""))
			if err != nil {
				t.Fatal(err)
			}
			if n := a.Usage.PromptDetails.CachedTokens; start > 0 && n < 256 {
				t.Errorf("start %d: question %d: %d tokens from the disk", start, user, n)
			}
		}
		other := exec.Command(os.Args[0], "--socket", filepath.Join(dir, "other"), "--state", state)
		other.Env = p.cmd.Env
		if out, err := other.CombinedOutput(); err == nil || !strings.Contains(string(out), "another process uses the state folder") {
			t.Errorf("a second daemon: %v %s", err, out)
		}
		p.stop(t)
	}
	one := startDaemon(t, dir)
	two := filepath.Join(dir, "two")
	if err := os.Mkdir(two, 0o700); err != nil {
		t.Fatal(err)
	}
	p := startDaemon(t, two, "--no-guard")
	p.stop(t)
	one.stop(t)
	for _, args := range [][]string{{"--state-size", "0"}, {"--state-wear", "x"}, {"--state-idle", "0s"}} {
		bad := exec.Command(os.Args[0], append(args, "--socket", filepath.Join(dir, "other"))...)
		bad.Env = one.cmd.Env
		if err := bad.Run(); bad.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: %v", args, err)
		}
	}
}

// TestKillState kills the daemon at random moments while it answers and writes what it
// keeps, QWQ_KILL_ROUNDS times: each time it comes up, and every answer has the text of
// a daemon that keeps nothing.
func TestKillState(t *testing.T) {
	rounds := 4
	if v := os.Getenv("QWQ_KILL_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		rounds = n
	}
	const topics, users = 4, 3
	dir := t.TempDir()
	want := map[[2]int]string{}
	p := startDaemon(t, dir, "--state", noState)
	for topic := range topics {
		for user := range users {
			a, err := p.client.Chat(t.Context(), question(topic, user, ""))
			if err != nil {
				t.Fatal(err)
			}
			want[[2]int{topic, user}] = a.Text()
		}
	}
	p.stop(t)
	var answers, cached, temps int
	for round := range rounds {
		p := startDaemon(t, dir, "--state", filepath.Join(dir, "state"), "--state-size", "4MB", "--state-wear", "1TB", "--state-idle", "5ms")
		time.AfterFunc(time.Duration(10+rand.IntN(150))*time.Millisecond, func() { p.cmd.Process.Kill() }) //nolint:errcheck // Wait tells
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 2 {
			wg.Go(func() {
				for {
					k := [2]int{rand.IntN(topics), rand.IntN(users)}
					session := ""
					if rand.IntN(2) == 0 {
						session = fmt.Sprint(k[0], "-", k[1])
					}
					a, err := p.client.Chat(t.Context(), question(k[0], k[1], session))
					if err != nil {
						return // killed
					}
					mu.Lock()
					answers++
					if a.Usage.PromptDetails.CachedTokens > 0 {
						cached++
					}
					if a.Text() != want[k] {
						t.Errorf("round %d: %v: %q, want %q (%d tokens cached)", round, k, a.Text(), want[k], a.Usage.PromptDetails.CachedTokens)
					}
					mu.Unlock()
				}
			})
		}
		p.cmd.Wait() //nolint:errcheck // killed
		wg.Wait()
		for _, f := range []string{"kv", "sessions", ""} {
			list, _ := filepath.Glob(filepath.Join(dir, "state", f, "tmp-*"))
			temps += len(list)
		}
	}
	t.Logf("%d kills: %d in the middle of a file; %d answers, %d with tokens that were kept, none other than without", rounds, temps, answers, cached)
}

// TestStateRead: a folder of damage and nonsense does not keep the daemon from coming up.
func TestStateRead(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	for _, d := range []string{"kv", "sessions", "seen"} { // seen is a file else
		if err := os.MkdirAll(filepath.Join(state, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"wear", "kv/x.kv", "kv/tmp-1", "sessions/y.ses", "sessions/tmp-9"} {
		if err := os.WriteFile(filepath.Join(state, name), bytes.Repeat([]byte("qwqpfx\x00\x01"), 100), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(state, "sessions", "pipe.ses"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(state, "kv", "link.kv")); err != nil {
		t.Fatal(err)
	}
	p := startDaemon(t, dir, "--state", state)
	if _, err := p.client.Chat(t.Context(), question(1, 1, "a")); err != nil {
		t.Error(err)
	}
	l, err := p.client.Sessions(t.Context())
	if err != nil || len(l.Data) > 1 {
		t.Errorf("%+v, %v", l, err)
	}
	var e *api.Error
	if err := p.client.DeleteSession(t.Context(), "none"); !errors.As(err, &e) || e.Status != http.StatusNotFound {
		t.Error(err)
	}
	p.stop(t)
	for line := range strings.SplitSeq(strings.TrimSpace(p.log.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("log: %s", line)
		}
	}
}
