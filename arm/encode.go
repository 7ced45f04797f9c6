package arm

import "github.com/qwq-edge/qwq/quant"

// Encode rounds x to a row of type t: quant.Encode's bytes, for any values. It
// returns false, and has written nothing, where there is no kernel for the type. row
// has room for exactly len(x) weights.
func Encode(l Level, row []byte, t quant.Type, x []float32) bool {
	if n, ok := t.RowBytes(len(x)); !ok || n != len(row) {
		panic("arm: Encode: the row and its values differ in length")
	}
	return l != None && encode(row, t, x)
}
