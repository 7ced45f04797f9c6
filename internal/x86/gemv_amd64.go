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

//go:noescape
func gemvQ8_0AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ4_0AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ5_0AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ4_1AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvQ5_1AVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

//go:noescape
func gemvIQ4_NLAVX2(y *float32, w *byte, stride, blocks int, q *int8, d *float32, sum *int16)

// gemvRows is the number of rows of one call, 0 where one token is multiplied by a
// packed tile like many.
func gemvRows(l Level, t quant.Type) int {
	switch t {
	case quant.Q8_0, quant.Q4_0, quant.Q5_0, quant.IQ4_NL, quant.Q4_1, quant.Q5_1:
		if l < AVX512 {
			return 8
		}
		return 16
	case quant.Q4_K, quant.Q6_K, quant.Q5_K:
		if l >= AVX512 {
			return 16
		}
	}
	return 0
}

// gemv multiplies rows with one token, n at a time, of which there are at least n.
// The last call overlaps the one before it where the rows are no multiple of n.
func gemv(l Level, n int, y []float32, t quant.Type, w []byte, rows int, a Acts) {
	row := len(w) / rows
	for r := 0; r < rows; r += n {
		r := min(r, rows-n)
		if l < AVX512 {
			gemvAVX2(&y[r], t, &w[r*row], row, a)
		} else {
			gemvAVX512(&y[r], t, &w[r*row], row, a)
		}
	}
}

func gemvAVX2(y *float32, t quant.Type, w *byte, row int, a Acts) {
	q, d, s := &a.Q[0], &a.D[0], &a.Sum[0]
	switch t {
	case quant.Q8_0:
		gemvQ8_0AVX2(y, w, row, a.Blocks, q, d, s)
	case quant.Q4_0:
		gemvQ4_0AVX2(y, w, row, a.Blocks, q, d, s)
	case quant.Q5_0:
		gemvQ5_0AVX2(y, w, row, a.Blocks, q, d, s)
	case quant.IQ4_NL:
		gemvIQ4_NLAVX2(y, w, row, a.Blocks, q, d, s)
	case quant.Q4_1:
		gemvQ4_1AVX2(y, w, row, a.Blocks, q, d, s)
	case quant.Q5_1:
		gemvQ5_1AVX2(y, w, row, a.Blocks, q, d, s)
	}
}

func gemvAVX512(y *float32, t quant.Type, w *byte, row int, a Acts) {
	q, d, s := &a.Q[0], &a.D[0], &a.Sum[0]
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
