package quant

// Q4_1 byte map, 32 weights, x = d·q + m:
//
//	0   2  half d
//	2   2  half m
//	4  16  q[j] | q[j+16]<<4
const q4_1Bytes = 2 + 2 + 16

var _ = [1]struct{}{}[q4_1Bytes-20]

// encodeQ4_1: m = min x; d = (max x - m)/15; q = min(15, trunc((x-m)·(1/d) + 0.5)).
func encodeQ4_1(dst []byte, src []float32) {
	for len(src) >= 32 {
		b, x := (*[q4_1Bytes]byte)(dst), (*[32]float32)(src)
		lo, hi := minMax(x)
		d := (hi - lo) / 15
		putHalf(b[:2], d)
		putHalf(b[2:4], lo)
		id := inverse(d)
		q := (*[16]byte)(b[4:])
		for j := range q {
			l := min(15, int32(float32((x[j]-lo)*id)+0.5))
			h := min(15, int32(float32((x[j+16]-lo)*id)+0.5))
			q[j] = byte(l)&15 | byte(h)<<4
		}
		dst, src = dst[q4_1Bytes:], src[32:]
	}
}

// minMax is the least and the largest value; comparisons skip NaN.
func minMax(x *[32]float32) (lo, hi float32) {
	const big = 0x1.fffffep127
	lo, hi = big, -big
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo, hi
}

func decodeQ4_1(dst []float32, src []byte) {
	for len(dst) >= 32 {
		b, y := (*[q4_1Bytes]byte)(src), (*[32]float32)(dst)
		d, m := half(b[:2]), half(b[2:4])
		q := (*[16]byte)(b[4:])
		for j, v := range q {
			y[j] = float32(d*float32(v&15)) + m
			y[j+16] = float32(d*float32(v>>4)) + m
		}
		dst, src = dst[32:], src[q4_1Bytes:]
	}
}
