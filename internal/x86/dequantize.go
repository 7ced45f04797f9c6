package x86

import "github.com/qwq-edge/qwq/quant"

// Dequantize writes the values of whole blocks: the bits of quant.Decode. It
// returns false, and has written nothing, for a type without a kernel.
func Dequantize(l Level, y []float32, t quant.Type, row []byte) bool {
	n, ok := t.RowBytes(len(y))
	if !ok || n != len(row) {
		panic("x86: Dequantize: lengths differ")
	}
	return dequantize(l, y, t, row)
}
