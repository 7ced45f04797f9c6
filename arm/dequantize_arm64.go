//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func dequantize(y []float32, t quant.Type, row []byte) bool {
	switch t {
	case quant.Q8_0:
		for len(y) > 0 {
			n := min(len(y), valuesChunk)
			dequantizeQ8_0NEON(&y[0], &row[0], n/32)
			y, row = y[n:], row[n/32*34:]
		}
	case quant.F16:
		f16ToF32(y, row)
	case quant.BF16:
		bf16ToF32(y, row)
	default:
		return false
	}
	return true
}

func bf16ToF32(y []float32, row []byte) {
	for len(y) >= 8 {
		n := min(len(y)&^7, valuesChunk)
		bf16ToF32NEON(&y[0], &row[0], n)
		y, row = y[n:], row[2*n:]
	}
	for i := range y {
		y[i] = quant.BF16ToFloat(uint16(row[2*i]) | uint16(row[2*i+1])<<8)
	}
}

// dequantizeQ8_0NEON: y = q·d; blocks is positive.
//
//go:noescape
func dequantizeQ8_0NEON(y *float32, row *byte, blocks int)

// bf16ToF32NEON widens n bfloat16; n is a positive multiple of 8.
//
//go:noescape
func bf16ToF32NEON(dst *float32, src *byte, n int)
