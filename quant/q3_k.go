package quant

// Q3_K byte map, 256 weights in sub-blocks of 16, x = (d·(sc-32))·(q-4):
//
//	  0  32  bit 2 of q: bit s of byte l belongs to q[32·s+l]
//	 32  64  low 2 bits of q; per half of 128: byte l = q[l] | q[l+32]<<2 | q[l+64]<<4 | q[l+96]<<6
//	 96  12  sc, 6 bits: bytes 0-7 low 4 bits of sc[i] | sc[i+8]<<4,
//	         bytes 8-11 high 2 bits of sc[i] | sc[i+4]<<2 | sc[i+8]<<4 | sc[i+12]<<6
//	108   2  half d
const q3_KBytes = 32 + 64 + 12 + 2

var _ = [1]struct{}{}[q3_KBytes-110]

func decodeQ3_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[q3_KBytes]byte)(src)
		d := half(b[108:])
		for s := range 16 {
			sc := b[96+s&7]>>(s>>3*4)&15 | b[104+s&3]>>(s>>2*2)&3<<4
			dl := d * float32(int32(sc)-32)
			q := (*[16]byte)(b[32+s>>3*32+s&1*16:])
			high := (*[16]byte)(b[s&1*16:])
			y := (*[16]float32)(dst[s*16:])
			shift, bit := s&7&^1, s>>1
			for l, v := range q {
				y[l] = dl * float32(int32(v>>shift&3|high[l]>>bit&1<<2)-4)
			}
		}
		dst, src = dst[256:], src[q3_KBytes:]
	}
}
