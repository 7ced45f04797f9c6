package quant

import "encoding/binary"

// Q5_1 byte map, 32 weights, x = d·q + m:
//
//	0   2  half d
//	2   2  half m
//	4   4  bit j = bit 4 of q[j]
//	8  16  low 4 bits: q[j] | q[j+16]<<4
const q5_1Bytes = 2 + 2 + 4 + 16

var _ = [1]struct{}{}[q5_1Bytes-24]

// encodeQ5_1: m = min x; d = (max x - m)/31; q = trunc((x-m)·(1/d) + 0.5).
func encodeQ5_1(dst []byte, src []float32) {
	for len(src) >= 32 {
		b, x := (*[q5_1Bytes]byte)(dst), (*[32]float32)(src)
		lo, hi := minMax(x)
		d := (hi - lo) / 31
		putHalf(b[:2], d)
		putHalf(b[2:4], lo)
		id := inverse(d)
		q := (*[16]byte)(b[8:])
		var high uint32
		for j := range q {
			l := uint32(int32(float32((x[j]-lo)*id) + 0.5))
			h := uint32(int32(float32((x[j+16]-lo)*id) + 0.5))
			q[j] = byte(l&15 | h<<4)
			high |= l>>4&1<<(j&31) | h>>4&1<<(j+16)
		}
		binary.LittleEndian.PutUint32(b[4:], high)
		dst, src = dst[q5_1Bytes:], src[32:]
	}
}

func decodeQ5_1(dst []float32, src []byte) {
	for len(dst) >= 32 {
		b, y := (*[q5_1Bytes]byte)(src), (*[32]float32)(dst)
		d, m := half(b[:2]), half(b[2:4])
		high := binary.LittleEndian.Uint32(b[4:])
		q := (*[16]byte)(b[8:])
		for j, v := range q {
			y[j] = float32(d*float32(uint32(v&15)|high<<4&16)) + m
			y[j+16] = float32(d*float32(uint32(v>>4)|high>>12&16)) + m
			high >>= 1
		}
		dst, src = dst[32:], src[q5_1Bytes:]
	}
}
