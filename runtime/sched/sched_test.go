package sched

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t testing.TB, o engine.Options) *engine.Model {
	t.Helper()
	m, err := engine.Open(modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 512}), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func start(t testing.TB, m *engine.Model, o Options) *Scheduler {
	t.Helper()
	s := New(m, o)
	t.Cleanup(s.Close)
	return s
}

func ids(rng *rand.Rand, n int) []int32 {
	v := make([]int32, n)
	for i := range v {
		v[i] = rng.Int32N(300) + 3
	}
	return v
}

func submit(t testing.TB, s *Scheduler, r Request) *Stream {
	t.Helper()
	st, err := s.Submit(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// read reads a stream to its end.
func read(st *Stream) (got []int32, text string, err error) {
	for tok, err := range st.Tokens() {
		if err != nil {
			return got, text, err
		}
		got, text = append(got, tok.ID), text+tok.Text
	}
	return got, text, nil
}

// TestSame: whatever else runs, and however often a sequence loses its place or its
// pages, every request gets the tokens that it gets alone.
func TestSame(t *testing.T) {
	for _, c := range []struct {
		name    string
		o       Options
		pages   int // sequences of full length that the KV cache holds
		preempt bool
	}{
		{"wide", Options{Streams: 8}, 8, false},
		{"few places", Options{Streams: 2}, 8, true},
		{"few pages", Options{Streams: 6}, 1, false},
		{"nothing kept", Options{Streams: 3, Keep: -1, Stall: time.Microsecond}, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := load(t, engine.Options{Threads: 2, Sequences: c.pages})
			rng := rand.New(rand.NewPCG(1, 2))
			system := ids(rng, 130)
			var requests []Request
			var want [][]int32
			for i := range 40 {
				p := ids(rng, 1+rng.IntN(60))
				if i%3 == 0 {
					p = append(slices.Clone(system), p...)
				}
				r := Request{Request: engine.Request{IDs: p, MaxTokens: 1 + rng.IntN(150), IgnoreEOS: true}, User: uint32(i % 4), Priority: i % 5 / 4}
				if i%2 == 0 {
					r.Sampling = sample.Options{Temperature: 0.9, TopK: 40, Seed: uint64(i)}
				}
				if i%4 == 1 {
					r.Draft = &engine.Lookup{}
				}
				requests = append(requests, r)
				alone := r.Request
				alone.Draft = nil
				var w []int32
				for tok, err := range m.Generate(t.Context(), alone) {
					if err != nil {
						t.Fatal(err)
					}
					w = append(w, tok.ID)
				}
				want = append(want, w)
			}
			s := start(t, m, c.o)
			var wg sync.WaitGroup
			for i, r := range requests {
				if i%8 == 0 {
					time.Sleep(3 * time.Millisecond)
				}
				st := submit(t, s, r)
				wg.Go(func() {
					got, _, err := read(st)
					if err != nil || !slices.Equal(got, want[i]) {
						t.Errorf("request %d: %v, %v\nwant %v", i, got, err, want[i])
					}
				})
			}
			wg.Wait()
			st := s.Stats()
			t.Logf("%+v", st)
			if st.Finished != 40 || st.Running+st.Waiting != 0 || st.GeneratedTokens == 0 {
				t.Errorf("%+v", st)
			}
			if c.preempt && st.Preempted == 0 {
				t.Error("no place was ever taken back")
			}
			if c.o.Keep >= 0 && st.CachedTokens == 0 {
				t.Error("no prefix was shared")
			}
			s.Forget()
			if used, _ := m.Pages(); used != 0 {
				t.Errorf("%d pages are used at the end", used)
			}
		})
	}
}

// TestCancel: a client that goes away ends its stream within a token, and gives the
// place to the next.
func TestCancel(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	s := start(t, m, Options{Streams: 1})
	ctx, cancel := context.WithCancel(t.Context())
	a, err := s.Submit(ctx, Request{Request: engine.Request{IDs: []int32{5, 6}, IgnoreEOS: true}})
	if err != nil {
		t.Fatal(err)
	}
	b := submit(t, s, Request{Request: engine.Request{IDs: []int32{7}, MaxTokens: 3, IgnoreEOS: true}})
	if _, err := a.Next(); err != nil {
		t.Fatal(err)
	}
	before := s.Stats().GeneratedTokens
	cancel()
	for err == nil {
		_, err = a.Next()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the stream ended with %v", err)
	}
	t.Logf("%d tokens after the first", s.Stats().GeneratedTokens-before)
	if got, _, err := read(b); len(got) != 3 || err != nil {
		t.Errorf("the next got %v, %v", got, err)
	}
	late, err := s.Submit(ctx, Request{Request: engine.Request{IDs: []int32{7}}})
	if late != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("submitted after the end: %v", err)
	}
	if st := s.Stats(); st.Cancelled != 1 {
		t.Errorf("%+v", st)
	}
}

