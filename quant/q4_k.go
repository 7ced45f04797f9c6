package quant

// Q4_K byte map, 256 weights in sub-blocks of 32, x = (d·sc)·q - dmin·m:
//
//	 0    2  half d
//	 2    2  half dmin
//	 4   12  sc and m, 6 bits each: see scaleMin
//	16  128  q, 4 bits; per 64: byte l = q[l] | q[l+32]<<4
const q4_KBytes = 2 + 2 + 12 + 128

var _ = [1]struct{}{}[q4_KBytes-144]

// scaleMin unpacks the scale and the minimum of sub-block j of Q4_K and Q5_K.
// j < 4: low 6 bits of s[j] and s[j+4]. j >= 4: the low 4 bits of sc and m are
// the nibbles of s[j+4], their high 2 bits the top of s[j-4] and s[j].
func scaleMin(s *[12]byte, j int) (sc, m byte) {
	if j < 4 {
		return s[j] & 63, s[j+4] & 63
	}
	return s[j+4]&15 | s[j-4]>>6<<4, s[j+4]>>4 | s[j]>>6<<4
}

func decodeQ4_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[q4_KBytes]byte)(src)
		d, dmin := half(b[:2]), half(b[2:4])
		s := (*[12]byte)(b[4:])
		for j := 0; j < 8; j += 2 {
			sc0, m0 := scaleMin(s, j)
			sc1, m1 := scaleMin(s, j+1)
			d0, min0 := d*float32(sc0), float32(dmin*float32(m0))
			d1, min1 := d*float32(sc1), float32(dmin*float32(m1))
			q := (*[32]byte)(b[16+j*16:])
			y := (*[64]float32)(dst[j*32:])
			for l, v := range q {
				y[l] = float32(d0*float32(v&15)) - min0
				y[l+32] = float32(d1*float32(v>>4)) - min1
			}
		}
		dst, src = dst[256:], src[q4_KBytes:]
	}
}
