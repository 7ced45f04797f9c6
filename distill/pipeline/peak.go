package pipeline

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// tightHeap lets the collector run when a tenth of the heap is garbage, not when it
// has doubled: almost all of it is numbers without pointers, which cost the collector
// nothing, and the memory that a run takes is then what it uses. GOGC, where it is
// set, is left alone. The function that it returns undoes it.
func tightHeap() func() {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(10)
	return func() { debug.SetGCPercent(before) }
}

// resetPeak gives free memory back and makes the system count this process's peak
// anew, where it can: a stage's peak is then its own.
func resetPeak() {
	free()
	if f, err := os.OpenFile("/proc/self/clear_refs", os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString("5") // an older kernel's refusal leaves the peak since the start
		_ = f.Close()
	}
}

// free gives the memory that nothing uses back to the system. What is in a sync.Pool
// lives through one collection.
func free() {
	runtime.GC()
	debug.FreeOSMemory()
}

// peakMemory is the most resident bytes of this process since resetPeak, 0 where the
// system does not tell.
func peakMemory() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return parsePeak(string(b))
}

// parsePeak reads VmHWM of a status file of /proc.
func parsePeak(status string) int64 {
	for line := range strings.Lines(status) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			if err != nil || n < 0 || n > 1<<50 {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
