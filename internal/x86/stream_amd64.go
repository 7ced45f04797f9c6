//go:build !noasm

package x86

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// stream is what the assembly reads that takes adjacent rows as one stream.
type stream struct {
	terms     unsafe.Pointer // [16, stride/4] float32
	w         unsafe.Pointer
	x, x2     unsafe.Pointer // codes; x2: the second half of each block where a type wants them apart
	d, sum    unsafe.Pointer
	steps     int // of 16 blocks
	back32    int // what a last step goes back in x, 0: none is needed; d, sum and terms; w
	back4     int
	backBytes int
	stride    int // bytes of terms per row
	rows      int
}

//go:noescape
func streamQ8_0AVX512(a *stream)

//go:noescape
func streamQ4_0AVX512(a *stream)

//go:noescape
func sumTermsAVX512(y, terms *float32, stride, n int)

// streamRows is the number of rows whose terms are added together.
const streamRows = 16

// canStream reports whether rows of a type are multiplied with one token as a
// stream. Long rows of Q4_0 are slower that way: 23 GB/s for 29 at 4,864 columns.
func canStream(l Level, t quant.Type, rows, blocks int) bool {
	if l < AVX512 || rows < streamRows || blocks < 16 {
		return false
	}
	return t == quant.Q8_0 || t == quant.Q4_0 && blocks <= 32
}

// streamed multiplies rows with one token. The last call overlaps the one before
// it where the rows are no multiple of 16. In scratch: terms, then activations.
func streamed(y []float32, t quant.Type, w []byte, rows int, a Acts, scratch []byte) {
	row, blocks := len(w)/rows, a.Blocks
	s := stream{
		x: unsafe.Pointer(&a.Q[0]), d: unsafe.Pointer(&a.D[0]), sum: unsafe.Pointer(&a.Sum[0]),
		steps: blocks / 16, stride: (blocks+3)&^3*4 + 64, rows: streamRows,
	}
	if over := blocks % 16; over > 0 {
		back := over - 16
		s.back32, s.back4, s.backBytes = 32*back, 4*back, t.BlockBytes()*back
	}
	terms := (*float32)(unsafe.Pointer(&scratch[0]))
	if t == quant.Q4_0 {
		s.back32 /= 2
		s.x, s.x2 = halve(scratch[streamRows*s.stride:], a.Q)
	}
	for r := 0; r < rows; r += streamRows {
		r := min(r, rows-streamRows)
		s.terms, s.w = unsafe.Pointer(terms), unsafe.Pointer(&w[r*row])
		if t == quant.Q8_0 {
			streamQ8_0AVX512(&s)
		} else {
			streamQ4_0AVX512(&s)
		}
		sumTermsAVX512(&y[r], terms, s.stride, blocks)
	}
}

// halve writes the first 16 codes of all blocks, then the second 16.
func halve(dst []byte, q []int8) (first, second unsafe.Pointer) {
	n := len(q) / 2
	lo, hi := dst[:n], dst[n:2*n]
	from := unsafe.Slice((*byte)(unsafe.Pointer(&q[0])), len(q))
	for i := 0; i < n; i += 16 {
		*(*[16]byte)(lo[i:]) = *(*[16]byte)(from[2*i:])
		*(*[16]byte)(hi[i:]) = *(*[16]byte)(from[2*i+16:])
	}
	return unsafe.Pointer(&lo[0]), unsafe.Pointer(&hi[0])
}
