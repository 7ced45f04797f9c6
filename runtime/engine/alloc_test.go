package engine

import (
	"context"
	"runtime"
	"testing"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// TestTokenLoopAllocates: at depth 1,000 a token costs no allocation, sampler,
// attention and text included, alone and in a batch.
func TestTokenLoopAllocates(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 4096})
	for _, c := range []struct {
		name string
		o    Options
		s    sample.Options
		seqs int
	}{
		{"greedy", Options{Threads: 2}, sample.Options{}, 1},
		{"sampled", Options{Threads: 2}, sample.Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: 1}, 1},
		{"whole vocabulary, penalty, logprobs", Options{Threads: 1}, sample.Options{Temperature: 1, TopP: 0.9, RepeatPenalty: 1.1, Logprobs: 5}, 1},
		{"batch of 4", Options{Threads: 3}, sample.Options{Temperature: 0.8, TopK: 40, TopP: 0.95}, 4},
		{"f32 cache", Options{Threads: 2, KV: "f32"}, sample.Options{Temperature: 0.8}, 1},
		{"q8_0 cache", Options{Threads: 2, KV: "q8_0"}, sample.Options{Temperature: 0.8}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := load(t, path, c.o)
			var seqs []*Seq
			for range c.seqs {
				ids := make([]int32, 970)
				for k := range ids {
					ids[k] = int32(k*7%300 + 5)
				}
				s, err := m.NewSeq(Request{IDs: ids, IgnoreEOS: true, MaxTokens: 2000, Sampling: c.s, Stop: []string{"\x00 never"}})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Release()
				seqs = append(seqs, s)
			}
			step := func() {
				if err := m.Step(context.Background(), seqs); err != nil {
					t.Fatal(err)
				}
			}
			for len(seqs[c.seqs-1].IDs()) < 1000 {
				step()
			}
			if n := testing.AllocsPerRun(100, step); n != 0 {
				t.Errorf("%v allocations a token at depth 1000", n)
			}
			// AllocsPerRun rounds down. Within a KV page and a block of text there is none at all.
			var before, after runtime.MemStats
			least := uint64(1 << 60)
			for range 5 {
				runtime.GC()
				runtime.ReadMemStats(&before)
				for range 10 {
					step()
				}
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
			}
			if least != 0 {
				t.Errorf("%d allocations in 10 tokens", least)
			}
		})
	}
}
