//go:build !noasm

package arm

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// gemvWeights bounds the weights of one call into assembly, which cannot be
// preempted: well under 200 µs on a Cortex-A53. gemvBlocks are the blocks of 32 of
// eight rows in one call, whole super-blocks.
const (
	gemvWeights = 1 << 17
	gemvBlocks  = gemvWeights / 8 / 32
)

// gemv is one token's product with the rows of w, as many as dst has values.
func gemv(l Level, dst []float32, t quant.Type, w []byte, stride int, x *Acts) {
	rows := len(dst)
	if rows < 8 {
		for i := range dst {
			var y [8]float32 // one row, eight times
			gemvPieces(l, t, &y[0], &w[i*stride], x, 0, 1)
			dst[i] = y[0]
		}
		return
	}
	whole := rows &^ 7
	clear(dst[:whole])
	step := max(1, gemvWeights/(8*32*x.Blocks))
	for g := 0; g < rows/8; g += step {
		gemvPieces(l, t, &dst[8*g], &w[8*g*stride], x, stride, min(step, rows/8-g))
	}
	if whole < rows {
		var y [8]float32 // the last eight rows, of which some are there
		gemvPieces(l, t, &y[0], &w[(rows-8)*stride], x, stride, 1)
		copy(dst[whole:], y[8-rows%8:])
	}
}

// gemvPieces adds the products of 8·groups rows, long rows in pieces.
func gemvPieces(l Level, t quant.Type, dst *float32, w *byte, x *Acts, stride, groups int) {
	if x.Blocks <= gemvBlocks {
		gemvCall(l, t, dst, w, x, stride, groups)
		return
	}
	for at := 0; at < x.Blocks; at += gemvBlocks {
		n := min(gemvBlocks, x.Blocks-at)
		piece := &Acts{1, n, x.Q[32*at : 32*(at+n)], x.D[at : at+n], x.Sum[2*at : 2*(at+n)]}
		gemvCall(l, t, dst, (*byte)(unsafe.Add(unsafe.Pointer(w), 32*at/t.Block()*t.BlockBytes())), piece, stride, groups)
	}
}

func gemvCall(l Level, t quant.Type, dst *float32, w *byte, x *Acts, stride, groups int) {
	q, d, sum, blocks := &x.Q[0], &x.D[0], &x.Sum[0], x.Blocks
	if t.Block() == 256 {
		gemvKCall(l, t, dst, w, x, stride, groups)
		return
	}
	if l == NEON {
		switch t {
		case quant.Q8_0:
			gemvQ8_0NEON(dst, w, q, d, sum, blocks, stride, groups)
		case quant.Q4_0:
			gemvQ4_0NEON(dst, w, q, d, sum, blocks, stride, groups)
		case quant.Q4_1:
			gemvQ4_1NEON(dst, w, q, d, sum, blocks, stride, groups)
		case quant.Q5_0:
			gemvQ5_0NEON(dst, w, q, d, sum, blocks, stride, groups)
		case quant.Q5_1:
			gemvQ5_1NEON(dst, w, q, d, sum, blocks, stride, groups)
		case quant.IQ4_NL:
			gemvIQ4_NLNEON(dst, w, q, d, sum, blocks, stride, groups)
		}
		return
	}
	switch t {
	case quant.Q8_0:
		gemvQ8_0DotProd(dst, w, q, d, sum, blocks, stride, groups)
	case quant.Q4_0:
		gemvQ4_0DotProd(dst, w, q, d, sum, blocks, stride, groups)
	case quant.Q4_1:
		gemvQ4_1DotProd(dst, w, q, d, sum, blocks, stride, groups)
	case quant.Q5_0:
		gemvQ5_0DotProd(dst, w, q, d, sum, blocks, stride, groups)
	case quant.Q5_1:
		gemvQ5_1DotProd(dst, w, q, d, sum, blocks, stride, groups)
	case quant.IQ4_NL:
		gemvIQ4_NLDotProd(dst, w, q, d, sum, blocks, stride, groups)
	}
}

func gemvKCall(l Level, t quant.Type, dst *float32, w *byte, x *Acts, stride, groups int) {
	var tmp [320]byte
	q, d, sum, blocks := &x.Q[0], &x.D[0], &x.Sum[0], x.Blocks/8
	if l == NEON {
		switch t {
		case quant.Q4_K:
			gemvQ4_KNEON(dst, w, q, d, sum, blocks, stride, groups, &tmp)
		case quant.Q5_K:
			gemvQ5_KNEON(dst, w, q, d, sum, blocks, stride, groups, &tmp)
		case quant.Q6_K:
			gemvQ6_KNEON(dst, w, q, d, sum, blocks, stride, groups, &tmp)
		case quant.Q2_K:
			gemvQ2_KNEON(dst, w, q, d, sum, blocks, stride, groups, &tmp)
		case quant.Q3_K:
			gemvQ3_KNEON(dst, w, q, d, sum, blocks, stride, groups, &tmp)
		}
		return
	}
	switch t {
	case quant.Q4_K:
		gemvQ4_KDotProd(dst, w, q, d, sum, blocks, stride, groups, &tmp)
	case quant.Q5_K:
		gemvQ5_KDotProd(dst, w, q, d, sum, blocks, stride, groups, &tmp)
	case quant.Q6_K:
		gemvQ6_KDotProd(dst, w, q, d, sum, blocks, stride, groups, &tmp)
	case quant.Q2_K:
		gemvQ2_KDotProd(dst, w, q, d, sum, blocks, stride, groups, &tmp)
	case quant.Q3_K:
		gemvQ3_KDotProd(dst, w, q, d, sum, blocks, stride, groups, &tmp)
	}
}

// The products of 8·groups rows, stride bytes apart, with blocks·32 activations are
// added to dst; groups and blocks are positive.

//go:noescape
func gemvQ8_0NEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ4_0NEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ4_1NEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ5_0NEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ5_1NEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvIQ4_NLNEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ8_0DotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ4_0DotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ4_1DotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ5_0DotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvQ5_1DotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

//go:noescape
func gemvIQ4_NLDotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int)

// The same for super-blocks: blocks·256 activations; tmp is overwritten.

//go:noescape
func gemvQ4_KNEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ5_KNEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ6_KNEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ2_KNEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ3_KNEON(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ4_KDotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ5_KDotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ6_KDotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ2_KDotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)

//go:noescape
func gemvQ3_KDotProd(dst *float32, w *byte, q *int8, d *float32, sum *int16, blocks, stride, groups int, tmp *[320]byte)
