package arm

import "github.com/qwq-edge/qwq/quant"

// Integers multiplies rows adjacent rows of a quantized matrix with all tokens:
// y[token·stride+r] = row r · token, bits of ref.Row.Dot. w holds exactly the rows,
// scratch at least ScratchBytes. It returns false, and has written nothing, where
// the level has no kernel for the type.
//
// One or two tokens are multiplied with the rows as they lie in the mapping, eight
// rows at a time (fewer cost as much), more with panels packed into scratch.
func Integers(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, a Acts, scratch []byte) bool {
	a.check()
	n, ok := t.RowBytes(a.Blocks * 32)
	if !ok || rows < 0 || len(w) != rows*n {
		panic("arm: Integers: weights and activations differ in length")
	}
	if rows == 0 || a.Tokens == 0 {
		return true
	}
	if stride < rows || len(y) < (a.Tokens-1)*stride+rows {
		panic("arm: Integers: the output is too short")
	}
	if l == None || a.Blocks == 0 || !Can(l, t, a.Blocks*32) {
		return false
	}
	if len(scratch) < ScratchBytes(l, t, a.Blocks*32, a.Tokens) {
		panic("arm: Integers: the scratch is too small")
	}
	integers(l, y, stride, t, w, n, rows, &a, scratch)
	return true
}

// Can reports whether Integers has a kernel for rows of k weights of type t.
func Can(l Level, t quant.Type, k int) bool { return l != None && can(t, k) }
