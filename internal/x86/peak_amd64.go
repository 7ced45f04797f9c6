//go:build !noasm

package x86

// Each makes steps steps of 12 independent instructions (AVX2's products of bytes:
// 4, with two more that widen and add).

//go:noescape
func peakInt8AVX2(steps int)

//go:noescape
func peakInt8AVX512(steps int)

//go:noescape
func peakFP32AVX2(steps int)

//go:noescape
func peakFP32AVX512(steps int)

// peakSteps makes a round take some 10 µs.
const peakSteps = 1 << 12

func peak(l Level, n int, bytes bool) int {
	var round func(int)
	ops := 0 // of one step
	switch {
	case l >= AVX512 && bytes:
		round, ops = peakInt8AVX512, 12*64*2
	case l >= AVX512:
		round, ops = peakFP32AVX512, 12*16*2
	case l == AVX2 && bytes:
		round, ops = peakInt8AVX2, 4*32*2
	case l == AVX2:
		round, ops = peakFP32AVX2, 12*8*2
	default:
		return 0
	}
	for range n {
		round(peakSteps)
	}
	return n * peakSteps * ops
}
