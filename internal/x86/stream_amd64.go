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
	x, x2     unsafe.Pointer // codes in the order of arrange; x2: the second half of each block
	d, sum    unsafe.Pointer
	steps     int // whole ones in a row
	backX     int // what a last step goes back in x, 0: none is needed; in d and sum; terms; w
	back4     int
	backTerms int
	backBytes int
	stride    int // bytes of terms per row
	rows      int
}

//go:noescape
func streamQ8_0AVX512(a *stream)

//go:noescape
func streamQ4_0AVX512(a *stream)

//go:noescape
func streamQ5_0AVX512(a *stream)

//go:noescape
func streamQ4_KAVX512(a *stream)

//go:noescape
func streamQ5_KAVX512(a *stream)

//go:noescape
func streamQ6_KAVX512(a *stream)

//go:noescape
func sumTermsAVX512(y, terms *float32, stride, n int)

// streamRows is the number of rows whose terms are added together.
const streamRows = 16

// streaming is how rows of a type are multiplied as a stream.
type streaming struct {
	step  int // blocks of 32 that a step takes
	terms int // per block of 32: two where sub-blocks are 16 codes or have a min
	max   int // blocks of the longest row that is faster as a stream, and has space in scratch
	order int // of x: as it is, all first halves of blocks then all second ones, sub-blocks 0 2 1 3
}

// orders of x
const (
	asIs = iota
	halved
	swapped
)

func streamOf(t quant.Type) streaming {
	switch t {
	case quant.Q8_0:
		return streaming{16, 1, 512, asIs}
	case quant.Q4_0:
		return streaming{16, 1, 512, halved}
	case quant.Q5_0:
		return streaming{16, 1, 512, halved}
	case quant.Q4_K, quant.Q5_K:
		return streaming{16, 2, 512, swapped}
	case quant.Q6_K:
		return streaming{8, 2, 512, asIs}
	}
	return streaming{}
}

// canStream reports whether rows of a type are multiplied with one token as a stream.
func canStream(l Level, t quant.Type, rows, blocks int) bool {
	f := streamOf(t)
	return l >= AVX512 && rows >= streamRows && f.step > 0 && blocks >= f.step && blocks <= f.max
}

// streamed multiplies rows with one token. The last call overlaps the one before
// it where the rows are no multiple of 16. In scratch: terms, then activations.
func streamed(y []float32, t quant.Type, w []byte, rows int, a Acts, scratch []byte) {
	f, row, blocks := streamOf(t), len(w)/rows, a.Blocks
	n := blocks * f.terms
	s := stream{
		x: unsafe.Pointer(&a.Q[0]), d: unsafe.Pointer(&a.D[0]), sum: unsafe.Pointer(&a.Sum[0]),
		steps: blocks / f.step, stride: (n+15)/16*64 | 64, rows: streamRows, // lines of 64 bytes, an odd number: rows share no sets
	}
	copied := scratch[streamRows*s.stride:]
	switch f.order {
	case halved:
		s.x, s.x2 = halve(copied, a.Q)
	case swapped:
		s.x = swap(copied, a.Q)
	}
	if over := blocks % f.step; over > 0 {
		back := over - f.step
		s.backX, s.back4, s.backTerms, s.backBytes = 32*back, 4*back, 4*f.terms*back, t.BlockBytes()*back*32/t.Block()
		if f.order == halved {
			s.backX /= 2
		}
	}
	terms := (*float32)(unsafe.Pointer(&scratch[0]))
	for r := 0; r < rows; r += streamRows {
		r := min(r, rows-streamRows)
		s.terms, s.w = unsafe.Pointer(terms), unsafe.Pointer(&w[r*row])
		switch t {
		case quant.Q8_0:
			streamQ8_0AVX512(&s)
		case quant.Q4_0:
			streamQ4_0AVX512(&s)
		case quant.Q5_0:
			streamQ5_0AVX512(&s)
		case quant.Q4_K:
			streamQ4_KAVX512(&s)
		case quant.Q5_K:
			streamQ5_KAVX512(&s)
		case quant.Q6_K:
			streamQ6_KAVX512(&s)
		}
		sumTermsAVX512(&y[r], terms, s.stride, n)
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

// swap writes blocks 0 2 1 3 of each four.
func swap(dst []byte, q []int8) unsafe.Pointer {
	from := unsafe.Slice((*byte)(unsafe.Pointer(&q[0])), len(q))
	for i := 0; i < len(from); i += 128 {
		to, x := (*[128]byte)(dst[i:]), (*[128]byte)(from[i:])
		*(*[32]byte)(to[:]) = [32]byte(x[:32])
		*(*[32]byte)(to[32:]) = [32]byte(x[64:96])
		*(*[32]byte)(to[64:]) = [32]byte(x[32:64])
		*(*[32]byte)(to[96:]) = [32]byte(x[96:])
	}
	return unsafe.Pointer(&dst[0])
}
