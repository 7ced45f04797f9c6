//go:build !noasm

package x86

import "unsafe"

// soften is what the assembly reads.
type soften struct {
	s       unsafe.Pointer // first query's scores, at a multiple of 16 positions
	stride  uintptr        // bytes from query to query
	m, l    unsafe.Pointer
	o       unsafe.Pointer
	oStride uintptr // bytes from query to query
	queries int
	dim     int
	steps   int            // of 16 positions
	masks   [4]uint16      // the positions of each step
	lanes   unsafe.Pointer // AVX2's: 16 int32 per step
}

//go:noescape
func softenAVX512(a *soften)

//go:noescape
func softenAVX2(a *soften)

// softenQueries bounds one call to well under 200 µs.
const softenQueries = 256

func softenRows(l Level, s []float32, stride, from, to int, m, sum, o []float32, dim int) bool {
	if l < AVX2 || dim > mathChunk/8 {
		return false
	}
	a := soften{stride: uintptr(4 * stride), oStride: uintptr(4 * dim), dim: dim, steps: (to+15)/16 - from/16}
	seen := (^uint64(0) >> (64 - to) & (^uint64(0) << from)) >> (from &^ 15)
	for i := range a.masks {
		a.masks[i] = uint16(seen >> (16 * i))
	}
	var lanes [64]int32
	if l < AVX512 {
		for i := range lanes {
			lanes[i] = -int32(seen >> i & 1)
		}
		a.lanes = unsafe.Pointer(&lanes)
	}
	for i := 0; i < len(m); i += softenQueries {
		a.s, a.m, a.l, a.o = unsafe.Pointer(&s[i*stride+from&^15]), unsafe.Pointer(&m[i]), unsafe.Pointer(&sum[i]), unsafe.Pointer(&o[i*dim])
		a.queries = min(softenQueries, len(m)-i)
		if l >= AVX512 {
			softenAVX512(&a)
		} else {
			softenAVX2(&a)
		}
	}
	return true
}
