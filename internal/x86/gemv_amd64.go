//go:build !noasm

package x86

import "github.com/qwq-edge/qwq/quant"

//go:noescape
func gemvQ8_0AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ4_0AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ5_0AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvIQ4_NLAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ4_KAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ6_KAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ5_KAVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ4_1AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ5_1AVX512(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

// hasGemv reports whether one token is multiplied without packing.
func hasGemv(l Level, t quant.Type) bool {
	switch t {
	case quant.Q8_0, quant.Q4_0, quant.Q5_0, quant.IQ4_NL, quant.Q4_K, quant.Q6_K, quant.Q5_K, quant.Q4_1, quant.Q5_1:
		return l >= AVX512
	}
	return false
}

// gemvRows is the number of rows of one call.
const gemvRows = 16

// gemv multiplies at least gemvRows rows with one token. The last call overlaps
// the one before it where the rows are no multiple of its own.
func gemv(y []float32, t quant.Type, w []byte, rows int, a Acts) {
	row := len(w) / rows
	for r := 0; r < rows; r += gemvRows {
		r := min(r, rows-gemvRows)
		y, w, q, d, s := &y[r], &w[r*row], &a.Q[0], &a.D[0], &a.Sum[0]
		switch t {
		case quant.Q8_0:
			gemvQ8_0AVX512(y, w, row, a.Blocks, q, d, s)
		case quant.Q4_0:
			gemvQ4_0AVX512(y, w, row, a.Blocks, q, d, s)
		case quant.Q5_0:
			gemvQ5_0AVX512(y, w, row, a.Blocks, q, d, s)
		case quant.IQ4_NL:
			gemvIQ4_NLAVX512(y, w, row, a.Blocks, q, d, s)
		case quant.Q4_K:
			gemvQ4_KAVX512(y, w, row, a.Blocks/8, q, d, s)
		case quant.Q4_1:
			gemvQ4_1AVX512(y, w, row, a.Blocks, q, d, s)
		case quant.Q5_1:
			gemvQ5_1AVX512(y, w, row, a.Blocks, q, d, s)
		case quant.Q5_K:
			gemvQ5_KAVX512(y, w, row, a.Blocks/8, q, d, s)
		case quant.Q6_K:
			gemvQ6_KAVX512(y, w, row, a.Blocks/8, q, d, s)
		}
	}
}
