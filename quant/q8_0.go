package quant

import "math"

// Q8_0 byte map, 32 weights, x = d·q:
//
//	0   2  half d
//	2  32  int8 q[32]
const q8_0Bytes = 2 + 32

var _ = [1]struct{}{}[q8_0Bytes-34]

// almostHalf is the largest float32 below 0.5. For every float32 x with
// |x| < 2^22, truncating x+copysign(almostHalf, x) rounds half away from zero:
// a sum that should stay below the integer cannot round up to it, and n+0.5
// always does (tested for every float32 up to 128).
const almostHalf = 0x3effffff

// encodeQ8_0: d = max|x|/127; q = round half away(x·(1/d)), by the float32 d.
// Where 1/d is no float32, d is 0 as a half and q is 0.
func encodeQ8_0(dst []byte, src []float32) {
	for len(src) >= 32 {
		b, x := (*[q8_0Bytes]byte)(dst), (*[32]float32)(src)
		d := absMax(x) / 127
		putHalf(b[:2], d)
		id := inverse(d)
		q := (*[32]byte)(b[2:])
		for j := 0; j < 32; j += 4 {
			q[j] = byte(roundAway(x[j], id))
			q[j+1] = byte(roundAway(x[j+1], id))
			q[j+2] = byte(roundAway(x[j+2], id))
			q[j+3] = byte(roundAway(x[j+3], id))
		}
		dst, src = dst[q8_0Bytes:], src[32:]
	}
}

// roundAway is x·id rounded to the nearest integer, ties away from zero;
// |x·id| < 2^22, id >= 0.
func roundAway(x, id float32) int32 {
	h := math.Float32frombits(math.Float32bits(x)&(1<<31) | almostHalf)
	return int32(float32(x*id) + h)
}

// absMax is the largest magnitude, compared as integers: a NaN wins.
func absMax(x *[32]float32) float32 {
	var m0, m1, m2, m3 uint32
	for j := 0; j < 32; j += 4 {
		m0 = max(m0, math.Float32bits(x[j])<<1)
		m1 = max(m1, math.Float32bits(x[j+1])<<1)
		m2 = max(m2, math.Float32bits(x[j+2])<<1)
		m3 = max(m3, math.Float32bits(x[j+3])<<1)
	}
	return math.Float32frombits(max(m0, m1, m2, m3) >> 1)
}

// inverse is 1/d; 0 where that is no finite number, so that the integers stay
// the same on every CPU (ggml leaves them undefined there).
func inverse(d float32) float32 {
	id := 1 / d
	if math.Float32bits(id)&0x7f800000 == 0x7f800000 {
		return 0
	}
	return id
}

func decodeQ8_0(dst []float32, src []byte) {
	for len(dst) >= 32 {
		b, y := (*[q8_0Bytes]byte)(src), (*[32]float32)(dst)
		d := half(b[:2])
		q := (*[32]byte)(b[2:])
		for j := range y {
			y[j] = d * float32(int8(q[j]))
		}
		dst, src = dst[32:], src[q8_0Bytes:]
	}
}
