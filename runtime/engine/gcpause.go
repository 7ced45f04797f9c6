package engine

import (
	"runtime/debug"
	"sync"
)

// collector is the garbage collector's setting while models load.
var collector struct {
	sync.Mutex
	loads   int // running now
	percent int // to return to
}

// pauseGC keeps the garbage collector from running until resume is called. What a
// load allocates, some megabytes for the tokenizer, stays in use, so collecting
// beside it only takes time from it. A memory limit (GOMEMLIMIT) still holds.
func pauseGC() (resume func()) {
	c := &collector
	c.Lock()
	defer c.Unlock()
	if c.loads++; c.loads == 1 {
		c.percent = debug.SetGCPercent(-1)
	}
	return func() {
		c.Lock()
		defer c.Unlock()
		if c.loads--; c.loads == 0 {
			debug.SetGCPercent(c.percent)
		}
	}
}
