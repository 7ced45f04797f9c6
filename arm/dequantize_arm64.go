//go:build !noasm

package arm

import "github.com/qwq-edge/qwq/quant"

func dequantize(y []float32, t quant.Type, row []byte) bool {
	switch t {
	case quant.Q8_0:
		dequantizeBlocks(y, row, 34, dequantizeQ8_0NEON)
	case quant.Q4_0:
		dequantizeBlocks(y, row, 18, dequantizeQ4_0NEON)
	case quant.Q4_1:
		dequantizeBlocks(y, row, 20, dequantizeQ4_1NEON)
	case quant.Q5_0:
		dequantizeBlocks(y, row, 22, dequantizeQ5_0NEON)
	case quant.Q5_1:
		dequantizeBlocks(y, row, 24, dequantizeQ5_1NEON)
	case quant.IQ4_NL:
		dequantizeBlocks(y, row, 18, dequantizeIQ4_NLNEON)
	case quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K:
		dequantizeK(y, t, row)
	case quant.IQ4_XS:
		dequantizeIQ4_XS(y, row)
	case quant.F16:
		f16ToF32(y, row)
	case quant.BF16:
		bf16ToF32(y, row)
	default:
		return false
	}
	return true
}

// dequantizeBlocks calls f for blocks of size bytes.
func dequantizeBlocks(y []float32, row []byte, size int, f func(y *float32, row *byte, blocks int)) {
	for len(y) > 0 {
		n := min(len(y), valuesChunk)
		f(&y[0], &row[0], n/32)
		y, row = y[n:], row[n/32*size:]
	}
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

// Rows of blocks of 32; blocks is positive.

//go:noescape
func dequantizeQ8_0NEON(y *float32, row *byte, blocks int)

//go:noescape
func dequantizeQ4_0NEON(y *float32, row *byte, blocks int)

//go:noescape
func dequantizeQ4_1NEON(y *float32, row *byte, blocks int)

//go:noescape
func dequantizeQ5_0NEON(y *float32, row *byte, blocks int)

//go:noescape
func dequantizeQ5_1NEON(y *float32, row *byte, blocks int)

//go:noescape
func dequantizeIQ4_NLNEON(y *float32, row *byte, blocks int)

// bf16ToF32NEON widens n bfloat16; n is a positive multiple of 8.
//
//go:noescape
func bf16ToF32NEON(dst *float32, src *byte, n int)
