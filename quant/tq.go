package quant

// TQ1_0 byte map, 256 weights in {-1, 0, 1}, x = (q-1)·d; five weights a byte as
// a base-3 fraction of 256, the digit n of v being (v·3^n mod 256)·3 >> 8:
//
//	 0  32  digit n of byte m = q[32·n+m], n < 5
//	32  16  digit n of byte m = q[160+16·n+m], n < 5
//	48   4  digit n of byte m = q[240+4·n+m], n < 4
//	52   2  half d
//
// TQ2_0 byte map, 256 weights in {-1, 0, 1}, x = (q-1)·d:
//
//	 0  64  2 bits; per half of 128: byte l = q[l] | q[l+32]<<2 | q[l+64]<<4 | q[l+96]<<6
//	64   2  half d
const (
	tq1_0Bytes = 32 + 16 + 4 + 2
	tq2_0Bytes = 64 + 2
)

var (
	_ = [1]struct{}{}[tq1_0Bytes-54]
	_ = [1]struct{}{}[tq2_0Bytes-66]
)

func decodeTQ1_0(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[tq1_0Bytes]byte)(src)
		d := half(b[52:])
		decodeTrits(dst[:160], b[:32], d)
		decodeTrits(dst[160:240], b[32:48], d)
		decodeTrits(dst[240:256], b[48:52], d)
		dst, src = dst[256:], src[tq1_0Bytes:]
	}
}

// decodeTrits writes the digits of q to y, all first digits before all second.
func decodeTrits(y []float32, q []byte, d float32) {
	pow := byte(1)
	for len(y) > 0 {
		for m, v := range q {
			y[m] = float32(int32(uint16(v*pow)*3>>8)-1) * d
		}
		y = y[len(q):]
		pow *= 3
	}
}

func decodeTQ2_0(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[tq2_0Bytes]byte)(src)
		d := half(b[64:])
		for s := range 8 {
			y := (*[32]float32)(dst[s*32:])
			for m, v := range (*[32]byte)(b[s>>2*32:]) {
				y[m] = float32(int32(v>>(s&3*2)&3)-1) * d
			}
		}
		dst, src = dst[256:], src[tq2_0Bytes:]
	}
}
