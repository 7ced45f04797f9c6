package quant

// Q5_K byte map, 256 weights in sub-blocks of 32, x = (d·sc)·q - dmin·m:
//
//	 0    2  half d
//	 2    2  half dmin
//	 4   12  sc and m, 6 bits each: see scaleMin
//	16   32  bit 4 of q: bit j of byte l belongs to q[32·j+l]
//	48  128  low 4 bits of q; per 64: byte l = q[l] | q[l+32]<<4
const q5_KBytes = 2 + 2 + 12 + 32 + 128

var _ = [1]struct{}{}[q5_KBytes-176]

func decodeQ5_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[q5_KBytes]byte)(src)
		d, dmin := half(b[:2]), half(b[2:4])
		s, high := (*[12]byte)(b[4:]), (*[32]byte)(b[16:])
		for j := 0; j < 8; j += 2 {
			sc0, m0 := scaleMin(s, j)
			sc1, m1 := scaleMin(s, j+1)
			d0, min0 := d*float32(sc0), float32(dmin*float32(m0))
			d1, min1 := d*float32(sc1), float32(dmin*float32(m1))
			q := (*[32]byte)(b[48+j*16:])
			y := (*[64]float32)(dst[j*32:])
			for l, v := range q {
				h := high[l] >> j
				y[l] = float32(d0*float32(v&15|h&1<<4)) - min0
				y[l+32] = float32(d1*float32(v>>4|h>>1&1<<4)) - min1
			}
		}
		dst, src = dst[256:], src[q5_KBytes:]
	}
}
