package quant

// Q2_K byte map, 256 weights in sub-blocks of 16, x = (d·sc)·q - dmin·m:
//
//	 0  16  sc | m<<4 of each sub-block
//	16  64  q, 2 bits; per half of 128: byte l = q[l] | q[l+32]<<2 | q[l+64]<<4 | q[l+96]<<6
//	80   2  half d
//	82   2  half dmin
const q2_KBytes = 16 + 64 + 2 + 2

var _ = [1]struct{}{}[q2_KBytes-84]

func decodeQ2_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[q2_KBytes]byte)(src)
		d, dmin := half(b[80:]), half(b[82:])
		for s := range 16 {
			sc := b[s]
			dl, ml := d*float32(sc&15), float32(dmin*float32(sc>>4))
			q := (*[16]byte)(b[16+s>>3*32+s&1*16:])
			y := (*[16]float32)(dst[s*16:])
			shift := s & 7 &^ 1
			for l, v := range q {
				y[l] = float32(dl*float32(v>>shift&3)) - ml
			}
		}
		dst, src = dst[256:], src[q2_KBytes:]
	}
}
