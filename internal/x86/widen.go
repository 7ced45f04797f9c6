package x86

// Widen makes Wide, Low and High of one token from its Sum. It returns false, and has
// written nothing, on levels whose kernels do not read them.
func Widen(l Level, wide []float32, low, high []int32, sum []int16) bool {
	if n := len(wide); len(low) != n || len(high) != n || len(sum) != 2*n {
		panic("x86: Widen: lengths differ")
	}
	return widen(l, wide, low, high, sum)
}
