package pipeline

import (
	"runtime"
	"testing"
)

func TestPeak(t *testing.T) {
	for text, want := range map[string]int64{"Name:\tx\nVmHWM:\t  1234 kB\nVmRSS:\t 5 kB\n": 1234 << 10, "": 0, "VmHWM:\t -1 kB\n": 0, "VmHWM: 99999999999999999999 kB": 0} {
		if got := parsePeak(text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
	if runtime.GOOS != "linux" {
		return
	}
	resetPeak()
	before := peakMemory()
	x := make([]byte, 64<<20)
	for i := range x {
		x[i] = byte(i)
	}
	if grown := peakMemory() - before; before < 1<<20 || grown < 60<<20 || grown > 80<<20 {
		t.Errorf("%d bytes, %d more after 64 MB (%d)", before, grown, x[5])
	}
}
