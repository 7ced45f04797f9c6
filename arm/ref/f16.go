package ref

// F16ToF32 is dst[i] = the half at src[2i], exact; a NaN becomes quiet and keeps
// its payload.
func F16ToF32(dst []float32, src []byte) {
	src = src[:2*len(dst)]
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}
