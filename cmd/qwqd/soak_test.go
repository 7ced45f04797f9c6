//go:build linux && (amd64 || arm64 || arm)

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

const (
	soakClients = 64
	soakMemory  = 192 << 20 // bytes: the daemon's ceiling
	soakWindow  = 3 * time.Second
)

// soakModels are served; two at a time may be loaded.
var soakModels = []string{embedded, "tiny", "random"}

// leaky runs the daemon as main does and fails when goroutines are left at its end.
func leaky() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := prog.Run(ctx, app(), os.Args)
	stop()
	const driver = "periph.io/x/conn/v3/driver/driverreg.initImpl.func" // three that the library leaves, once
	if err := goleak.Find(goleak.IgnoreTopFunction(driver+"1"), goleak.IgnoreTopFunction(driver+"2"), goleak.IgnoreTopFunction(driver+"3")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 3
	}
	os.Exit(code)
}

// TestSoak: 64 clients mix streams, aborts, bad bodies, huge prompts, forms and all APIs over
// three models of which two may be loaded, under a ceiling of memory and SIGHUP. Each answer
// that is determined must be the one that a single client got before; each refusal must be a
// proper 4xx or 503; memory must not grow, and no goroutine may be left at the end.
// QWQ_SOAK is how long it goes on (2 s).
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds of full load")
	}
	length := 2 * time.Second
	if v := os.Getenv("QWQ_SOAK"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	models := filepath.Join(dir, "models")
	if err := os.Mkdir(models, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: filepath.Join(testdata.Root(t), "testdata", "tinystories-qwen2"), Out: filepath.Join(models, "tiny.gguf"), Type: "q8_0"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(modeltest.Write(t, modeltest.Spec{Tokenizer: true, Tied: true}), filepath.Join(models, "random.gguf")); err != nil {
		t.Fatal(err)
	}
	ceiling := newSoakCeiling(t)
	socket := filepath.Join(dir, "s")
	cmd := ceiling.command(os.Args[0], "--socket", socket, "--models", models, "--most-models", "2", "--queue", "48", "--ctx", "512", "--state-idle", "1s")
	cmd.Env = append(cmd.Env, "QWQD_TEST_MAIN=leaks", "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CACHE_HOME="+dir)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill() //nolint:errcheck // it has ended
	k := newSoak(t, socket, cmd.Process.Pid)
	k.ready()
	k.learn()
	t.Logf("%s; %d answers of a single client are known", ceiling.what, len(k.known))

	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	for i := range soakClients {
		wg.Go(func() { k.client(ctx, rand.New(rand.NewPCG(uint64(i), 77))) })
	}
	wg.Go(func() { k.watch(ctx) })
	wg.Go(func() { k.hangUps(ctx) })
	wg.Wait()
	k.check() // one client again
	k.http.CloseIdleConnections()
	k.report(ceiling, length)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		k.fail("the daemon ended with %v", err)
	}
	b, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		if bytes.Contains(line, []byte(`"panic"`)) {
			k.fail("%.2000s", line)
		}
	}
	for _, e := range k.errs {
		t.Error(e)
	}
	if t.Failed() {
		t.Logf("the log ends with %s", b[max(0, len(b)-4000):])
	}
}

// soakCeiling bounds the daemon's memory.
type soakCeiling struct {
	what  string
	group string // folder of a control group; "": there is none
	v2    bool
}

// newSoakCeiling makes a control group below the one of this process, where it may.
func newSoakCeiling(t *testing.T) *soakCeiling {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		b = nil
	}
	for line := range strings.Lines(string(b)) {
		p := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(p) != 3 {
			continue
		}
		c := &soakCeiling{}
		file := "memory.max"
		switch {
		case slices.Contains(strings.Split(p[1], ","), "memory"):
			c.group, file = filepath.Join("/sys/fs/cgroup/memory", p[2]), "memory.limit_in_bytes"
		case p[0] == "0":
			c.group, c.v2 = filepath.Join("/sys/fs/cgroup", p[2]), true
		default:
			continue
		}
		c.group = filepath.Join(c.group, fmt.Sprintf("qwqd-soak-%d", os.Getpid()))
		if os.Mkdir(c.group, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			for range 50 { // the kernel may not have buried its last process yet
				if os.Remove(c.group) == nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
			t.Errorf("%s is left", c.group)
		})
		if os.WriteFile(filepath.Join(c.group, file), []byte(strconv.Itoa(soakMemory)), 0o644) == nil {
			c.what = fmt.Sprintf("ceiling: %d MiB by a control group (%s)", soakMemory>>20, file)
			return c
		}
	}
	return &soakCeiling{what: fmt.Sprintf("ceiling: RLIMIT_DATA of %d MiB and GOMEMLIMIT of %d MiB", 6*soakMemory>>20, soakMemory>>20)}
}

// command starts a program below the ceiling.
func (c *soakCeiling) command(name string, args ...string) *exec.Cmd {
	script := `echo $$ > "$0/cgroup.procs" && exec "$@"`
	if c.group == "" { // Go's heap is mapped in pieces of 64 MiB, most of which are not there
		script = fmt.Sprintf(`ulimit -d %d && exec "$@"`, 6*soakMemory>>10)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, c.group, name}, args...)...)
	cmd.Env = os.Environ()
	if c.group == "" {
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMEMLIMIT=%d", soakMemory))
	}
	return cmd
}

