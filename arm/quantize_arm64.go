//go:build !noasm

package arm

import "math"

// quantizeChunk is the blocks of one call, well under 200 µs.
const quantizeChunk = 1 << 10

func quantize(q []int8, d []float32, sum []int16, x []float32) int {
	whole := len(x) / 32
	for b := 0; b < whole; b += quantizeChunk {
		n := min(quantizeChunk, whole-b)
		if done := quantizeNEON(&q[32*b], &d[b], &sum[2*b], &x[32*b], n); done < n {
			return firstBad(x, 32*(b+done))
		}
	}
	if whole < len(d) {
		var tail [32]float32
		copy(tail[:], x[32*whole:])
		if quantizeNEON(&q[32*whole], &d[whole], &sum[2*whole], &tail[0], 1) == 0 {
			return firstBad(x, 32*whole)
		}
	}
	return -1
}

// firstBad is the first value from i on that is infinite or NaN.
func firstBad(x []float32, i int) int {
	for math.Float32bits(x[i])&^(1<<31) < 0x7f800000 {
		i++
	}
	return i
}

// quantizeNEON quantizes blocks of 32 values until one is not finite, and returns
// how many it did.
//
//go:noescape
func quantizeNEON(q *int8, d *float32, sum *int16, x *float32, blocks int) (done int)
