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
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// clock notes when the scheduler has tokens.
type clock struct {
	mu sync.Mutex
	at []time.Time
}

func (c *clock) now() {
	c.mu.Lock()
	c.at = append(c.at, time.Now())
	c.mu.Unlock()
}

func (c *clock) Refused(uint32)                 {}
func (c *clock) First(time.Duration, int, int)  { c.now() }
func (c *clock) Token(time.Duration)            { c.now() }
func (c *clock) Done(engine.Timings, string)    {}
func (c *clock) Step(rows int, _ time.Duration) {}

// BenchmarkOverhead is what the daemon adds to the engine for one stream on a Unix
// socket: the time from a token to the client that shares the machine, and to the time
// of all tokens, in turns with the engine alone. QWQ_BENCH_MODEL names another file than
// the embedded model, whose tokens take so little time that the client competes with it.
func BenchmarkOverhead(b *testing.B) {
	const prompt, tokens = "Once upon a time there was a dog", 64
	var c clock
	o := HubOptions{
		List: func() []Listed { return []Listed{{Name: "m", Time: time.Unix(1, 0)}} },
		Open: func(Listed) (*gguf.File, error) {
			if path := os.Getenv("QWQ_BENCH_MODEL"); path != "" {
				return gguf.Open(path)
			}
			return gguf.Parse(demo.Model())
		},
		Engine: engine.Options{Context: 512},
		Sched:  sched.Options{Keep: -1},
		Events: func(string) sched.Events { return &c },
	}
	path, h := onSocketWith(b, o)
	l, done, err := h.Use(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer done()
	cl, err := api.Dial(path, api.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	temp, seed := 0.9, int64(1)
	q := &api.CompletionRequest{Prompt: api.Prompt{Texts: []string{prompt}}, Logprobs: p(0), Generation: api.Generation{Temperature: &temp, Seed: &seed, TopK: p(40), TopP: p(0.9), MinP: p(0.0), RepeatPenalty: p(1.0), MaxTokens: p(tokens)}}
	r := engine.Request{Prompt: prompt, MaxTokens: tokens, Sampling: sample.Options{Temperature: temp, Seed: uint64(seed), TopK: 40, TopP: 0.9, Logprobs: -1}}
	var bare, served time.Duration
	var first, delays []time.Duration
	for b.Loop() {
		began := time.Now()
		n := 0
		for _, err := range l.Model.Generate(b.Context(), r) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		bare += time.Since(began) / time.Duration(n)
		c.at = c.at[:0]
		var got []time.Time
		began = time.Now()
		for _, err := range cl.CompleteStream(b.Context(), q) {
			if err != nil {
				b.Fatal(err)
			}
			got = append(got, time.Now())
		}
		served += time.Since(began) / time.Duration(n)
		if len(got) != n {
			b.Fatalf("%d pieces, the engine alone made %d tokens", len(got), n)
		}
		first = append(first, got[0].Sub(c.at[0]))
		for i := 0; i < n && len(c.at) == n; i++ { // drafts bring several at a time
			delays = append(delays, got[i].Sub(c.at[i]))
		}
	}
	slices.Sort(first)
	slices.Sort(delays)
	b.ReportMetric(float64(first[len(first)/2].Nanoseconds())/1e3, "µs/first")
	if len(delays) > 0 {
		b.ReportMetric(float64(delays[len(delays)/2].Nanoseconds())/1e3, "µs/delay")
	}
	b.ReportMetric(float64(bare.Nanoseconds())/float64(b.N)/1e3, "µs/bare-token")
	b.ReportMetric(float64(served.Nanoseconds())/float64(b.N)/1e3, "µs/token")
}
