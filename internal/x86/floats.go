package x86

import "github.com/qwq-edge/qwq/quant"

// Floats multiplies rows adjacent rows of F32, F16 or BF16 with float32
// activations of any length: y[token·stride+r] = row r · token, bits of ref.Dot.
// x: [tokens, k]. It returns false, and has written nothing, where the level has
// no kernel for the type.
func Floats(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, x []float32, tokens int) bool {
	if rows == 0 || tokens == 0 {
		return true
	}
	k := len(x) / tokens
	n, ok := t.RowBytes(k)
	if !ok || rows < 0 || len(w) != rows*n || len(x) != tokens*k || stride < rows || len(y) < (tokens-1)*stride+rows {
		panic("x86: Floats: lengths differ")
	}
	return canFloats(l, t, k) && floats(l, y, stride, t, w, rows, x, tokens, k, 1)
}

// CanFloats reports whether Floats has a kernel for rows of k weights of type t.
func CanFloats(l Level, t quant.Type, k int) bool { return canFloats(l, t, k) }

// Scores is s[i·stride+j] = (q[i]·k[j])·scale, bits of ref.Dot: queries of dim
// values with n keys. q: [queries, dim], k: [n, dim].
func Scores(l Level, s []float32, stride int, q, k []float32, dim int, scale float32) bool {
	queries, n := len(q)/max(dim, 1), len(k)/max(dim, 1)
	if dim < 1 || len(q) != queries*dim || len(k) != n*dim || stride < n || queries > 0 && len(s) < (queries-1)*stride+n {
		panic("x86: Scores: lengths differ")
	}
	if queries == 0 || n == 0 {
		return true
	}
	return canFloats(l, quant.F32, dim) && scores(l, s, stride, q, k, queries, n, dim, scale)
}

// Weigh is one page of P·V for several queries: o[i][d] = FMA(p[i·stride+j],
// v[j][d], o[i][d]) with j ascending. o: [queries, dim], v: [n, dim].
func Weigh(l Level, o, p []float32, stride int, v []float32, dim int) bool {
	queries, n := len(o)/max(dim, 1), len(v)/max(dim, 1)
	if dim < 1 || len(o) != queries*dim || len(v) != n*dim || stride < n || queries > 0 && len(p) < (queries-1)*stride+n {
		panic("x86: Weigh: lengths differ")
	}
	if queries == 0 || n == 0 {
		return true
	}
	return canFloats(l, quant.F32, dim) && weigh(l, o, p, stride, v, queries, n, dim)
}
