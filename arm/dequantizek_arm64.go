//go:build !noasm

package arm

import (
	"encoding/binary"

	"github.com/qwq-edge/qwq/quant"
)

// dequantizeK is rows of super-blocks: plain Go unpacks the scales, assembly the codes.
func dequantizeK(y []float32, t quant.Type, row []byte) {
	size := t.BlockBytes()
	for ; len(y) > 0; y, row = y[256:], row[size:] {
		var s [2][16]float32 // scales, then mins
		kScales(&s, t, row[:size])
		switch t {
		case quant.Q2_K:
			dequantizeQ2_KNEON(&y[0], &row[0], &s)
		case quant.Q3_K:
			dequantizeQ3_KNEON(&y[0], &row[0], &s)
		case quant.Q4_K:
			dequantizeQ4_KNEON(&y[0], &row[0], &s)
		case quant.Q5_K:
			dequantizeQ5_KNEON(&y[0], &row[0], &s)
		case quant.Q6_K:
			dequantizeQ6_KNEON(&y[0], &row[0], &s)
		}
	}
}

// dequantizeIQ4_XS takes the sub-blocks as blocks of IQ4_NL with a scale of 1, which
// gives the values of the table, and multiplies those.
func dequantizeIQ4_XS(y []float32, row []byte) {
	var nl [8][18]byte
	for i := range nl {
		nl[i][1] = 0x3c // 1 as a half
	}
	for ; len(y) > 0; y, row = y[256:], row[136:] {
		for i := range nl {
			copy(nl[i][2:], row[8+16*i:][:16])
		}
		dequantizeIQ4_NLNEON(&y[0], &nl[0][0], len(nl))
		d, high := quant.HalfToFloat(binary.LittleEndian.Uint16(row)), binary.LittleEndian.Uint16(row[2:])
		for i := range nl {
			sc := uint16(row[4+i>>1]>>(i&1*4)&15) | high>>(2*i)&3<<4
			timesNEON(&y[32*i], &y[32*i], 32, d*float32(int32(sc)-32))
		}
	}
}

// kScales are the products of a super-block's scales and mins with its d and dmin.
func kScales(s *[2][16]float32, t quant.Type, b []byte) {
	half := func(at int) float32 { return quant.HalfToFloat(binary.LittleEndian.Uint16(b[at:])) }
	switch t {
	case quant.Q2_K:
		d, dmin := half(80), half(82)
		for i, v := range b[:16] {
			s[0][i], s[1][i] = d*float32(v&15), dmin*float32(v>>4)
		}
	case quant.Q3_K:
		d := half(108)
		for i := range 16 {
			sc := b[96+i&7]>>(i>>3*4)&15 | b[104+i&3]>>(i>>2*2)&3<<4
			s[0][i] = d * float32(int32(sc)-32)
		}
	case quant.Q6_K:
		d := half(208)
		for i, v := range b[192:208] {
			s[0][i] = d * float32(int8(v))
		}
	default: // Q4_K, Q5_K
		d, dmin := half(0), half(2)
		for j := range 4 {
			lo, hi, more := b[4+j], b[8+j], b[12+j]
			s[0][j], s[1][j] = d*float32(lo&63), dmin*float32(hi&63)
			s[0][j+4] = d * float32(more&15|lo>>6<<4)
			s[1][j+4] = dmin * float32(more>>4|hi>>6<<4)
		}
	}
}

// One super-block each.

//go:noescape
func dequantizeQ2_KNEON(y *float32, block *byte, scales *[2][16]float32)

//go:noescape
func dequantizeQ3_KNEON(y *float32, block *byte, scales *[2][16]float32)

//go:noescape
func dequantizeQ4_KNEON(y *float32, block *byte, scales *[2][16]float32)

//go:noescape
func dequantizeQ5_KNEON(y *float32, block *byte, scales *[2][16]float32)

//go:noescape
func dequantizeQ6_KNEON(y *float32, block *byte, scales *[2][16]float32)
