package arm

// Quantize makes one token's activations as ref.Act.Quantize does: x is any
// length, q, d and sum are whole blocks of 32, the rest of the last is zero. bad is
// the index of the first value that is not finite, or -1.
func Quantize(l Level, q []int8, d []float32, sum []int16, x []float32) (bad int, ok bool) {
	n := (len(x) + 31) / 32
	if len(q) != 32*n || len(d) != n || len(sum) != 2*n {
		panic("arm: Quantize: the outputs do not fit the values")
	}
	if l == None {
		return 0, false
	}
	return quantize(q, d, sum, x), true
}
