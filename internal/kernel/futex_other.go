//go:build !linux

package kernel

import (
	"sync/atomic"
	"time"
)

// futexWait sleeps a little: systems without futexes poll.
func futexWait(a *atomic.Uint32, v uint32) {
	if a.Load() == v {
		time.Sleep(50 * time.Microsecond)
	}
}

// futexWake has nobody to wake: those who wait poll.
func futexWake(*atomic.Uint32, int) {}
