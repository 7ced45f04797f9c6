package kerneltest

import (
	"time"

	"golang.org/x/sys/cpu"
)

func fmaAVX512(n int)
func fmaAVX2(n int)
func dpbf16AVX512(n int)

// PeakFMA is the GFLOP/s of one thread that does nothing but float32 FMA in
// registers, in the widest vectors there are, for about 2 ms; 0 where unknown.
func PeakFMA() float64 {
	switch {
	case cpu.X86.HasAVX512F:
		return rate(fmaAVX512, 24*32)
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return rate(fmaAVX2, 12*16)
	}
	return 0
}

// PeakBF16 is PeakFMA of products of pairs of bfloat16 (VDPBF16PS).
func PeakBF16() float64 {
	if !cpu.X86.HasAVX512BF16 {
		return 0
	}
	return rate(dpbf16AVX512, 24*64)
}

// rate calls f, whose every step has flops operations.
func rate(f func(int), flops int) float64 {
	const steps, calls = 4000, 40 // about 12 µs a call
	start := time.Now()
	for range calls {
		f(steps)
	}
	return float64(steps*calls*flops) / float64(time.Since(start).Nanoseconds())
}
