//go:build !noasm

package x86

import "math"

// quantizeAVX2 quantizes whole blocks of 32. It returns the block that holds a
// value that is not finite, or blocks.
//
//go:noescape
func quantizeAVX2(q *int8, d *float32, sum *int16, x *float32, blocks int) int

// quantizeChunk bounds the blocks of one call to well under 200 µs.
const quantizeChunk = 1 << 12

func quantize(l Level, q []int8, d []float32, sum []int16, x []float32) (int, bool) {
	if l < AVX2 {
		return 0, false
	}
	whole := len(x) / 32
	for b := 0; b < whole; b += quantizeChunk {
		n := min(quantizeChunk, whole-b)
		if at := quantizeAVX2(&q[32*b], &d[b], &sum[2*b], &x[32*b], n); at < n {
			return firstBad(x, 32*(b+at)), true
		}
	}
	if whole < len(d) {
		var tail [32]float32
		copy(tail[:], x[32*whole:])
		if quantizeAVX2(&q[32*whole], &d[whole], &sum[2*whole], &tail[0], 1) < 1 {
			return firstBad(x, 32*whole), true
		}
	}
	return -1, true
}

// firstBad is the index of the first value from i on that is not finite.
func firstBad(x []float32, i int) int {
	for math.Float32bits(x[i])&^(1<<31) < 0x7f800000 {
		i++
	}
	return i
}
