package engine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// generateAll collects a request's tokens.
func generateAll(t *testing.T, m *Model, r Request) (ids []int32, text string, last Timings) {
	t.Helper()
	for tok, err := range m.Generate(context.Background(), r) {
		if err != nil {
			t.Fatal(err)
		}
		ids, text = append(ids, tok.ID), text+tok.Text
		if tok.Timings != nil {
			last = *tok.Timings
		}
	}
	return ids, text, last
}

// TestAssistant: with a draft model the tokens are those without, greedy or sampled,
// whether it thinks alike, sees a shorter context, or has too few KV pages.
func TestAssistant(t *testing.T) {
	spec := modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 512}
	path := modeltest.Write(t, spec)
	m := load(t, path, Options{Threads: 2})
	other := spec
	other.Seed = 99
	for name, small := range map[string]*Model{
		"same weights":  load(t, path, Options{Threads: 1}),
		"other weights": load(t, modeltest.Write(t, other), Options{Threads: 1}),
		"short context": load(t, path, Options{Threads: 1, Context: 70}),
		"few pages":     load(t, path, Options{Threads: 1, Context: 128, Sequences: 1}),
	} {
		a, err := NewAssistant(m, small)
		if err != nil {
			t.Fatal(err)
		}
		for kind, s := range map[string]sample.Options{
			"greedy":  {},
			"sampled": {Temperature: 0.9, TopK: 30, Seed: 3, RepeatPenalty: 1.1, Frequency: 0.2},
		} {
			r := Request{IDs: []int32{5, 6, 7, 8, 9, 5, 6, 7}, MaxTokens: 120, Sampling: s, IgnoreEOS: true}
			want, text, _ := generateAll(t, m, r)
			r.Draft = a.Drafter()
			got, gotText, last := generateAll(t, m, r)
			if !slices.Equal(got, want) || gotText != text {
				t.Errorf("%s, %s: ids %v\nwant %v", name, kind, got, want)
			}
			if name == "same weights" && (last.Drafted == 0 || last.Accepted != last.Drafted) {
				t.Errorf("%s: %d of %d guesses of the same model were right", kind, last.Accepted, last.Drafted)
			}
			if last.GeneratedTokens != len(want) || last.Drafted == 0 {
				t.Errorf("%s, %s: %+v", name, kind, last)
			}
		}
		a.Close()
		if used, _ := small.Pages(); used != 0 {
			t.Errorf("%s: %d pages of KV cache were not given back", name, used)
		}
	}
}

// TestAssistantBatch: streams beside each other, some of which end early, have the tokens
// that each has alone, and a second turn starts from the KV cache of the first.
func TestAssistantBatch(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 512})
	m, small := load(t, path, Options{Threads: 2}), load(t, path, Options{Threads: 1})
	a, err := NewAssistant(m, small)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	long := make([]int32, 200)
	for i := range long {
		long[i] = int32(5 + i%40)
	}
	var requests []Request
	for i, n := range []int{90, 20, 60} {
		requests = append(requests, Request{IDs: long[:150+20*i], MaxTokens: n, IgnoreEOS: true, Sampling: sample.Options{Temperature: 0.7, Seed: uint64(i)}})
	}
	want := make([][]int32, len(requests))
	for i, r := range requests {
		want[i], _, _ = generateAll(t, m, r)
	}
	var wg sync.WaitGroup
	for i, r := range requests { // each steps for itself: steps take turns
		wg.Go(func() {
			r.Draft = a.Drafter()
			if got, _, _ := generateAll(t, m, r); !slices.Equal(got, want[i]) {
				t.Errorf("stream %d: %v, want %v", i, got, want[i])
			}
		})
	}
	wg.Wait()
	var batch []*Seq
	for _, r := range requests {
		r.Draft = a.Drafter()
		s, err := m.NewSeq(r)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, s)
	}
	for slices.ContainsFunc(batch, func(s *Seq) bool { return s.Finish() == "" }) {
		if err := m.Step(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range batch {
		if got := s.IDs()[s.Prompt():]; !slices.Equal(got, want[i]) {
			t.Errorf("in one batch, stream %d: %v, want %v", i, got, want[i])
		}
		s.Release()
	}
	d := a.Drafter().(*drafting)
	d.begin(append(slices.Clone(long[:150]), want[0]...))
	if len(d.ids) < 150 {
		t.Errorf("%d tokens are known of a conversation of %d", len(d.ids), 150+len(want[0]))
	}
	d.Release()
}

// TestAssistantRefused: models of other vocabularies are named and refused.
func TestAssistantRefused(t *testing.T) {
	m := load(t, modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 64}), Options{Threads: 1})
	plain := load(t, modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Context: 64}), Options{Threads: 1})
	for _, c := range []struct {
		large, small *Model
		want         string
	}{{m, plain, "only one of the two"}, {plain, m, "only one of the two"}, {m, m, "draft for itself"}} {
		if _, err := NewAssistant(c.large, c.small); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// TestPace: the number of guesses follows how many are right and what they cost, and after
// bad ones there is a pause, then a try.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		right, cost float64
		want        int
	}{{1, 0.02, mostGuesses}, {0.9, 0.1, 7}, {0.7, 0.1, 3}, {0.5, 0.1, 1}, {0.3, 0.3, 0}, {0.99, 1.5, 0}, {0, 0, 0}} {
		p := pace{right: c.right, guess: time.Duration(c.cost * float64(time.Second))}
		if p.steps[0] = time.Second; p.best() != c.want {
			t.Errorf("%v right at cost %v: %d guesses, want %d", c.right, c.cost, p.best(), c.want)
		}
	}
	p, now := pace{right: 0.7}, time.Unix(0, 0)
	tries, steps := 0, 0
	for ; steps < 400; steps++ {
		n := p.want(now)
		if n == 0 {
			now = now.Add(100 * time.Millisecond)
			continue
		}
		tries++
		p.drafted(10*time.Millisecond, now)
		now = now.Add(100 * time.Millisecond)
		p.learn(n, 0, now)
	}
	if tries < 5 || tries > 30 {
		t.Errorf("%d tries in %d steps whose guesses are all wrong", tries, steps)
	}
	for range 300 {
		n := p.want(now)
		if n > 0 {
			p.drafted(10*time.Millisecond, now)
		}
		now = now.Add(100 * time.Millisecond)
		if n > 0 {
			p.learn(n, n, now)
		}
	}
	if n := p.want(now); n != mostGuesses {
		t.Errorf("%d guesses where all are right", n)
	}
	for n := 1; n <= mostGuesses; n++ { // rows turn out dear: only a few guesses pay, then none
		p.steps[n] = time.Duration(100+60*n) * time.Millisecond
	}
	if n := p.best(); n == 0 || n == mostGuesses && p.right < 0.99 {
		t.Errorf("%d guesses where each costs 0.7 steps and %v are right", n, p.right)
	}
	for n := 1; n <= mostGuesses; n++ {
		p.steps[n] = time.Duration(100+110*n) * time.Millisecond
	}
	if n := p.best(); n != 0 {
		t.Errorf("%d guesses where each costs more than a step", n)
	}
}
