package arm

import "github.com/qwq-edge/qwq/quant"

// Floats is Integers for F32, F16 and BF16 rows: y[token·stride+r] = row r · token
// in ref.Dot's order. x: [tokens, k]; k must be a multiple of 16, else it returns
// false. scratch has at least ScratchBytes.
func Floats(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, x []float32, tokens int, scratch []byte) bool {
	if tokens == 0 || rows == 0 {
		return true
	}
	k := len(x) / max(tokens, 1)
	n, ok := t.RowBytes(k)
	if tokens < 0 || rows < 0 || k*tokens != len(x) || !ok || len(w) != rows*n {
		panic("arm: Floats: weights and activations differ in length")
	}
	if stride < rows || len(y) < (tokens-1)*stride+rows {
		panic("arm: Floats: the output is too short")
	}
	if !CanFloats(l, t, k) {
		return false
	}
	if len(scratch) < ScratchBytes(l, t, k, tokens) {
		panic("arm: Floats: the scratch is too small")
	}
	floats(y, stride, t, w, n, rows, x, tokens, scratch)
	return true
}

// CanFloats reports whether Floats has a kernel for rows of k weights of type t.
func CanFloats(l Level, t quant.Type, k int) bool {
	return l != None && k > 0 && k%16 == 0 && (t == quant.F32 || t == quant.F16 || t == quant.BF16)
}

// Scores are s[i·stride+j] = (q[i]·k[j])·scale in ref.Dot's order. q: [queries,
// dim], k: [keys, dim]; dim must be a multiple of 16, else it returns false.
func Scores(l Level, s []float32, stride int, q, k []float32, dim int, scale float32) bool {
	if dim < 1 || len(q)%dim != 0 || len(k)%dim != 0 {
		panic("arm: Scores: queries and keys differ in length")
	}
	if len(q) == 0 || len(k) == 0 {
		return true
	}
	if keys := len(k) / dim; stride < keys || len(s) < (len(q)/dim-1)*stride+keys {
		panic("arm: Scores: the output is too short")
	}
	return l != None && scores(s, stride, q, k, dim, scale)
}

// Weigh is o[i] = FMA(p[i·stride+j], v[j], o[i]) for every query i, j ascending.
// o: [queries, dim], v: [positions, dim]; dim must be a multiple of 16, else it
// returns false.
func Weigh(l Level, o, p []float32, stride int, v []float32, dim int) bool {
	if dim < 1 || len(o)%dim != 0 || len(v)%dim != 0 || len(o) > 0 && len(p) < (len(o)/dim-1)*stride+len(v)/dim {
		panic("arm: Weigh: operands differ in length")
	}
	return l != None && weigh(o, p, stride, v, dim)
}
