package ref

// The K types: super-blocks of 256 weights. Byte maps are in package quant.

func unpackQ2_K(r *Row, row []byte) {
	for b := range len(r.Q) / 256 {
		src, q := (*[84]byte)(row[84*b:]), (*[256]byte)(r.Q[256*b:])
		d, dmin := half(src[80:]), half(src[82:])
		for s, v := range src[:16] {
			r.Scale[16*b+s], r.Min[16*b+s] = d*float32(v&15), dmin*float32(v>>4)
		}
		twos128((*[128]byte)(q[:128]), (*[32]byte)(src[16:]))
		twos128((*[128]byte)(q[128:]), (*[32]byte)(src[48:]))
	}
}

// twos128 unpacks 32 bytes: codes l, l+32, l+64, l+96 are byte l's bits from
// the lowest.
func twos128(q *[128]byte, src *[32]byte) {
	for i := 0; i < 32; i += 8 {
		v := le.Uint64(src[i:])
		le.PutUint64(q[i:], v&twos)
		le.PutUint64(q[32+i:], v>>2&twos)
		le.PutUint64(q[64+i:], v>>4&twos)
		le.PutUint64(q[96+i:], v>>6&twos)
	}
}

func unpackQ3_K(r *Row, row []byte) {
	for b := range len(r.Q) / 256 {
		src, q := (*[110]byte)(row[110*b:]), (*[256]byte)(r.Q[256*b:])
		d := half(src[108:])
		for s := range 16 {
			sc := src[96+s&7]>>(s>>3*4)&15 | src[104+s&3]>>(s>>2*2)&3<<4
			r.Scale[16*b+s] = d * float32(int32(sc)-32)
		}
		twos128((*[128]byte)(q[:128]), (*[32]byte)(src[32:]))
		twos128((*[128]byte)(q[128:]), (*[32]byte)(src[64:]))
		for i := 0; i < 256; i += 8 { // bit i/32 of the 32 high bytes is bit 2
			h := le.Uint64(src[i&31:]) >> (i >> 5) & ones
			le.PutUint64(q[i:], le.Uint64(q[i:])|h<<2)
		}
	}
}

// scaleMins unpacks the eight 6-bit scales and mins of Q4_K and Q5_K: the low 6
// bits of bytes 0-3 are scales 0-3, of 4-7 mins 0-3; the nibbles of 8-11 are the
// low bits of scales and mins 4-7, whose high bits are the top of 0-3 and 4-7.
func scaleMins(scale, min *[8]float32, d, dmin float32, s *[12]byte) {
	for j := range 4 {
		scale[j], min[j] = d*float32(s[j]&63), dmin*float32(s[j+4]&63)
		scale[j+4] = d * float32(s[j+8]&15|s[j]>>6<<4)
		min[j+4] = dmin * float32(s[j+8]>>4|s[j+4]>>6<<4)
	}
}

// nibbles64 unpacks 32 bytes: low nibbles are codes 0-31, high ones 32-63.
func nibbles64(q *[64]byte, src *[32]byte) {
	for i := 0; i < 32; i += 8 {
		v := le.Uint64(src[i:])
		le.PutUint64(q[i:], v&nibbles)
		le.PutUint64(q[32+i:], v>>4&nibbles)
	}
}

func unpackQ4_K(r *Row, row []byte) {
	for b := range len(r.Q) / 256 {
		src, q := (*[144]byte)(row[144*b:]), (*[256]byte)(r.Q[256*b:])
		scaleMins((*[8]float32)(r.Scale[8*b:]), (*[8]float32)(r.Min[8*b:]), half(src[:2]), half(src[2:]), (*[12]byte)(src[4:]))
		for j := range 4 {
			nibbles64((*[64]byte)(q[64*j:]), (*[32]byte)(src[16+32*j:]))
		}
	}
}

func unpackQ5_K(r *Row, row []byte) {
	for b := range len(r.Q) / 256 {
		src, q := (*[176]byte)(row[176*b:]), (*[256]byte)(r.Q[256*b:])
		scaleMins((*[8]float32)(r.Scale[8*b:]), (*[8]float32)(r.Min[8*b:]), half(src[:2]), half(src[2:]), (*[12]byte)(src[4:]))
		for j := range 4 {
			nibbles64((*[64]byte)(q[64*j:]), (*[32]byte)(src[48+32*j:]))
		}
		for i := 0; i < 256; i += 8 { // bit i/32 of the 32 high bytes is bit 4
			h := le.Uint64(src[16+i&31:]) >> (i >> 5) & ones
			le.PutUint64(q[i:], le.Uint64(q[i:])|h<<4)
		}
	}
}

func unpackQ6_K(r *Row, row []byte) {
	for b := range len(r.Q) / 256 {
		src, q := (*[210]byte)(row[210*b:]), (*[256]byte)(r.Q[256*b:])
		d := half(src[208:])
		for s, v := range src[192:208] {
			r.Scale[16*b+s] = d * float32(int8(v))
		}
		for n := range 2 { // halves of 128
			lo, hi, y := (*[64]byte)(src[64*n:]), (*[32]byte)(src[128+32*n:]), (*[128]byte)(q[128*n:])
			for i := 0; i < 32; i += 8 {
				a, b, h := le.Uint64(lo[i:]), le.Uint64(lo[32+i:]), le.Uint64(hi[i:])
				le.PutUint64(y[i:], a&nibbles|h&twos<<4)
				le.PutUint64(y[32+i:], b&nibbles|h>>2&twos<<4)
				le.PutUint64(y[64+i:], a>>4&nibbles|h>>4&twos<<4)
				le.PutUint64(y[96+i:], b>>4&nibbles|h>>6&twos<<4)
			}
		}
	}
}

func unpackIQ4_XS(r *Row, row []byte) {
	for b := range r.Scale {
		src, i := (*[136]byte)(row[136*(b/8):]), b%8
		sc := uint16(src[4+i>>1]>>(i&1*4)&15) | le.Uint16(src[2:])>>(2*i)&3<<4
		r.Scale[b] = half(src[:2]) * float32(int32(sc)-32)
		iq4((*[32]byte)(r.Q[32*b:]), (*[16]byte)(src[8+16*i:]))
	}
}
