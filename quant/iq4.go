package quant

import "encoding/binary"

// IQ4_NL byte map, 32 weights, x = d·iq4Values[q]:
//
//	0   2  half d
//	2  16  q[j] | q[j+16]<<4
//
// IQ4_XS byte map, 256 weights in sub-blocks of 32, x = (d·(sc-32))·iq4Values[q]:
//
//	0    2  half d
//	2    2  high 2 bits of sc of sub-block i at bits 2i
//	4    4  low 4 bits: sc[2i] | sc[2i+1]<<4
//	8  128  per sub-block 16 bytes: q[j] | q[j+16]<<4
const (
	iq4_NLBytes = 2 + 16
	iq4_XSBytes = 2 + 2 + 4 + 128
)

var (
	_ = [1]struct{}{}[iq4_NLBytes-18]
	_ = [1]struct{}{}[iq4_XSBytes-136]
)

// iq4Values are the 16 values of the non-linear 4-bit types.
var iq4Values = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func decodeIQ4_NL(dst []float32, src []byte) {
	for len(dst) >= 32 {
		decodeIQ4((*[32]float32)(dst), (*[16]byte)(src[2:]), half(src))
		dst, src = dst[32:], src[iq4_NLBytes:]
	}
}

func decodeIQ4_XS(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[iq4_XSBytes]byte)(src)
		d, high := half(b[:2]), binary.LittleEndian.Uint16(b[2:])
		for i := range 8 {
			sc := uint16(b[4+i>>1]>>(i&1*4)&15) | high>>(2*i)&3<<4
			decodeIQ4((*[32]float32)(dst[i*32:]), (*[16]byte)(b[8+i*16:]), d*float32(int32(sc)-32))
		}
		dst, src = dst[256:], src[iq4_XSBytes:]
	}
}

func decodeIQ4(y *[32]float32, q *[16]byte, d float32) {
	for j, v := range q {
		y[j] = d * iq4Values[v&15]
		y[j+16] = d * iq4Values[v>>4]
	}
}
