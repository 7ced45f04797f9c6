//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
)

// TestGoals measures a daemon: from its start until it is ready, its memory that is no
// file's, and how much faster 4 streams write than one. QWQD is the program and
// QWQ_BENCH_MODEL the model's file; make proof-daemon sets them.
func TestGoals(t *testing.T) {
	program, model := os.Getenv("QWQD"), os.Getenv("QWQ_BENCH_MODEL")
	if program == "" || model == "" {
		t.Skip("QWQD or QWQ_BENCH_MODEL is not set: make proof-daemon")
	}
	var starts []float64
	for range 11 {
		d := start(t, program, model)
		starts = append(starts, float64(d.ready.Microseconds())/1000)
		d.stop(t)
	}
	slices.Sort(starts)
	t.Logf("start to ready: median %.1f ms, %.1f to %.1f (goal: 50)", starts[5], starts[0], starts[10])
	if starts[5] > 50 {
		t.Errorf("the start took %.1f ms", starts[5])
	}
	d := start(t, program, model)
	defer d.stop(t)
	started := d.anonymous(t)
	d.write(t, 1, 2)
	loaded := d.anonymous(t)
	t.Logf("memory that is no file's: %.1f MB before a model is loaded, %.1f MB after 2 tokens (goal: 20 idle)", started, loaded)
	if started > 20 {
		t.Errorf("%.1f MB of an idle daemon", started)
	}
	var ratios []float64
	for range 3 {
		one, four := d.write(t, 1, 48), d.write(t, 4, 48)
		t.Logf("1 stream %.1f tokens/s, 4 streams %.1f: %.2f times", one, four, four/one)
		ratios = append(ratios, four/one)
	}
	slices.Sort(ratios)
	t.Logf("4 streams: median %.2f times one (goal: 3); memory that is no file's then: %.1f MB", ratios[1], d.anonymous(t))
}

// running is a daemon of its own.
type running struct {
	*api.Client
	cmd   *exec.Cmd
	ready time.Duration
}

func start(t *testing.T, program, model string) *running {
	t.Helper()
	dir := t.TempDir()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { notify.Close() })
	d := &running{cmd: exec.Command(program, "-m", model, "--socket", filepath.Join(dir, "s"), "--state", "none")}
	d.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(dir, "n"), "XDG_CONFIG_HOME="+dir)
	began := time.Now()
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := notify.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := notify.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Fatalf("%q %v", b[:n], err)
	}
	d.ready = time.Since(began)
	if d.Client, err = api.Dial(filepath.Join(dir, "s"), api.Options{}); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *running) stop(t *testing.T) {
	t.Helper()
	d.Close()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

var anonymousLine = regexp.MustCompile(`(?m)^qwqd_anonymous_memory_bytes (\S+)$`)

// anonymous is the daemon's memory that is no file's, in MB.
func (d *running) anonymous(t *testing.T) float64 {
	t.Helper()
	b, err := d.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := anonymousLine.FindSubmatch(b)
	if m == nil {
		t.Fatalf("no memory in %s", b)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v / 1e6
}

// write has streams write n tokens each and gives the tokens a second of all, between the
// first and the last of each.
func (d *running) write(t *testing.T, streams, n int) float64 {
	t.Helper()
	var wg sync.WaitGroup
	rates := make([]float64, streams)
	for i := range streams {
		wg.Go(func() {
			hot, few, seed := 1.0, 40, int64(i)
			q := &api.CompletionRequest{Prompt: api.Prompt{Texts: []string{fmt.Sprintf("%d.", i)}}, IgnoreEOS: true}
			q.MaxTokens, q.Temperature, q.TopK, q.Seed = &n, &hot, &few, &seed
			a, err := d.Complete(context.Background(), q)
			if err != nil {
				t.Error(err)
				return
			}
			rates[i] = float64(n-1) / a.Usage.Timings.GenerateMS * 1000
		})
	}
	wg.Wait()
	total := 0.0
	for _, r := range rates {
		total += r
	}
	return total
}
