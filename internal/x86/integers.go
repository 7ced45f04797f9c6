package x86

import "github.com/qwq-edge/qwq/quant"

// Integers multiplies rows adjacent rows of a quantized matrix with all tokens:
// y[token·stride+r] = row r · token, bits of ref.Row.Dot. w holds exactly the rows,
// scratch at least ScratchBytes. It returns false, and has written nothing, where
// the level has no kernel for the type.
func Integers(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, a Acts, scratch []byte) bool {
	a.check(l)
	n, ok := t.RowBytes(a.Blocks * 32)
	if !ok || rows < 0 || len(w) != rows*n {
		panic("x86: Integers: weights and activations differ in length")
	}
	if rows == 0 || a.Tokens == 0 {
		return true
	}
	if stride < rows || len(y) < (a.Tokens-1)*stride+rows {
		panic("x86: Integers: the output is too short")
	}
	return integers(l, y, stride, t, w, rows, a, scratch)
}

// Can reports whether Integers has a kernel for rows of k weights of type t.
func Can(l Level, t quant.Type, k int) bool { return scratchBytes(l, t, k) > 0 }

// ScratchBytes is the scratch that Integers and Floats want for rows of k
// weights; 0: there is no kernel, or none that needs it.
func ScratchBytes(l Level, t quant.Type, k int) int { return scratchBytes(l, t, k) }
