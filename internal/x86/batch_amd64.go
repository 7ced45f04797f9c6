//go:build !noasm

package x86

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// batch is stream for a few tokens; all strides are in bytes.
type batch struct {
	terms                   unsafe.Pointer // [tokens, 16, stride/4] float32
	w                       unsafe.Pointer
	x, x2                   unsafe.Pointer // the first halves of the first token's blocks, the second ones
	d, sum                  unsafe.Pointer
	xStride, dStride        int // from token to token; of sum as of d
	termStride              int
	nextX, nextD, nextTerms int // from behind the last token to the next step of the first
	tokens, steps           int
	backX, back4, backBytes int // as stream has them
	backTerms               int
	stride, rows            int
}

//go:noescape
func batchQ8_0AVX512(a *batch)

//go:noescape
func batchQ4_0AVX512(a *batch)

//go:noescape
func batchQ5_0AVX512(a *batch)

//go:noescape
func batchQ4_KAVX512(a *batch)

// batchTokens is the most tokens for which rows are read as a stream, not packed:
// 0 where that is never faster.
func batchTokens(t quant.Type, blocks int) int {
	switch t {
	case quant.Q8_0, quant.Q4_0, quant.Q5_0:
		return 8
	case quant.Q4_K:
		return batchGroup(blocks)
	}
	return 0
}

// batchBlocks is the longest row whose terms of a group of tokens have space in scratch.
const batchBlocks = 512

// batchRows is the number of rows whose terms are added together.
const batchRows = 16

// canBatch reports whether a few tokens are multiplied with rows as a stream.
func canBatch(l Level, t quant.Type, rows int, a Acts) bool {
	return l >= AVX512 && rows >= batchRows && a.Tokens <= batchTokens(t, a.Blocks) && a.Blocks >= batchStep && a.Blocks <= batchBlocks/streamOf(AVX512, t).terms
}

// canRepeat reports whether a few tokens are multiplied one after the other, some
// rows at a time: the first finds the rows in memory, the others in the cache.
func canRepeat(l Level, t quant.Type, rows int, a Acts) bool {
	return a.Tokens <= repeatTokens(l, t) && (canStream(l, t, rows, a.Blocks) || gemvRows(l, t) > 0 && rows >= gemvRows(l, t))
}

// repeatTokens is the most tokens for which that is faster than packing, measured.
func repeatTokens(l Level, t quant.Type) int {
	if l >= AVX512 {
		switch t {
		case quant.Q4_1, quant.IQ4_NL:
			return 6
		case quant.Q5_1, quant.Q6_K:
			return 4
		case quant.Q5_K:
			return 3
		}
		return 0
	}
	switch t {
	case quant.Q8_0:
		return 8
	case quant.Q4_0:
		return 5
	case quant.Q4_1, quant.IQ4_NL:
		return 4
	case quant.Q5_0, quant.Q5_1, quant.Q4_K, quant.Q5_K, quant.Q6_K:
		return 2
	}
	return 0
}

// repeated is streamed or gemv for a few tokens.
func repeated(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, a Acts, scratch []byte) {
	row, blocks, group := len(w)/rows, a.Blocks, gemvRows(l, t)
	stream := canStream(l, t, rows, blocks)
	if stream {
		group = streamOf(l, t).rows
	}
	for r := 0; r < rows; r += group {
		r := min(r, rows-group)
		w := w[r*row : (r+group)*row]
		for i := range a.Tokens {
			one := Acts{Tokens: 1, Blocks: blocks, Q: a.Q[32*blocks*i:][:32*blocks], D: a.D[blocks*i:][:blocks], Sum: a.Sum[2*blocks*i:][:2*blocks]}
			if stream {
				streamed(l, y[i*stride+r:], t, w, group, one, scratch)
			} else {
				gemv(l, group, y[i*stride+r:], t, w, group, one)
			}
		}
	}
}

// batchStep is the blocks of 32 that a step takes.
const batchStep = 16

// batchGroup is the tokens of one pass over 16 rows: so many that their
// activations stay in the first level cache beside the terms.
func batchGroup(blocks int) int {
	if blocks <= 64 {
		return 8
	}
	return 4
}

// batched multiplies rows with a few tokens. The last call overlaps the one before
// it where the rows are no multiple of 16. In scratch: terms, then activations.
func batched(y []float32, stride int, t quant.Type, w []byte, rows int, a Acts, scratch []byte) {
	row, blocks := len(w)/rows, a.Blocks
	k, n := 32*blocks, blocks*streamOf(AVX512, t).terms
	b := batch{
		xStride: k / 2, dStride: 4 * blocks, stride: (n+3)&^3*4 + 64,
		steps: blocks / batchStep, rows: batchRows,
	}
	b.termStride = batchRows * b.stride
	group := min(a.Tokens, batchGroup(blocks))
	copied := scratch[group*b.termStride:]
	x, x2 := halve(copied, a.Q)
	if streamOf(AVX512, t).order == swapped {
		swapHalves(copied[:len(a.Q)])
	}
	if over := blocks % batchStep; over > 0 {
		back := over - batchStep
		b.backX, b.back4, b.backBytes, b.backTerms = 16*back, 4*back, t.BlockBytes()*back*32/t.Block(), 4*back*streamOf(AVX512, t).terms
	}
	for r := 0; r < rows; r += batchRows {
		r := min(r, rows-batchRows)
		for tok := 0; tok < a.Tokens; tok += group {
			m := min(group, a.Tokens-tok)
			b.terms, b.w, b.tokens = unsafe.Pointer(&scratch[0]), unsafe.Pointer(&w[r*row]), m
			b.x, b.x2 = unsafe.Add(x, tok*b.xStride), unsafe.Add(x2, tok*b.xStride)
			b.d, b.sum = unsafe.Pointer(&a.D[tok*blocks]), unsafe.Pointer(&a.Sum[2*tok*blocks])
			b.nextX, b.nextD, b.nextTerms = 16*batchStep-m*b.xStride, 4*batchStep-m*b.dStride, 4*batchStep*streamOf(AVX512, t).terms-m*b.termStride
			b.run(t)
			for i := range m {
				sumTermsAVX512(&y[(tok+i)*stride+r], (*float32)(unsafe.Pointer(&scratch[i*b.termStride])), b.stride, n)
			}
		}
	}
}

func (b *batch) run(t quant.Type) {
	switch t {
	case quant.Q8_0:
		batchQ8_0AVX512(b)
	case quant.Q4_0:
		batchQ4_0AVX512(b)
	case quant.Q5_0:
		batchQ5_0AVX512(b)
	case quant.Q4_K:
		batchQ4_KAVX512(b)
	}
}

// swapHalves brings halves of blocks to the order 0 2 1 3 of each four.
func swapHalves(q []byte) {
	for i := 0; i < len(q); i += 64 {
		x := (*[64]byte)(q[i:])
		second := [16]byte(x[16:32])
		*(*[16]byte)(x[16:]) = [16]byte(x[32:48])
		*(*[16]byte)(x[32:]) = second
	}
}
