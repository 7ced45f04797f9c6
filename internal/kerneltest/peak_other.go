//go:build !amd64

package kerneltest

// PeakBF16 is the operations per second of one thread's bfloat16 products; 0: the
// processor has none that is known.
func PeakBF16() float64 { return 0 }
