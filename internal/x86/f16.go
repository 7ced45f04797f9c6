package x86

// F16ToF32 widens little-endian halves: dst[i] = float32(src[2i:2i+2]). It is
// exact; a NaN becomes quiet. src has exactly 2·len(dst) bytes, at any alignment.
func F16ToF32(dst []float32, src []byte) {
	if len(src) != 2*len(dst) {
		panic("x86: F16ToF32: source and destination differ in length")
	}
	f16ToF32(dst, src)
}

// F32ToF16 rounds to little-endian halves, to nearest even: quant.FloatToHalf's
// bits, but for the payload of a NaN.
func F32ToF16(dst []byte, src []float32) {
	if len(dst) != 2*len(src) {
		panic("x86: F32ToF16: source and destination differ in length")
	}
	f32ToF16(dst, src)
}
