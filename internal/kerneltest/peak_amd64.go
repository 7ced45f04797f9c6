package kerneltest

import (
	"time"

	"golang.org/x/sys/cpu"
)

func dpbf16AVX512(n int)

// PeakBF16 is the operations per second of one thread that does nothing but
// VDPBF16PS in registers, for about 2 ms; 0 where the processor has none.
func PeakBF16() float64 {
	if !cpu.X86.HasAVX512BF16 {
		return 0
	}
	const steps, calls = 4000, 40 // about 12 µs a call
	start := time.Now()
	for range calls {
		dpbf16AVX512(steps)
	}
	return steps * calls * 24 * 64 / time.Since(start).Seconds()
}
