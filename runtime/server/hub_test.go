package server

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// TestLoading: a model whose users went away while it was loaded is not taken for idle: it
// can be neither dropped nor read anew before it is there, and both work afterwards. A panic
// of a reader is the end of its model alone.
func TestLoading(t *testing.T) {
	release := make(chan struct{})
	var opened atomic.Int32
	h := NewHub(HubOptions{
		List: func() []Listed { return []Listed{{Name: "slow"}, {Name: "other"}, {Name: "broken"}} },
		Open: func(l Listed) (*gguf.File, error) {
			switch l.Name {
			case "slow":
				opened.Add(1)
				<-release
			case "broken":
				panic("a bug")
			}
			return gguf.Parse(demo.Model())
		},
		Most: 1, Idle: time.Millisecond,
	})
	gone, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, _, err := h.Use(gone, "slow"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	var busy *sched.BusyError
	if _, _, err := h.Use(t.Context(), "other"); !errors.As(err, &busy) {
		t.Fatalf("got %v while the only place is taken", err)
	}
	if names := h.Reload(); len(names) != 1 || names[0] != "slow" {
		t.Errorf("in use: %v", names)
	}
	h.sweep()
	close(release)
	for range 500 {
		_, done, err := h.Use(t.Context(), "other")
		if err == nil {
			done()
			break
		}
		if !errors.As(err, &busy) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if _, done, err := h.Use(t.Context(), "slow"); err != nil || opened.Load() != 2 {
		t.Errorf("%v, opened %d times", err, opened.Load())
	} else {
		done()
	}
	if _, _, err := h.Use(t.Context(), "broken"); err == nil {
		t.Error("a reader that panics has read")
	}
	if _, done, err := h.Use(t.Context(), "other"); err != nil {
		t.Error(err)
	} else {
		done()
	}
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestDrainLoading: a model that becomes ready after the end is closed again.
func TestDrainLoading(t *testing.T) {
	release := make(chan struct{})
	h := NewHub(HubOptions{
		List: func() []Listed { return []Listed{{Name: "slow"}} },
		Open: func(Listed) (*gguf.File, error) { <-release; return gguf.Parse(demo.Model()) },
	})
	failed := make(chan error)
	go func() {
		_, _, err := h.Use(t.Context(), "slow")
		failed <- err
	}()
	for range 500 {
		h.mu.Lock()
		n := len(h.loaded)
		h.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := h.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	close(release)
	if err := <-failed; !errors.Is(err, sched.ErrClosed) {
		t.Errorf("got %v", err)
	}
}
