package engine

import (
	"runtime/debug"
	"testing"
)

// Loads that overlap leave the setting as it was, in whatever order they end.
func TestPauseGC(t *testing.T) {
	old := debug.SetGCPercent(70)
	defer debug.SetGCPercent(old)
	now := func() int {
		p := debug.SetGCPercent(-1)
		debug.SetGCPercent(p)
		return p
	}
	first := pauseGC()
	second := pauseGC()
	first()
	if p := now(); p != -1 {
		t.Errorf("with one of two loads running the setting is %d", p)
	}
	second()
	if p := now(); p != 70 {
		t.Errorf("after both loads the setting is %d, was 70", p)
	}
}
