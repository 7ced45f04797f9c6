package quant

// Q6_K byte map, 256 weights in sub-blocks of 16, x = (d·sc)·(q-32):
//
//	  0  128  low 4 bits of q; per half of 128 (64 bytes), l < 32:
//	          byte l = q[l] | q[l+64]<<4, byte l+32 = q[l+32] | q[l+96]<<4
//	128   64  high 2 bits; per half (32 bytes): byte l = q[l], q[l+32], q[l+64], q[l+96] at bits 0, 2, 4, 6
//	192   16  int8 sc of each sub-block
//	208    2  half d
const q6_KBytes = 128 + 64 + 16 + 2

var _ = [1]struct{}{}[q6_KBytes-210]

func decodeQ6_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		b := (*[q6_KBytes]byte)(src)
		d := half(b[208:])
		for n := range 4 { // half n/2, sub-blocks of parity n%2
			at := n >> 1 * 128
			lo0 := (*[16]byte)(b[n>>1*64+n&1*16:])
			lo1 := (*[16]byte)(b[n>>1*64+n&1*16+32:])
			high := (*[16]byte)(b[128+n*16:])
			sc := (*[8]byte)(b[192+n>>1*8:])
			d0, d1 := d*float32(int8(sc[n&1])), d*float32(int8(sc[n&1+2]))
			d2, d3 := d*float32(int8(sc[n&1+4])), d*float32(int8(sc[n&1+6]))
			y := (*[112]float32)(dst[at+n&1*16:])
			for l, h := range high {
				y[l] = d0 * float32(int32(lo0[l]&15|h&3<<4)-32)
				y[l+32] = d1 * float32(int32(lo1[l]&15|h>>2&3<<4)-32)
				y[l+64] = d2 * float32(int32(lo0[l]>>4|h>>4&3<<4)-32)
				y[l+96] = d3 * float32(int32(lo1[l]>>4|h>>6<<4)-32)
			}
		}
		dst, src = dst[256:], src[q6_KBytes:]
	}
}
