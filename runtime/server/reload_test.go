package server

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// gate is a mask that holds a step until it is opened.
type gate struct {
	in, open chan struct{}
	n        atomic.Int32
}

func (g *gate) Allowed() []uint64 {
	if g.n.Add(1) == 1 {
		close(g.in)
	}
	<-g.open
	return nil
}

func (g *gate) Accept(int32) {}

// hold begins an answer that stands still until the gate is opened.
func hold(t *testing.T, l *Loaded) (*sched.Stream, *gate) {
	t.Helper()
	g := &gate{in: make(chan struct{}), open: make(chan struct{})}
	st, err := l.Sched.Submit(t.Context(), sched.Request{Request: engine.Request{Prompt: "Once", MaxTokens: 5, Mask: g}})
	if err != nil {
		t.Fatal(err)
	}
	<-g.in
	return st, g
}

func count(t *testing.T, st *sched.Stream) (n int) {
	t.Helper()
	for _, err := range st.Tokens() {
		if err != nil {
			t.Error(err)
		}
		n++
	}
	return n
}

func demoHub(opened *atomic.Int32) *Hub {
	return NewHub(HubOptions{
		List: func() []Listed { return []Listed{{Name: "demo", Time: time.Unix(1, 0)}} },
		Open: func(Listed) (*gguf.File, error) {
			opened.Add(1)
			return gguf.Parse(demo.Model())
		},
		Engine: engine.Options{Threads: 1, Context: 128},
	})
}

// TestReload: a model in use answers to the end while the next request has its file read
// anew; it is watched as long, and goes with its last user.
func TestReload(t *testing.T) {
	var opened atomic.Int32
	h := demoHub(&opened)
	first, done, err := h.Use(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	st, g := hold(t, first)
	if busy := h.Reload(); len(busy) != 1 || busy[0] != "demo" {
		t.Errorf("in use: %q", busy)
	}
	time.Sleep(20 * time.Millisecond)
	if h.Stalled() < 20*time.Millisecond {
		t.Error("the old model is not watched")
	}
	second, done2, err := h.Use(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if second == first || opened.Load() != 2 || len(h.Loaded()) != 1 {
		t.Errorf("opened %d times, %d loaded", opened.Load(), len(h.Loaded()))
	}
	close(g.open)
	if n := count(t, st); n != 5 {
		t.Errorf("%d tokens of the old model, want 5", n)
	}
	done()
	if _, err := first.Model.NewSeq(engine.Request{Prompt: "x"}); err != nil {
		t.Error(err)
	}
	if err := first.Model.Step(t.Context(), nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the old model is still open: %v", err)
	}
	done2()
	if busy := h.Reload(); len(busy) != 0 || len(h.Loaded()) != 0 {
		t.Errorf("nobody uses it: %q, %d loaded", busy, len(h.Loaded()))
	}
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestDrain: answers end within the deadline, or are cut off at it, those of a model that
// was reloaded meanwhile too.
func TestDrain(t *testing.T) {
	for _, reload := range []bool{false, true} {
		for _, cut := range []bool{false, true} {
			var opened atomic.Int32
			h := demoHub(&opened)
			l, done, err := h.Use(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			st, g := hold(t, l)
			if reload {
				h.Reload()
			}
			deadline := 10 * time.Second
			if cut {
				deadline = 50 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			ended := make(chan error, 1)
			go func() { ended <- h.Drain(ctx) }()
			for !h.Closed() {
				time.Sleep(time.Millisecond)
			}
			if _, _, err := h.Use(t.Context(), ""); !errors.Is(err, sched.ErrClosed) {
				t.Errorf("a new request: %v", err)
			}
			if cut {
				<-ctx.Done()
				time.Sleep(10 * time.Millisecond)
			}
			close(g.open)
			n := 0
			for _, err := range st.Tokens() {
				if err != nil && !errors.Is(err, sched.ErrClosed) {
					t.Error(err)
				}
				if err == nil {
					n++
				}
			}
			if err := <-ended; errors.Is(err, context.DeadlineExceeded) != cut || !cut && err != nil {
				t.Errorf("reload %v, cut %v: %v", reload, cut, err)
			}
			if (n == 5) == cut {
				t.Errorf("reload %v, cut %v: %d tokens", reload, cut, n)
			}
			cancel()
			done()
		}
	}
}
