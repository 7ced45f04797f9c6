package kernel

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

// newPool is a pool that ends with the test.
func newPool(t testing.TB, threads int, variant string) *Pool {
	t.Helper()
	p, err := New(Options{Threads: threads, Variant: variant})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestParallelCoversEveryIndexOnce(t *testing.T) {
	for threads := 1; threads <= 4; threads++ {
		p := newPool(t, threads, "")
		for _, c := range []struct{ n, grain int }{{0, 1}, {1, 1}, {7, 3}, {100, 1}, {1000, 7}, {5, 0}, {5, 100}} {
			for range 50 {
				seen := make([]atomic.Int32, c.n)
				busy := make([]atomic.Int32, threads)
				p.Parallel(c.n, c.grain, func(w, lo, hi int) {
					if busy[w].Add(1) != 1 {
						t.Errorf("worker %d runs two ranges at a time", w)
					}
					for i := lo; i < hi; i++ {
						seen[i].Add(1)
					}
					busy[w].Add(-1)
				})
				for i := range seen {
					if n := seen[i].Load(); n != 1 {
						t.Fatalf("%d threads, n=%d grain=%d: index %d seen %d times", threads, c.n, c.grain, i, n)
					}
				}
			}
		}
	}
}

// TestParallelAfterPauses lets workers park between jobs.
func TestParallelAfterPauses(t *testing.T) {
	p := newPool(t, 3, "")
	var sum atomic.Int64
	for i := range 30 {
		if i%3 == 0 {
			time.Sleep(time.Millisecond)
		}
		p.Parallel(64, 1, func(_, lo, hi int) {
			time.Sleep(time.Duration(lo%3) * 10 * time.Microsecond)
			sum.Add(int64(hi - lo))
		})
	}
	if got := sum.Load(); got != 30*64 {
		t.Errorf("got %d, want %d", got, 30*64)
	}
}

func TestParallelFromManyGoroutines(t *testing.T) {
	p := newPool(t, 2, "")
	var sum atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				p.Parallel(10, 1, func(_, lo, hi int) { sum.Add(int64(hi - lo)) })
			}
		})
	}
	wg.Wait()
	if got := sum.Load(); got != 8000 {
		t.Errorf("got %d, want 8000", got)
	}
}

func TestParallelPassesPanicsOn(t *testing.T) {
	p := newPool(t, 3, "")
	for round := range 20 {
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("round %d: recovered %v, want boom", round, r)
				}
			}()
			p.Parallel(100, 1, func(_, lo, _ int) {
				if lo == 37 {
					panic("boom")
				}
			})
		}()
	}
	n := atomic.Int32{}
	p.Parallel(10, 1, func(_, lo, hi int) { n.Add(int32(hi - lo)) })
	if n.Load() != 10 {
		t.Errorf("after a panic: got %d of 10", n.Load())
	}
}

func TestCloseEndsTheWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		p, err := New(Options{Threads: 4})
		if err != nil {
			t.Fatal(err)
		}
		p.Parallel(8, 1, func(_, _, _ int) {})
		for range 2 {
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func TestOptions(t *testing.T) {
	p := newPool(t, 0, "")
	if p.Threads() != runtime.NumCPU() {
		t.Errorf("got %d threads, want %d", p.Threads(), runtime.NumCPU())
	}
	for _, o := range []Options{{Threads: -1}, {Threads: 5000}, {Variant: "sse9"}} {
		if p, err := New(o); err == nil {
			_ = p.Close()
			t.Errorf("New(%+v): no error", o)
		} else if o.Variant != "" && (!strings.Contains(err.Error(), "generic") || !strings.Contains(err.Error(), o.Variant)) {
			t.Errorf("New(%+v): %v names neither the variant nor what is available", o, err)
		}
	}
}

func TestVariantFromTheEnvironment(t *testing.T) {
	t.Setenv("QWQ_KERNEL", "generic")
	if p := newPool(t, 1, ""); p.Variant() != "generic" {
		t.Errorf("QWQ_KERNEL=generic: got %q", p.Variant())
	}
	t.Setenv("QWQ_KERNEL", "vfp")
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), `QWQ_KERNEL "vfp"`) {
		t.Errorf("QWQ_KERNEL=vfp: got %v", err)
	}
	if p := newPool(t, 1, "generic"); p.Variant() != "generic" {
		t.Errorf("Options win over the environment: got %q", p.Variant())
	}
}

func TestVariants(t *testing.T) {
	list := Variants()
	kerneltest.Variants(t, list, func(t *testing.T, v string) {
		if p := newPool(t, 1, v); p.Variant() != v {
			t.Errorf("got %q, want %q", p.Variant(), v)
		}
	})
	if os.Getenv("QWQ_KERNEL") == "" {
		if p := newPool(t, 1, ""); p.Variant() != list[len(list)-1] || !slices.Contains(list, "generic") {
			t.Errorf("default %q of %v", p.Variant(), list)
		}
	}
}

func BenchmarkDispatch(b *testing.B) {
	p := newPool(b, 2, "")
	f := func(_, _, _ int) {}
	b.ReportAllocs()
	for b.Loop() {
		p.Parallel(2, 1, f)
	}
}