// peak is the most memory that was counted, cached pages included; 0: not known.
func (c *soakCeiling) peak() uint64 {
	name := "memory.max_usage_in_bytes"
	if c.v2 {
		name = "memory.peak"
	}
	b, err := os.ReadFile(filepath.Join(c.group, name))
	if c.group == "" || err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// soak is the clients' common knowledge.
type soak struct {
	t      *testing.T
	socket string
	pid    int
	http   *http.Client
	began  time.Time

	known   []*ask
	mu      sync.Mutex
	windows time.Time
	count   map[string]int
	errs    []string
	rss     []sample
}

// sample is the daemon's size at a time.
type sample struct {
	at        time.Duration
	rss, anon float64 // MiB
	fds       int
}

func newSoak(t *testing.T, socket string, pid int) *soak {
	return &soak{t: t, socket: socket, pid: pid, count: map[string]int{}, http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		MaxIdleConnsPerHost: soakClients,
	}}}
}

func (k *soak) ready() {
	for range 1000 {
		r, err := k.http.Get("http://q/readyz")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	k.t.Fatal("the daemon is not ready")
}

// fail notes what went wrong; the first twenty are enough.
func (k *soak) fail(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.errs) < 20 {
		k.errs = append(k.errs, fmt.Sprintf(format, args...))
	}
}

func (k *soak) add(what string) {
	k.mu.Lock()
	k.count[what]++
	k.mu.Unlock()
}

// watch measures the daemon.
func (k *soak) watch(ctx context.Context) {
	k.began = time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(250 * time.Millisecond):
			k.rss = append(k.rss, k.size())
		}
	}
}

func (k *soak) size() sample {
	s := sample{at: time.Since(k.began)}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", k.pid))
	if err != nil {
		k.fail("%v", err)
		return s
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseFloat(f[1], 64)
		switch {
		case err != nil:
		case f[0] == "VmRSS:":
			s.rss = n / 1024
		case f[0] == "RssAnon:":
			s.anon = n / 1024
		}
	}
	if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", k.pid)); err == nil {
		s.fds = len(fds)
	}
	return s
}

// hangUps sends SIGHUP now and then.
func (k *soak) hangUps(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(1700 * time.Millisecond):
			if err := syscall.Kill(k.pid, syscall.SIGHUP); err != nil {
				k.fail("%v", err)
			}
		}
	}
}

// growth is the slope of a least-squares line through the anonymous memory of the second
// half, in MiB a minute, the mean there, and the minutes.
func (k *soak) growth() (slope, mean, minutes float64) {
	half := k.rss[len(k.rss)/2:]
	if len(half) < 3 {
		return 0, 0, 0
	}
	var n, x, y, xx, xy float64
	for _, s := range half {
		m := s.at.Minutes()
		n, x, y, xx, xy = n+1, x+m, y+s.anon, xx+m*m, xy+m*s.anon
	}
	return (n*xy - x*y) / (n*xx - x*x), y / n, half[len(half)-1].at.Minutes() - half[0].at.Minutes()
}

// report tells what was done, and fails where the daemon has grown.
func (k *soak) report(c *soakCeiling, length time.Duration) {
	total, names := 0, []string{}
	for name, n := range k.count {
		names = append(names, name)
		if !strings.Contains(name, "HTTP") {
			total += n
		}
	}
	slices.Sort(names)
	var b strings.Builder
	fmt.Fprintf(&b, "%v, %d clients, %d requests (%.0f a second)\n", length, soakClients, total, float64(total)/length.Seconds())
	for _, name := range names {
		fmt.Fprintf(&b, "  %-40s %7d\n", name, k.count[name])
	}
	slope, mean, minutes := k.growth()
	var top sample
	for _, s := range k.rss {
		top.rss, top.anon, top.fds = max(top.rss, s.rss), max(top.anon, s.anon), max(top.fds, s.fds)
	}
	last := k.size()
	fmt.Fprintf(&b, "RSS at most %.0f MiB, anonymous %.0f; in the second half %.0f with a slope of %+.2f MiB a minute; at the end %.0f\n", top.rss, top.anon, mean, slope, last.anon)
	if p := c.peak(); p > 0 {
		fmt.Fprintf(&b, "control group at most %d MiB\n", p>>20)
	}
	fmt.Fprintf(&b, "descriptors at most %d, at the end %d", top.fds, last.fds)
	k.t.Log(b.String())
	// Noise of a garbage-collected heap under a random load is some MiB.
	if grown := slope * minutes; length >= 20*time.Second && grown > 8+0.15*mean {
		k.fail("anonymous memory has grown by %.1f MiB in the second half, %.1f in the mean", grown, mean)
	}
	if last.fds > 60 {
		k.fail("%d descriptors are open at the end", last.fds)
	}
}

// post sends a body and returns the status, the body of the answer and its headers.
func (k *soak) post(ctx context.Context, path, body string) (int, []byte, http.Header, error) {
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://q"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	a, err := k.http.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(bufio.NewReader(a.Body))
	return a.StatusCode, b, a.Header, err
}
