//go:build !noasm

package x86

import "github.com/qwq-edge/qwq/quant"

//go:noescape
func decodeQ8_0AVX2(y *float32, w *byte, blocks int)

func dequantize(l Level, y []float32, t quant.Type, row []byte) bool {
	if l < AVX2 || t != quant.Q8_0 {
		return false
	}
	for len(y) > 0 {
		n := min(len(y), mathChunk)
		decodeQ8_0AVX2(&y[0], &row[0], n/32)
		y, row = y[n:], row[n/32*34:]
	}
	return true
}