// TestDeadline: a stream whose time is up ends with that error, also while it waits.
func TestDeadline(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	s := start(t, m, Options{Streams: 1})
	long := submit(t, s, Request{Request: engine.Request{IDs: []int32{5}, IgnoreEOS: true}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	st, err := s.Submit(ctx, Request{Request: engine.Request{IDs: []int32{5}}})
	if err == nil {
		_, _, err = read(st)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
	if _, _, err := read(long); err != nil {
		t.Error(err)
	}
}

// TestRefuse: what does not fit is refused at once, with a reason and a time.
func TestRefuse(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := start(t, m, Options{Streams: 1, Queue: 2, PerUser: 2})
	r := Request{Request: engine.Request{IDs: []int32{5}, IgnoreEOS: true}}
	for _, user := range []uint32{1, 1, 2} {
		r.User = user
		if _, err := s.Submit(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for user, want := range map[uint32]string{1: "requests are waiting", 3: "requests are waiting"} {
		r.User = user
		_, err := s.Submit(ctx, r)
		var busy *BusyError
		if !errors.As(err, &busy) || !strings.Contains(err.Error(), want) || busy.After < time.Second || busy.After > time.Minute {
			t.Errorf("user %d: %v", user, err)
		}
	}
	if _, err := s.Submit(ctx, Request{Request: engine.Request{IDs: make([]int32, 600)}}); err == nil || !strings.Contains(err.Error(), "600") {
		t.Errorf("too long a prompt: %v", err)
	}
	one := start(t, m, Options{PerUser: 1})
	if _, err := one.Submit(ctx, r); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Submit(ctx, r); err == nil || !strings.Contains(err.Error(), "user 3 has 1") && !strings.Contains(err.Error(), "user 1 has 1") {
		t.Errorf("a second one of a user: %v", err)
	}
}

// TestRoom: memory is asked for with what the accepted requests may still take, and
// kept sequences are given up before a request is refused.
func TestRoom(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	var s *Scheduler
	var asked []int64
	limit := int64(1 << 40)
	s = start(t, m, Options{Room: func(n int64) error {
		asked = append(asked, n)
		if n > limit {
			return fmt.Errorf("%d bytes, %d are free", n, limit)
		}
		return nil
	}})
	r := Request{Request: engine.Request{IDs: []int32{5, 6, 7}, MaxTokens: 61, IgnoreEOS: true}}
	if _, _, err := read(submit(t, s, r)); err != nil {
		t.Fatal(err)
	}
	if want := 64 * m.Info().KVBytes; asked[0] != want {
		t.Errorf("asked for %d bytes, want %d", asked[0], want)
	}
	limit = 100
	_, err := s.Submit(t.Context(), r)
	var busy *BusyError
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "100 are free") {
		t.Errorf("without memory: %v", err)
	}
	if st := s.Stats(); st.Kept != 0 || st.Refused != 1 {
		t.Errorf("%+v", st)
	}
}

// TestFair: a user with one request does not wait for the end of another's many, and
// a higher priority goes first.
func TestFair(t *testing.T) {
	m := load(t, engine.Options{Threads: 1, Sequences: 16})
	s := start(t, m, Options{Streams: 2})
	var greedy []*Stream
	for i := range 8 {
		greedy = append(greedy, submit(t, s, Request{Request: engine.Request{IDs: []int32{int32(5 + i)}, MaxTokens: 400, IgnoreEOS: true}, User: 1}))
	}
	for range 3 {
		if _, err := greedy[0].Next(); err != nil {
			t.Fatal(err)
		}
	}
	st := submit(t, s, Request{Request: engine.Request{IDs: []int32{99}, MaxTokens: 20, IgnoreEOS: true}, User: 2})
	if _, _, err := read(st); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Finished; n > 2 {
		t.Errorf("the second user waited for %d answers", n-1)
	}
	high := submit(t, s, Request{Request: engine.Request{IDs: []int32{98}, MaxTokens: 20, IgnoreEOS: true}, User: 1, Priority: 1})
	before := s.Stats().Finished
	if _, _, err := read(high); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Finished - before; n > 2 {
		t.Errorf("the higher priority waited for %d answers", n-1)
	}
}

// TestPrefix: of requests that begin alike and come together only one reads the
// beginning.
func TestPrefix(t *testing.T) {
	m := load(t, engine.Options{Threads: 1, Sequences: 8})
	s := start(t, m, Options{})
	system := ids(rand.New(rand.NewPCG(3, 4)), 300)
	var all []*Stream
	for i := range 5 {
		all = append(all, submit(t, s, Request{Request: engine.Request{IDs: append(slices.Clone(system), int32(i+3)), MaxTokens: 4, IgnoreEOS: true}}))
	}
	for _, st := range all {
		if _, _, err := read(st); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.CachedTokens < 4*290 {
		t.Errorf("%d of %d prompt tokens were shared", st.CachedTokens, st.PromptTokens)
	}
}

// TestStall: while a long prompt is read, a running stream gets a token with each
// chunk.
func TestStall(t *testing.T) {
	m := load(t, engine.Options{Threads: 1, Sequences: 4})
	s := start(t, m, Options{Stall: time.Microsecond})
	a := submit(t, s, Request{Request: engine.Request{IDs: []int32{5}, MaxTokens: 200, IgnoreEOS: true}})
	for range 3 {
		if _, err := a.Next(); err != nil {
			t.Fatal(err)
		}
	}
	b := submit(t, s, Request{Request: engine.Request{IDs: ids(rand.New(rand.NewPCG(5, 6)), 400), MaxTokens: 1}})
	before := s.Stats()
	if _, _, err := read(b); err != nil {
		t.Fatal(err)
	}
	after := s.Stats()
	if n := after.GeneratedTokens - before.GeneratedTokens; n < 10 {
		t.Errorf("%d tokens while a prompt of 400 was read", n)
	}
	if _, _, err := read(a); err != nil {
		t.Fatal(err)
	}
}

// TestEnd: Drain lets requests end and takes no more; a context that ends cuts them
// off, as Close does.
func TestEnd(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	r := Request{Request: engine.Request{IDs: []int32{5}, MaxTokens: 30, IgnoreEOS: true}}
	s := New(m, Options{Streams: 1})
	a, b := submit(t, s, r), submit(t, s, r)
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	for _, st := range []*Stream{a, b} {
		if got, _, err := read(st); len(got) != 30 || err != nil {
			t.Errorf("%d tokens, %v", len(got), err)
		}
	}
	if _, err := s.Submit(t.Context(), r); !errors.Is(err, ErrClosed) {
		t.Errorf("after Drain: %v", err)
	}
	s.Close()
	r.MaxTokens = 0
	s = New(m, Options{})
	a = submit(t, s, r)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	} else if _, _, rerr := read(a); err != nil && !errors.Is(rerr, ErrClosed) {
		t.Errorf("cut off: %v", rerr)
	}
	if used, _ := m.Pages(); used != 0 {
		t.Errorf("%d pages are used after the end", used)
	}
}

// dead allows nothing.
type dead struct{}

func (dead) Allowed() []uint64 { return make([]uint64, 16) }
func (dead) Accept(int32)      {}

// TestFail: a request that fails ends alone, and Events hears of everything.
func TestFail(t *testing.T) {
	m := load(t, engine.Options{Threads: 1})
	var e events
	s := start(t, m, Options{Events: &e})
	good := submit(t, s, Request{Request: engine.Request{IDs: []int32{5}, MaxTokens: 50, IgnoreEOS: true}})
	bad := submit(t, s, Request{Request: engine.Request{IDs: []int32{6}, MaxTokens: 50, Mask: dead{}}})
	if _, _, err := read(bad); err == nil || !strings.Contains(err.Error(), "no token is allowed") {
		t.Errorf("failed with %v", err)
	}
	if got, _, err := read(good); len(got) != 50 || err != nil {
		t.Errorf("the other: %d tokens, %v", len(got), err)
	}
	if _, err := good.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	s.Close()
	if e.first != 1 || e.token != 49 || e.done != 2 || e.rows < 51 {
		t.Errorf("%+v", e)
	}
}

type events struct{ refused, first, token, done, rows int }

func (e *events) Refused(uint32)                 { e.refused++ }
func (e *events) First(time.Duration, int, int)  { e.first++ }
func (e *events) Token(time.Duration)            { e.token++ }
func (e *events) Done(engine.Timings, string)    { e.done++ }
func (e *events) Step(rows int, _ time.Duration) { e.rows += rows }
