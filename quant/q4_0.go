package quant

import "math"

// Q4_0 byte map, 32 weights, x = d·(q-8):
//
//	0   2  half d
//	2  16  q[j] | q[j+16]<<4
const q4_0Bytes = 2 + 16

var _ = [1]struct{}{}[q4_0Bytes-18]

// encodeQ4_0: m = the first value of largest magnitude, with its sign;
// d = m/-8; q = min(15, trunc(x·(1/d) + 8.5)).
func encodeQ4_0(dst []byte, src []float32) {
	for len(src) >= 32 {
		b, x := (*[q4_0Bytes]byte)(dst), (*[32]float32)(src)
		d := signedMax(x) / -8
		putHalf(b[:2], d)
		id := inverse(d)
		q := (*[16]byte)(b[2:])
		for j := range q {
			lo := min(15, int32(float32(x[j]*id)+8.5))
			hi := min(15, int32(float32(x[j+16]*id)+8.5))
			q[j] = byte(lo)&15 | byte(hi)<<4
		}
		dst, src = dst[q4_0Bytes:], src[32:]
	}
}

// signedMax is the first value of largest magnitude, with its sign; 0 where
// all are zeros of either sign, as in ggml.
func signedMax(x *[32]float32) float32 {
	var best uint32
	var m float32
	for _, v := range x {
		if u := math.Float32bits(v) << 1; u > best {
			best, m = u, v
		}
	}
	return m
}

func decodeQ4_0(dst []float32, src []byte) {
	for len(dst) >= 32 {
		b, y := (*[q4_0Bytes]byte)(src), (*[32]float32)(dst)
		d := half(b[:2])
		q := (*[16]byte)(b[2:])
		for j, v := range q {
			y[j] = d * float32(int32(v&15)-8)
			y[j+16] = d * float32(int32(v>>4)-8)
		}
		dst, src = dst[32:], src[q4_0Bytes:]
	}
}
