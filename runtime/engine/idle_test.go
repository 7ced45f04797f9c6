//go:build unix

package engine

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestIdle: a model that has written and waits for the next request uses no
// processor time.
func TestIdle(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Hidden: 256, FFN: 512, Vocab: 2000})
	m := load(t, path, Options{Threads: 4})
	for _, err := range m.Generate(context.Background(), Request{IDs: []int32{1, 5, 9}, MaxTokens: 50, IgnoreEOS: true}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	const wait, limit = time.Second, 5 * time.Millisecond
	best := wait
	for range 5 { // the garbage collector and the reading of the file may be at work the first time
		before := cpuTime(t)
		time.Sleep(wait)
		if best = min(best, cpuTime(t)-before); best < limit {
			break
		}
	}
	if best >= limit {
		t.Errorf("%v of processor time in %v of waiting", best, wait)
	}
	t.Logf("%v of processor time in %v of waiting", best, wait)
}

// cpuTime is the processor time of this process.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
