//go:build unix

package kernel

import (
	"testing"
	"time"
)

// TestIdle: a pool that waits uses no processor time, whatever its limit.
func TestIdle(t *testing.T) {
	p := newPool(t, 4, "")
	for _, limit := range []int{4, 2, 1} {
		p.Limit(limit)
		for range 100 {
			p.Parallel(64, 1, func(_, _, _ int) {})
		}
		best := time.Hour
		for range 3 { // the garbage collector may be at work the first time
			time.Sleep(20 * time.Millisecond)
			before := cpuTime()
			time.Sleep(time.Second)
			if best = min(best, cpuTime()-before); best < 5*time.Millisecond {
				break
			}
		}
		if best >= 5*time.Millisecond {
			t.Errorf("%d threads of 4: %v of processor time in a second of waiting", limit, best)
		}
		t.Logf("%d threads of 4: %v of processor time in a second of waiting", limit, best)
	}
}
