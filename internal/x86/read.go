package x86

// readStep is the number of bytes that one assembly call of Read takes: 200 µs
// at 5 GB/s.
const readStep = 1 << 20

// Read loads all of p once and returns the sum of its little-endian 64-bit
// words, modulo 2^64: what a kernel that does nothing else than read could
// reach. len(p) is a multiple of 256.
func Read(l Level, p []byte) (sum uint64, ok bool) {
	if len(p)%256 != 0 {
		panic("x86: Read: length is no multiple of 256")
	}
	if l == None || !Assembly {
		return 0, false
	}
	for ; len(p) > 0; p = p[min(readStep, len(p)):] {
		sum += read(&p[0], min(readStep, len(p))/256)
	}
	return sum, true
}
