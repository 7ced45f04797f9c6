package engine

import (
	"context"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// TestGarbageCollector decodes while the collector runs without pause: workers
// that spin or are parked must not hold it up, nor it them. 2 s show a deadlock.
// The whole proof takes 10 s and asserts the token times: QWQ_LONG=1 with a model
// of 0.5B in QWQ_BENCH_MODEL, on a machine that does nothing else. A collector
// that never pauses needs a core of its own, so one is left to it there; with all
// of them the system's scheduler makes threads wait for 3 to 4 ms at a time, which
// is many tokens of a small model.
func TestGarbageCollector(t *testing.T) {
	path := os.Getenv("QWQ_BENCH_MODEL")
	long := os.Getenv("QWQ_LONG") == "1" && path != ""
	length, threads := 2*time.Second, runtime.NumCPU()
	if long {
		length, threads = 10*time.Second, max(1, threads-1)
	}
	if path == "" {
		path = modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Layers: 4, Hidden: 512, FFN: 1536, Heads: 8, KVHeads: 2, HeadDim: 64, Vocab: 8192, Context: 4096, Tied: true})
	}
	m := load(t, path, Options{Context: 4096, Threads: threads})
	times, collections := decodeUnderGC(t, m, length)
	slices.Sort(times)
	median, p99 := times[len(times)/2], times[len(times)*99/100]
	if len(times) < 20 || collections < 10 {
		t.Errorf("%d tokens and %d collections in %v", len(times), collections, length)
	}
	if ratio := float64(p99) / float64(median); long && ratio >= 1.5 {
		t.Errorf("p99 %v is %.2f times the median %v", p99, ratio, median)
	}
	t.Logf("%d threads: %d tokens, %d collections; median %v, p99 %v (%.2fx), longest %v", threads, len(times), collections, median, p99, float64(p99)/float64(median), times[len(times)-1])
}

// decodeUnderGC returns the times of the tokens that were written in d, and how
// often the collector ran meanwhile.
func decodeUnderGC(t *testing.T, m *Model, d time.Duration) ([]time.Duration, uint32) {
	t.Helper()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		var keep [64][]byte
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				keep[i%len(keep)] = make([]byte, 16<<10)
				runtime.GC()
			}
		}
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var times []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		s, err := m.NewSeq(Request{IDs: []int32{1, 2, 3}, IgnoreEOS: true, MaxTokens: 500, Sampling: sample.Options{Temperature: 0.8, TopK: 40}})
		if err != nil {
			t.Fatal(err)
		}
		for s.Finish() == "" && time.Now().Before(end) {
			start := time.Now()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			err := m.Step(ctx, []*Seq{s})
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			if len(s.IDs()) > 4 { // the prompt is no token
				times = append(times, time.Since(start))
			}
		}
		s.Release()
	}
	runtime.ReadMemStats(&after)
	return times, after.NumGC - before.NumGC
}
