package x86

// Quantize makes one token's activations: bits of ref.Act.Quantize. q, d and sum
// are whole blocks of 32 and hold x padded with zeros. bad is the index of the
// first value that is infinite or NaN, or -1; what is written then is undefined.
// ok false: no kernel, nothing was written.
func Quantize(l Level, q []int8, d []float32, sum []int16, x []float32) (bad int, ok bool) {
	n := (len(x) + 31) / 32
	if len(q) != 32*n || len(d) != n || len(sum) != 2*n {
		panic("x86: Quantize: lengths differ")
	}
	return quantize(l, q, d, sum, x)
}
