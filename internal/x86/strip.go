package x86

import "github.com/qwq-edge/qwq/quant"

// StripFloats is how many float32 a packed copy of the activations of some tokens
// takes, [tokens, k]; 0: Strips does not multiply such rows with so many tokens,
// see Floats.
func StripFloats(l Level, t quant.Type, tokens, k int) int { return stripFloats(l, t, tokens, k) }

// PackStrips packs quads lo to hi of 4 tokens each of x, [tokens, k], into dst,
// which is of StripFloats.
func PackStrips(l Level, dst, x []float32, tokens, k, lo, hi int) {
	if n := StripFloats(l, quant.F32, tokens, k); n == 0 || len(dst) != n || len(x) != tokens*k || lo < 0 || hi < lo || hi > (tokens+3)/4 {
		panic("x86: PackStrips: lengths differ")
	}
	packStrips(l, dst, x, tokens, k, lo, hi)
}

// StripBytes is the scratch that Strips wants, at an address that is a multiple of 64.
func StripBytes(k int) int { return stripScratch(k) }

// StripRows is the least number of rows that Strips takes.
const StripRows = 32

// Strips is Floats for many tokens, packed by PackStrips. scratch is of
// StripBytes.
func Strips(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, packed []float32, tokens, k int, scratch []byte) bool {
	n, ok := t.RowBytes(k)
	if !ok || rows < 0 || len(w) != rows*n || stride < rows || len(packed) != StripFloats(l, t, tokens, k) || len(y) < (tokens-1)*stride+rows {
		panic("x86: Strips: lengths differ")
	}
	if len(packed) == 0 || rows < StripRows {
		return false
	}
	return strips(l, y, stride, t, w, rows, packed, tokens, k, scratch)
}
