package arm

// PeakInt8 runs n rounds of independent products of bytes, the instructions of
// the level's tile with nothing around them, and returns the number of operations
// (a product and its addition are two); 0 without assembly. Their rate is the
// ceiling of Integers.
func PeakInt8(l Level, n int) int { return peak(l, n, true) }

// PeakFP32 is the same for float32's fused products and sums.
func PeakFP32(l Level, n int) int { return peak(l, n, false) }

// readStep is the number of bytes that one assembly call of Read takes.
const readStep = 1 << 18

// Read loads all of p once and returns the sum of its little-endian 64-bit words,
// modulo 2^64: what a kernel that does nothing else than read could reach. len(p)
// is a multiple of 256.
func Read(l Level, p []byte) (sum uint64, ok bool) {
	if len(p)%256 != 0 {
		panic("arm: Read: length is no multiple of 256")
	}
	if l == None || !Assembly {
		return 0, false
	}
	for ; len(p) > 0; p = p[min(readStep, len(p)):] {
		sum += read(p[:min(readStep, len(p))])
	}
	return sum, true
}
