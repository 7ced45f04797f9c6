//go:build !amd64

package kerneltest

// PeakFMA is the rate of float32 FMA of one thread in GFLOP/s; 0: unknown.
func PeakFMA() float64 { return 0 }

// PeakBF16 is PeakFMA of products of pairs of bfloat16.
func PeakBF16() float64 { return 0 }
