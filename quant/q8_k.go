package quant

import (
	"encoding/binary"
	"math"
)

// Q8_K byte map, 256 weights, x = d·q:
//
//	  0    4  float32 d
//	  4  256  int8 q
//	260   32  int16 sums of each 16 q; not needed to decode
const q8_KBytes = 4 + 256 + 32

var _ = [1]struct{}{}[q8_KBytes-292]

func decodeQ8_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b, y := (*[q8_KBytes]byte)(src), (*[256]float32)(dst)
		d := math.Float32frombits(binary.LittleEndian.Uint32(b[:4]))
		for j, q := range (*[256]byte)(b[4:]) {
			y[j] = d * float32(int8(q))
		}
		dst, src = dst[256:], src[q8_KBytes:]
	}
}
