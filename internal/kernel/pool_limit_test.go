package kernel

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestLimit: a pool runs with fewer threads than it has, up and down again, and
// the threads beyond the limit take nothing.
func TestLimit(t *testing.T) {
	p := newPool(t, 4, "")
	for _, n := range []int{4, 1, 3, 2, 4, 0, 9, 2, 1} {
		p.Limit(n)
		want := min(max(n, 1), 4)
		if p.Active() != want || p.Threads() != 4 {
			t.Fatalf("Limit(%d): %d active of %d", n, p.Active(), p.Threads())
		}
		p.Parallel(8, 1, func(_, _, _ int) {}) // one that saw the old limit may take part in this
		for range 5 {
			var sum atomic.Int64
			p.Parallel(64, 1, func(w, lo, hi int) {
				if w >= want {
					t.Errorf("Limit(%d): worker %d computes", n, w)
				}
				time.Sleep(time.Microsecond)
				sum.Add(int64(hi - lo))
			})
			if sum.Load() != 64 {
				t.Fatalf("Limit(%d): %d of 64", n, sum.Load())
			}
		}
	}
	p.Limit(4) // all of them come back: each sees one range and waits for the others
	var inside atomic.Int32
	p.Parallel(4, 1, func(_, _, _ int) {
		inside.Add(1)
		for end := time.Now().Add(10 * time.Second); inside.Load() < 4 && time.Now().Before(end); {
			time.Sleep(10 * time.Microsecond)
		}
	})
	if inside.Load() != 4 {
		t.Errorf("after Limit(4): %d threads at a time", inside.Load())
	}
}

// TestSlowWorker: a core that is slow, busy with other work or LITTLE, takes
// fewer ranges; the job ends near the fair share and not when the slow core has
// done an equal part. Sleeping stands for computing, so that the test means the
// same on a machine with one core.
func TestSlowWorker(t *testing.T) {
	const ranges, unit, slow = 60, time.Millisecond, 10
	p := newPool(t, 3, "")
	best := time.Hour
	var took [3]int32
	for range 3 { // a busy machine wakes threads late
		var n [3]atomic.Int32
		start := time.Now()
		p.Parallel(ranges, 1, func(w, _, _ int) {
			n[w].Add(1)
			d := unit
			if w == 1 {
				d *= slow
			}
			for end := time.Now().Add(d); time.Now().Before(end); {
				time.Sleep(time.Until(end))
			}
		})
		if d := time.Since(start); d < best {
			best = d
			for i := range n {
				took[i] = n[i].Load()
			}
		}
	}
	// Two cores of speed 1 and one of 1/10 need 60/2.1 ms; an equal split 200 ms.
	// What the slow one began last may end one of its ranges late.
	fair := ranges * unit * slow / (2*slow + 1)
	if limit := fair + slow*unit; best > limit*3/2 {
		t.Errorf("took %v, fair share %v, limit %v; ranges by worker %v", best, fair, limit, took)
	}
	if took[1] > ranges/6 {
		t.Errorf("the slow worker took %d of %d ranges", took[1], ranges)
	}
	t.Logf("took %v, fair share %v, an equal split %v; ranges by worker %v", best, fair, ranges/3*unit*slow, took)
}

// BenchmarkRoundTrip is a job that needs two threads, spinning for it or parked.
func BenchmarkRoundTrip(b *testing.B) {
	p := newPool(b, 2, "")
	var inside atomic.Int32
	f := func(_, _, _ int) {
		inside.Add(1)
		for inside.Load()&1 != 0 {
		}
	}
	for _, c := range []struct {
		name  string
		pause time.Duration
	}{{"spinning", 0}, {"parked", 200 * time.Microsecond}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var used time.Duration
			for b.Loop() {
				for end := time.Now().Add(c.pause); time.Now().Before(end); {
				}
				start := time.Now()
				p.Parallel(2, 1, f)
				used += time.Since(start)
			}
			b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "ns/trip")
		})
	}
}
