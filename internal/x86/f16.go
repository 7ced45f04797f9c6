package x86

// F16ToF32 widens little-endian halves: dst[i] = float32(src[2i:2i+2]). It is
// exact; a NaN becomes quiet. src has exactly 2·len(dst) bytes, at any alignment.
func F16ToF32(dst []float32, src []byte) {
	if len(src) != 2*len(dst) {
		panic("x86: F16ToF32: source and destination differ in length")
	}
	f16ToF32(dst, src)
}
