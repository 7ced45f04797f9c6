package quant

import "encoding/binary"

// Q5_0 byte map, 32 weights, x = d·(q-16):
//
//	0   2  half d
//	2   4  bit j = bit 4 of q[j]
//	6  16  low 4 bits: q[j] | q[j+16]<<4
const q5_0Bytes = 2 + 4 + 16

var _ = [1]struct{}{}[q5_0Bytes-22]

// encodeQ5_0: m = the first value of largest magnitude, with its sign;
// d = m/-16; q = min(31, trunc(x·(1/d) + 16.5)).
func encodeQ5_0(dst []byte, src []float32) {
	for len(src) >= 32 {
		b, x := (*[q5_0Bytes]byte)(dst), (*[32]float32)(src)
		d := signedMax(x) / -16
		putHalf(b[:2], d)
		id := inverse(d)
		q := (*[16]byte)(b[6:])
		var high uint32
		for j := range q {
			lo := uint32(min(31, int32(float32(x[j]*id)+16.5)))
			hi := uint32(min(31, int32(float32(x[j+16]*id)+16.5)))
			q[j] = byte(lo&15 | hi<<4)
			high |= lo>>4&1<<(j&31) | hi>>4&1<<(j+16)
		}
		binary.LittleEndian.PutUint32(b[2:], high)
		dst, src = dst[q5_0Bytes:], src[32:]
	}
}

func decodeQ5_0(dst []float32, src []byte) {
	for len(dst) >= 32 {
		b, y := (*[q5_0Bytes]byte)(src), (*[32]float32)(dst)
		d := half(b[:2])
		high := binary.LittleEndian.Uint32(b[2:])
		q := (*[16]byte)(b[6:])
		for j, v := range q {
			y[j] = d * float32(int32(uint32(v&15)|high<<4&16)-16)
			y[j+16] = d * float32(int32(uint32(v>>4)|high>>12&16)-16)
			high >>= 1
		}
		dst, src = dst[32:], src[q5_0Bytes:]
	}
}
