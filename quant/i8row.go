package quant

import "math"

// I8ROW is int8 with one float32 scale for a whole row: s = max|x|/127,
// q = round half to even(x/s) in ±127, x = s·q. It is no type of a model file.

// EncodeI8Row writes the integers of src to dst, which must be as long, and
// returns the scale. A row of zeros has the scale 0.
func EncodeI8Row(dst []int8, src []float32) (scale float32) {
	dst = dst[:len(src)]
	var m float32
	for _, v := range src {
		m = max(m, math.Float32frombits(math.Float32bits(v)&^(1<<31)))
	}
	if scale = m / 127; scale == 0 {
		clear(dst)
		return 0
	}
	for i, v := range src {
		dst[i] = int8(max(-127, min(127, math.RoundToEven(float64(v/scale)))))
	}
	return scale
}

// DecodeI8Row writes scale·src to dst, which must be as long as src.
func DecodeI8Row(dst []float32, src []int8, scale float32) {
	dst = dst[:len(src)]
	for i, q := range src {
		dst[i] = scale * float32(q)
	}
}
