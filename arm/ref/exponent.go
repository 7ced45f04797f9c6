package ref

import "math"

// MinExp returns an e such that every value of x is a multiple of 2^(e-23): the
// exponent of the smallest non-zero magnitude. Dot's fast path needs products
// that are multiples of 2^-149, i.e. two exponents with a sum of -103 or more.
func MinExp(x []float32) int {
	m0, m1 := ^uint32(0), ^uint32(0)
	for ; len(x) >= 4; x = x[4:] {
		v := (*[4]float32)(x)
		m0 = min(m0, math.Float32bits(v[0])<<1-1, math.Float32bits(v[1])<<1-1)
		m1 = min(m1, math.Float32bits(v[2])<<1-1, math.Float32bits(v[3])<<1-1)
	}
	for _, v := range x {
		m0 = min(m0, math.Float32bits(v)<<1-1)
	}
	return exponent(min(m0, m1))
}

// exponent is the exponent of the smallest bits<<1 - 1 of some values, in which
// zeros are the largest: they are multiples of everything.
func exponent(m uint32) int {
	if m == ^uint32(0) {
		return 1 << 10
	}
	return int(max((m+1)>>24, 1)) - 127
}

// ExpF32 is MinExp of a row of little-endian float32, or a lower bound of it.
// It looks for exponents below -63 only, two values at a time, before it
// searches for the exact one.
func ExpF32(row []byte) int {
	all, n := ^uint64(0), len(row)&^7
	for i := 0; i < n; i += 8 {
		v := le.Uint64(row[i:])
		all &= v | v<<1
	}
	if all&0x4000000040000000 == 0x4000000040000000 && n == len(row) {
		return -63
	}
	m := ^uint32(0)
	for i := 0; i+4 <= len(row); i += 4 {
		m = min(m, le.Uint32(row[i:])<<1-1)
	}
	return exponent(m)
}

// ExpF16 is MinExp of any row of halves: they are multiples of 2^-24.
const ExpF16 = -1

// ExpBF16 bounds MinExp of a row of bfloat16, whose values have 16 zero bits.
func ExpBF16(row []byte) int {
	all, n := ^uint64(0), len(row)&^7
	for i := 0; i < n; i += 8 {
		v := le.Uint64(row[i:])
		all &= v | v<<1
	}
	if all&0x4000400040004000 == 0x4000400040004000 && n == len(row) {
		return -63 + 16
	}
	m := ^uint32(0)
	for i := 0; i+2 <= len(row); i += 2 {
		m = min(m, uint32(le.Uint16(row[i:]))<<17-1)
	}
	return exponent(m) + 16
}
