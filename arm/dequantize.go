package arm

import "github.com/qwq-edge/qwq/quant"

// Dequantize writes the values of a row, quant.Decode's bits. It returns false
// where there is no kernel for the type. row has exactly len(y) weights.
func Dequantize(l Level, y []float32, t quant.Type, row []byte) bool {
	if n, ok := t.RowBytes(len(y)); !ok || n != len(row) {
		panic("arm: Dequantize: the row and its values differ in length")
	}
	return l != None && dequantize(y, t, row)
}
