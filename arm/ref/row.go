package ref

import (
	"encoding/binary"
	"math"

	"github.com/qwq-edge/qwq/quant"
)

// Row is a quantized weight row as integers, unpacked from its blocks:
// weight k = (Q[k]-bias)·Scale[k/sub] - Min[k/sub], see the package comment.
type Row struct {
	Q     []byte    // biased codes, one per weight
	Scale []float32 // one per sub-block
	Min   []float32 // one per sub-block; empty for types without
	W     []uint64  // the codes of an 8-bit type as pairs, see Spread
	f     *layout
}

// layout is how a type's rows become a Row.
type layout struct {
	sub    int   // weights per sub-block: 16 or 32
	bias   int32 // what is added to a code to make it unsigned
	wide   bool  // codes of 8 bits: multiplied in pairs, not in quads
	min    bool
	unpack func(r *Row, row []byte)
	dot    func(r *Row, a *Act) float32
}

// layouts are the types that are multiplied as integers; others are nil.
var layouts = [64]*layout{
	quant.Q8_0:   {32, 128, true, false, unpackQ8_0, dotPairs},
	quant.Q4_0:   {32, 8, false, false, unpackQ4_0, dotQuads4},
	quant.Q4_1:   {32, 0, false, true, unpackQ4_1, dotQuads4},
	quant.Q5_0:   {32, 16, false, false, unpackQ5_0, dotQuads5},
	quant.Q5_1:   {32, 0, false, true, unpackQ5_1, dotQuads5},
	quant.Q2_K:   {16, 0, false, true, unpackQ2_K, dotQuads3},
	quant.Q3_K:   {16, 4, false, false, unpackQ3_K, dotQuads3},
	quant.Q4_K:   {32, 0, false, true, unpackQ4_K, dotQuads4},
	quant.Q5_K:   {32, 0, false, true, unpackQ5_K, dotQuads5},
	quant.Q6_K:   {16, 32, false, false, unpackQ6_K, dotQuads6},
	quant.Q8_K:   {32, 128, true, false, unpackQ8_K, dotPairs},
	quant.IQ4_NL: {32, 128, true, false, unpackIQ4_NL, dotPairs},
	quant.IQ4_XS: {32, 128, true, false, unpackIQ4_XS, dotPairs},
}

// Integer reports whether rows of type t are multiplied as integers, and
// whether they need Act.Pairs (else Act.Quads).
func Integer(t quant.Type) (ok, pairs bool) {
	if int(t) >= len(layouts) {
		return false, false
	}
	f := layouts[t]
	return f != nil, f != nil && f.wide
}

// Unpack fills r from a row of whole blocks of type t, for which Integer holds.
func (r *Row) Unpack(t quant.Type, row []byte) {
	f := layouts[t]
	n := len(row) / t.BlockBytes() * t.Block()
	r.f = f
	r.Q, r.Scale, r.W = grow(r.Q, n), grow(r.Scale, n/f.sub), r.W[:0]
	r.Min = r.Min[:0]
	if f.min {
		r.Min = grow(r.Min, n/f.sub)
	}
	f.unpack(r, row)
}

// Sub is the number of weights per sub-block, Bias what was added to the codes.
func (r *Row) Sub() int    { return r.f.sub }
func (r *Row) Bias() int32 { return r.f.bias }

// Dot is the product of r with activations of the same length, in the order of
// the package comment.
func (r *Row) Dot(a *Act) float32 { return r.f.dot(r, a) }

// Spec is Dot written out plainly: the definition that Dot is tested against.
func (r *Row) Spec(a *Act) float32 {
	acc := float32(0)
	for s, scale := range r.Scale {
		sum, sumX := int32(0), int32(0)
		for k := s * r.f.sub; k < (s+1)*r.f.sub; k++ {
			sum += (int32(r.Q[k]) - r.f.bias) * int32(a.Q[k])
			sumX += int32(a.Q[k])
		}
		dx := a.D[s*r.f.sub/32]
		acc += float32(float32(float32(sum)*scale) * dx)
		if len(r.Min) > 0 {
			acc -= float32(float32(float32(sumX)*r.Min[s]) * dx)
		}
	}
	return acc
}

const (
	nibbles = 0x0f0f0f0f0f0f0f0f
	twos    = 0x0303030303030303
	ones    = 0x0101010101010101
	signs   = 0x8080808080808080
)

