package ref

import "math"

// Act is a row of activations in the one format that all quantized weights are
// multiplied with: blocks of 32 codes, padded with zeros to whole blocks.
type Act struct {
	Q   []int8    // codes in [-127, 127]
	D   []float32 // per block of 32: absmax/127
	Sum []int16   // per 16: the sum of the codes
	// What the plain Go loops multiply with, see Pairs and Quads.
	P []uint64 // 16 per block
	R []uint64 // 8 per block
}

// tiny is the bits of 2^-100. A block without a larger magnitude becomes zero,
// so that 127/absmax is finite.
const tiny = (127 - 100) << 23

// Quantize fills a from x, whose length is any. It returns the index of the
// first value that is infinite or NaN, or -1. With absmax the largest magnitude
// of a block, the code of v is v·(127/absmax) rounded half to even, where the
// quotient and the product are rounded to float32; d is absmax/127 rounded.
func (a *Act) Quantize(x []float32) int {
	n := (len(x) + 31) / 32
	a.Q, a.D, a.Sum = grow(a.Q, n*32), grow(a.D, n), grow(a.Sum, n*2)
	var tail [32]float32
	for b := range n {
		v := &tail
		if len(x) >= b*32+32 {
			v = (*[32]float32)(x[b*32:])
		} else {
			copy(tail[:], x[b*32:])
		}
		m0, m1 := uint32(0), uint32(0)
		for i := 0; i < 32; i += 2 {
			m0 = max(m0, math.Float32bits(v[i])&^(1<<31))
			m1 = max(m1, math.Float32bits(v[i+1])&^(1<<31))
		}
		m := max(m0, m1)
		if m >= 0x7f800000 {
			for i, f := range v {
				if math.Float32bits(f)&^(1<<31) >= 0x7f800000 {
					return b*32 + i
				}
			}
		}
		q := (*[32]int8)(a.Q[b*32:])
		if m < tiny {
			*q = [32]int8{}
			a.D[b], a.Sum[2*b], a.Sum[2*b+1] = 0, 0, 0
			continue
		}
		absmax := math.Float32frombits(m)
		a.D[b] = absmax / 127
		s0, s1 := quantize16((*[16]int8)(q[:16]), (*[16]float32)(v[:16]), 127/absmax), quantize16((*[16]int8)(q[16:]), (*[16]float32)(v[16:]), 127/absmax)
		a.Sum[2*b], a.Sum[2*b+1] = s0, s1
	}
	return -1
}

// quantize16 rounds 16 values times inv, which lie in [-127, 127], half to even,
// by adding 1.5·2^23: the sum's last bits are the integer.
func quantize16(q *[16]int8, v *[16]float32, inv float32) int16 {
	const magic = 3 << 22
	s := int32(0)
	for i, f := range v {
		c := int32(math.Float32bits(float32(f*inv)+magic)) - 0x4b400000
		q[i] = int8(c)
		s += c
	}
	return int16(s)
}

// Pairs fills P for 8-bit codes: word 4g+i of a block holds
// x[8g+i+4] + x[8g+i]·2^32, so that its product with the word
// w[8g+i] + w[8g+i+4]·2^32 has w·x summed over both in the upper half.
func (a *Act) Pairs() {
	a.P = grow(a.P, len(a.Q)/2)
	for g := 0; g < len(a.Q)/8; g++ {
		q, p := (*[8]int8)(a.Q[8*g:]), (*[4]uint64)(a.P[4*g:])
		for i := range p {
			p[i] = uint64(int64(q[i+4]) + int64(q[i])<<32)
		}
	}
}

// Quads fills R for codes of at most 6 bits: word 2g+i of a block holds
// x[8g+i+6] + x[8g+i+4]·2^16 + x[8g+i+2]·2^32 + x[8g+i]·2^48; its product with
// the four codes at the same places has the sum of four products on top.
func (a *Act) Quads() {
	a.R = grow(a.R, len(a.Q)/4)
	for g := 0; g < len(a.Q)/8; g++ {
		q, r := (*[8]int8)(a.Q[8*g:]), (*[2]uint64)(a.R[2*g:])
		r[0] = uint64(int64(q[6]) + int64(q[4])<<16 + int64(q[2])<<32 + int64(q[0])<<48)
		r[1] = uint64(int64(q[7]) + int64(q[5])<<16 + int64(q[3])<<32 + int64(q[1])<<48)
	}
}

// grow returns s with length n, reallocated if it is too small; its content is
// not kept.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
