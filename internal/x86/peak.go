package x86

// PeakInt8 runs n rounds of independent products of bytes, the instructions of
// the tile on integer codes with nothing around them, and returns the number of
// operations (a product and its addition are two); 0 without assembly. Their rate
// is the ceiling of Integers.
func PeakInt8(l Level, n int) int { return peak(l, n, true) }

// PeakFP32 is the same for float32's fused products and sums.
func PeakFP32(l Level, n int) int { return peak(l, n, false) }
