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
func streamQ2_KAVX2(a *stream)

//go:noescape
func streamQ3_KAVX2(a *stream)

//go:noescape
func streamQ4_KAVX2(a *stream)

//go:noescape
func streamQ5_KAVX2(a *stream)

//go:noescape
func streamQ6_KAVX2(a *stream)

//go:noescape
func sumTermsAVX2(y, terms *float32, stride, n int)

//go:noescape
func sumMinTermsAVX2(y, terms *float32, stride, n int)

//go:noescape
func sumTermsAVX512(y, terms *float32, stride, n int)

// streaming is how rows of a type are multiplied as a stream.
type streaming struct {
	step  int   // blocks of 32 that a step takes
	terms int   // per block of 32: two where sub-blocks are 16 codes or have a min
	max   int   // blocks of the longest row that is faster as a stream, and has space in scratch
	level Level // whose kernel it is
	rows  int   // whose terms are added together
	order int   // of x: as it is, all first halves of blocks then all second ones, sub-blocks 0 2 1 3
}

// orders of x
const (
	asIs = iota
	halved
	swapped
	summed // as it is; sum is float32 of each block's
	spread // as it is; x2 is of widenSums
)

// streamOf is the zero value where the level has no stream of the type. AVX2 has
// super-blocks only, a step each; AVX-512 takes its Q2_K and Q3_K.
func streamOf(l Level, t quant.Type) streaming {
	switch {
	case t == quant.Q2_K:
		return streaming{8, 4, 512, AVX2, 16, asIs}
	case l < AVX512 && (t == quant.Q4_K || t == quant.Q5_K):
		return streaming{8, 2, 512, AVX2, 16, summed}
	case t == quant.Q6_K && l < AVX512:
		return streaming{8, 2, 512, AVX2, 16, spread}
	case t == quant.Q3_K:
		return streaming{8, 2, 512, AVX2, 16, asIs}
	case l < AVX512:
	case t == quant.Q8_0:
		return streaming{16, 1, 512, AVX512, 16, asIs}
	case t == quant.Q4_0, t == quant.Q5_0:
		return streaming{16, 1, 512, AVX512, 16, halved}
	case t == quant.Q4_K, t == quant.Q5_K:
		return streaming{16, 2, 512, AVX512, 16, swapped}
	case t == quant.Q6_K:
		return streaming{8, 2, 512, AVX512, 16, asIs}
	}
	return streaming{}
}

// canStream reports whether rows of a type are multiplied with one token as a stream.
func canStream(l Level, t quant.Type, rows, blocks int) bool {
	f := streamOf(l, t)
	return f.step > 0 && rows >= f.rows && blocks >= f.step && blocks <= f.max
}

// streamed multiplies rows with one token. The last call overlaps the one before
// it where the rows are no multiple of theirs. In scratch: terms, then activations.
func streamed(l Level, y []float32, t quant.Type, w []byte, rows int, a Acts, scratch []byte) {
	f, row, blocks, group := streamOf(l, t), len(w)/rows, a.Blocks, streamOf(l, t).rows
	n := blocks * f.terms
	s := stream{
		x: unsafe.Pointer(&a.Q[0]), d: unsafe.Pointer(&a.D[0]), sum: unsafe.Pointer(&a.Sum[0]),
		steps: blocks / f.step, stride: (n+15)/16*64 | 64, rows: group, // lines of 64 bytes, an odd number: rows share no sets
	}
	copied := scratch[group*s.stride:]
	switch f.order {
	case halved:
		s.x, s.x2 = halve(copied, a.Q)
	case swapped:
		s.x = swap(copied, a.Q)
	case spread:
		s.x2 = widenSums(copied, a)
	case summed:
		s.sum = sumFloats(copied, a.Sum)
	}
	if over := blocks % f.step; over > 0 {
		back := over - f.step
		s.backX, s.back4, s.backTerms, s.backBytes = 32*back, 4*back, 4*f.terms*back, t.BlockBytes()*back*32/t.Block()
		if f.order == halved {
			s.backX /= 2
		}
	}
	terms := (*float32)(unsafe.Pointer(&scratch[0]))
	second := (*float32)(unsafe.Pointer(&scratch[8*s.stride])) // of the next 8 rows: AVX2 adds those of 8 together
	for r := 0; r < rows; r += group {
		r := min(r, rows-group)
		s.terms, s.w = unsafe.Pointer(terms), unsafe.Pointer(&w[r*row])
		switch {
		case f.level >= AVX512:
			s.runAVX512(t)
			sumTermsAVX512(&y[r], terms, s.stride, n)
		case t == quant.Q2_K || t == quant.Q4_K || t == quant.Q5_K:
			s.runAVX2(t)
			sumMinTermsAVX2(&y[r], terms, s.stride, n)
			sumMinTermsAVX2(&y[r+8], second, s.stride, n)
		default:
			s.runAVX2(t)
			sumTermsAVX2(&y[r], terms, s.stride, n)
			sumTermsAVX2(&y[r+8], second, s.stride, n)
		}
	}
}

// runAVX2 writes the terms of s.rows rows.
func (s *stream) runAVX2(t quant.Type) {
	switch t {
	case quant.Q2_K:
		streamQ2_KAVX2(s)
	case quant.Q3_K:
		streamQ3_KAVX2(s)
	case quant.Q4_K:
		streamQ4_KAVX2(s)
	case quant.Q5_K:
		streamQ5_KAVX2(s)
	case quant.Q6_K:
		streamQ6_KAVX2(s)
	}
}

func (s *stream) runAVX512(t quant.Type) {
	switch t {
	case quant.Q8_0:
		streamQ8_0AVX512(s)
	case quant.Q4_0:
		streamQ4_0AVX512(s)
	case quant.Q5_0:
		streamQ5_0AVX512(s)
	case quant.Q4_K:
		streamQ4_KAVX512(s)
	case quant.Q5_K:
		streamQ5_KAVX512(s)
	case quant.Q6_K:
		streamQ6_KAVX512(s)
	}
}

// sumFloats writes the sum of each block's codes, which the kernels take instead
// of adding two halves for every row.
func sumFloats(dst []byte, sum []int16) unsafe.Pointer {
	f := unsafe.Slice((*float32)(unsafe.Pointer(&dst[0])), len(sum)/2)
	for i := range f {
		f[i] = float32(int32(sum[2*i]) + int32(sum[2*i+1]))
	}
	return unsafe.Pointer(&dst[0])
}

// widenSums writes for each super-block 32 times the sums of its 16 sub-blocks as
// int32, then their d as float32, and leaves as many bytes, so that it is as long as
// the codes.
func widenSums(dst []byte, a Acts) unsafe.Pointer {
	for b := 0; b < a.Blocks; b += 8 {
		sums := (*[16]int32)(unsafe.Pointer(&dst[32*b]))
		ds := (*[16]float32)(unsafe.Pointer(&dst[32*b+64]))
		for i := range sums {
			sums[i], ds[i] = 32*int32(a.Sum[2*b+i]), a.D[b+i/2]
		}
	}
	return unsafe.Pointer(&dst[0])
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
