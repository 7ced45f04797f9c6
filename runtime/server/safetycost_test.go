package server

import (
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/safety"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// BenchmarkSafety is what the filter costs four streams at a time, in turns with the same
// daemon without it: tokens per second, and the time to the first text, which waits for
// the end of a window. Nothing is refused. QWQ_BENCH_MODEL names another file than the
// embedded model.
func BenchmarkSafety(b *testing.B) {
	const streams, tokens = 4, 64
	off := safety.Policy{Off: true}
	on := safety.Policy{Threshold: p(1.0), Topics: []string{"nuclear weapons", "政治", "drugs"}}
	s, err := NewSafety(SafetyRules{Default: off}, nil)
	if err != nil {
		b.Fatal(err)
	}
	path, h := onSocketWith(b, HubOptions{
		List: func() []Listed { return []Listed{{Name: "m", Time: time.Unix(1, 0)}} },
		Open: func(Listed) (*gguf.File, error) {
			if path := os.Getenv("QWQ_BENCH_MODEL"); path != "" {
				return gguf.Open(path)
			}
			return gguf.Parse(demo.Model())
		},
		Engine: engine.Options{Context: 512},
		Sched:  sched.Options{Keep: -1},
		Safety: s,
	})
	_, done, err := h.Use(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer done()
	cl, err := api.Dial(path, api.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	run := func(seed int64) (time.Duration, time.Duration) {
		var wg sync.WaitGroup
		firsts := make([]time.Duration, streams)
		began := time.Now()
		for i := range streams {
			wg.Go(func() {
				q := &api.CompletionRequest{Prompt: api.Prompt{Texts: []string{"Once upon a time there was a dog"}}, IgnoreEOS: true, Generation: api.Generation{Seed: p(seed + int64(i)), MaxTokens: p(tokens)}}
				for x, err := range cl.CompleteStream(b.Context(), q) {
					if err != nil {
						b.Error(err)
						return
					}
					if firsts[i] == 0 && len(x.Choices) > 0 && x.Choices[0].Text != "" {
						firsts[i] = time.Since(began)
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		slices.Sort(firsts)
		return took, firsts[streams/2]
	}
	run(0)
	var took, first [2][]time.Duration
	for i := int64(0); b.Loop(); i++ {
		for k, policy := range []safety.Policy{off, on} {
			if err := s.Set(SafetyRules{Default: policy}); err != nil {
				b.Fatal(err)
			}
			t, f := run(100 * i)
			took[k], first[k] = append(took[k], t), append(first[k], f)
		}
	}
	for k, name := range []string{"free", "filtered"} {
		slices.Sort(took[k])
		slices.Sort(first[k])
		n := len(took[k])
		b.ReportMetric(streams*tokens/took[k][n/2].Seconds(), name+"-tokens/s")
		b.ReportMetric(float64(first[k][n/2].Microseconds())/1e3, name+"-first-ms")
	}
	b.ReportMetric(100*(float64(took[1][len(took[1])/2])/float64(took[0][len(took[0])/2])-1), "%-slower")
	b.ReportMetric(float64(s.nanos.Load())/float64(len(took[1])*streams*tokens), "filter-ns/token")
}
