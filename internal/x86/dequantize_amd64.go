//go:build !noasm

package x86

import (
	"encoding/binary"

	"github.com/qwq-edge/qwq/quant"
)

//go:noescape
func decodeQ8_0AVX2(y *float32, w *byte, blocks int)

// y[i] = float32(q[i]-bias)·scale - min: the scale and the min of 16 codes, the next
// step bytes further. n is a positive multiple of 32.
//
//go:noescape
func dequantizeAVX2(y, scale, min *float32, q *byte, n, step, bias int)

//go:noescape
func dequantizeAVX512(y, scale, min *float32, q *byte, n, step, bias int)

// bf16ToF32AVX2 widens n values; n is a positive multiple of 16.
//
//go:noescape
func bf16ToF32AVX2(y *float32, row *byte, n int)

func dequantize(l Level, y []float32, t quant.Type, row []byte) bool {
	if l < AVX2 {
		return false
	}
	switch t {
	case quant.F16:
		f16ToF32(y, row)
	case quant.BF16:
		bf16ToF32(y, row)
	case quant.Q8_0:
		for len(y) > 0 {
			n := min(len(y), mathChunk)
			decodeQ8_0AVX2(&y[0], &row[0], n/32)
			y, row = y[n:], row[n/32*34:]
		}
	case quant.IQ4_XS:
		dequantizeIQ4_XS(l, y, row)
	default:
		f, ok := formatOf(t)
		if !ok {
			return false
		}
		dequantizeLines(l, y, t, f, row)
	}
	return true
}

// dequantizeLines unpacks a line of codes and scales at a time, as products do. The
// mins of a type without are 0: x - 0 is x.
func dequantizeLines(l Level, y []float32, t quant.Type, f format, row []byte) {
	var u line
	for len(y) > 0 {
		n := min(len(y), f.chunk)
		u.unpack(t, &row[0], 0, 1, n/t.Block())
		u.values(l, y[:n], f)
		y, row = y[n:], row[n/t.Block()*t.BlockBytes():]
	}
}

// values are those of the first codes of u.
func (u *line) values(l Level, y []float32, f format) {
	step := 0
	if f.sub == 16 {
		step = 4
	}
	if l >= AVX512 {
		dequantizeAVX512(&y[0], &u.scale[0], &u.min[0], &u.q[0], len(y), step, f.bias)
		return
	}
	dequantizeAVX2(&y[0], &u.scale[0], &u.min[0], &u.q[0], len(y), step, f.bias)
}

// dequantizeIQ4_XS takes the 16 bytes of a sub-block as those of a block of IQ4_NL,
// which lie behind a scale: here that is other bytes of the block, and is replaced.
func dequantizeIQ4_XS(l Level, y []float32, row []byte) {
	var u [8]line
	f, _ := formatOf(quant.IQ4_NL)
	for ; len(y) > 0; y, row = y[256:], row[136:] {
		unpackIQ4_NLAVX2(&u[0].q[0], &u[0].scale[0], &u[0].min[0], &row[6], 16, len(u), 1)
		d, high := quant.HalfToFloat(binary.LittleEndian.Uint16(row)), binary.LittleEndian.Uint16(row[2:])
		for i := range u {
			sc := uint16(row[4+i>>1]>>(i&1*4)&15) | high>>(2*i)&3<<4
			u[i].scale[0] = d * float32(int32(sc)-32)
			u[i].values(l, y[32*i:32*i+32], f)
		}
	}
}

func bf16ToF32(y []float32, row []byte) {
	for len(y) >= 16 {
		n := min(len(y)&^15, mathChunk)
		bf16ToF32AVX2(&y[0], &row[0], n)
		y, row = y[n:], row[2*n:]
	}
	for i := range y {
		y[i] = quant.BF16ToFloat(binary.LittleEndian.Uint16(row[2*i:]))
	}
}