var le = binary.LittleEndian

// half widens the IEEE half at the start of b. The exponent is moved by a
// product with 2^112, which is exact for subnormal halves too.
func half(b []byte) float32 {
	h := le.Uint16(b)
	if h&0x7c00 == 0x7c00 {
		return quant.HalfToFloat(h)
	}
	f := math.Float32frombits(uint32(h&0x7fff)<<13) * 0x1p112
	return math.Float32frombits(math.Float32bits(f) | uint32(h>>15)<<31)
}

func unpackQ8_0(r *Row, row []byte) {
	for b := range r.Scale {
		src, q := (*[34]byte)(row[34*b:]), (*[32]byte)(r.Q[32*b:])
		r.Scale[b] = half(src[:2])
		for i := 0; i < 32; i += 8 {
			le.PutUint64(q[i:], le.Uint64(src[2+i:])^signs)
		}
	}
}

func unpackQ8_K(r *Row, row []byte) {
	for b := range r.Scale {
		src := (*[292]byte)(row[292*(b/8):])
		r.Scale[b] = math.Float32frombits(le.Uint32(src[:4]))
		for i := b % 8 * 32; i < b%8*32+32; i += 8 {
			le.PutUint64(r.Q[b/8*256+i:], le.Uint64(src[4+i:])^signs)
		}
	}
}

// nibbles32 unpacks 16 bytes: low nibbles are codes 0-15, high ones 16-31.
func nibbles32(q *[32]byte, src *[16]byte) {
	v0, v1 := le.Uint64(src[0:]), le.Uint64(src[8:])
	le.PutUint64(q[0:], v0&nibbles)
	le.PutUint64(q[8:], v1&nibbles)
	le.PutUint64(q[16:], v0>>4&nibbles)
	le.PutUint64(q[24:], v1>>4&nibbles)
}

// fifth adds bit j of high as bit 4 of code j.
func fifth(q *[32]byte, high uint32) {
	for i := 0; i < 32; i += 8 {
		// each byte keeps one bit of the eight, which the sum moves to bit 7
		v := uint64(high>>i&255)*ones&0x8040201008040201 + 0x7f7f7f7f7f7f7f7f
		le.PutUint64(q[i:], le.Uint64(q[i:])|v>>3&(ones<<4))
	}
}

func unpackQ4_0(r *Row, row []byte) {
	for b := range r.Scale {
		src := (*[18]byte)(row[18*b:])
		r.Scale[b] = half(src[:2])
		nibbles32((*[32]byte)(r.Q[32*b:]), (*[16]byte)(src[2:]))
	}
}

func unpackQ4_1(r *Row, row []byte) {
	for b := range r.Scale {
		src := (*[20]byte)(row[20*b:])
		r.Scale[b], r.Min[b] = half(src[:2]), -half(src[2:])
		nibbles32((*[32]byte)(r.Q[32*b:]), (*[16]byte)(src[4:]))
	}
}

func unpackQ5_0(r *Row, row []byte) {
	for b := range r.Scale {
		src, q := (*[22]byte)(row[22*b:]), (*[32]byte)(r.Q[32*b:])
		r.Scale[b] = half(src[:2])
		nibbles32(q, (*[16]byte)(src[6:]))
		fifth(q, le.Uint32(src[2:]))
	}
}

func unpackQ5_1(r *Row, row []byte) {
	for b := range r.Scale {
		src, q := (*[24]byte)(row[24*b:]), (*[32]byte)(r.Q[32*b:])
		r.Scale[b], r.Min[b] = half(src[:2]), -half(src[2:])
		nibbles32(q, (*[16]byte)(src[8:]))
		fifth(q, le.Uint32(src[4:]))
	}
}

// iq4Values are the 16 values of the non-linear 4-bit types, plus 128.
var iq4Values = [16]byte{1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241}

func iq4(q *[32]byte, src *[16]byte) {
	for j, v := range src {
		q[j], q[j+16] = iq4Values[v&15], iq4Values[v>>4]
	}
}

func unpackIQ4_NL(r *Row, row []byte) {
	for b := range r.Scale {
		src := (*[18]byte)(row[18*b:])
		r.Scale[b] = half(src[:2])
		iq4((*[32]byte)(r.Q[32*b:]), (*[16]byte)(src[2:]))
	}
}
