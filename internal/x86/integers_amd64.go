//go:build !noasm

package x86

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// format is how rows of a type are unpacked: code minus bias is the integer that
// is multiplied, bits the bits of a code, chunk the codes that one call unpacks per
// row, with 16 scales.
type format struct {
	sub, bias, bits, chunk int
	min                    bool
}

// formatOf describes a type that has an unpacker.
func formatOf(t quant.Type) (format, bool) {
	switch t {
	case quant.Q8_0, quant.IQ4_NL:
		return format{32, 128, 8, 512, false}, true
	case quant.Q4_0:
		return format{32, 8, 4, 512, false}, true
	case quant.Q5_0:
		return format{32, 16, 5, 512, false}, true
	case quant.Q4_1, quant.Q4_K:
		return format{32, 0, 4, 512, true}, true
	case quant.Q5_1, quant.Q5_K:
		return format{32, 0, 5, 512, true}, true
	case quant.Q6_K:
		return format{16, 32, 6, 256, false}, true
	case quant.Q3_K:
		return format{16, 4, 3, 256, false}, true
	case quant.Q2_K:
		return format{16, 0, 2, 256, true}, true
	}
	return format{}, false
}

//go:noescape
func unpackQ8_0AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ4_0AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ4_1AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ5_0AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ5_1AVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackIQ4_NLAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ4_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ5_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ6_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ2_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

//go:noescape
func unpackQ3_KAVX2(q *byte, scale, min *float32, w *byte, stride, rows, blocks int)

// lines is where up to 16 rows are unpacked to, a chunk at a time.
type lines [16]line

type line struct {
	q          [512]byte
	scale, min [16]float32
}

// unpack fills l and the lines after it, rows in all, from w, whose rows are stride
// bytes apart, with blocks blocks of each.
func (l *line) unpack(t quant.Type, w *byte, stride, rows, blocks int) {
	q, s, m := &l.q[0], &l.scale[0], &l.min[0]
	switch t {
	case quant.Q8_0:
		unpackQ8_0AVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q4_0:
		unpackQ4_0AVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q4_1:
		unpackQ4_1AVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q5_0:
		unpackQ5_0AVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q5_1:
		unpackQ5_1AVX2(q, s, m, w, stride, rows, blocks)
	case quant.IQ4_NL:
		unpackIQ4_NLAVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q4_K:
		unpackQ4_KAVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q5_K:
		unpackQ5_KAVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q6_K:
		unpackQ6_KAVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q2_K:
		unpackQ2_KAVX2(q, s, m, w, stride, rows, blocks)
	case quant.Q3_K:
		unpackQ3_KAVX2(q, s, m, w, stride, rows, blocks)
	default:
		panic("x86: no unpacker for " + t.String())
	}
}

func scratchBytes(l Level, t quant.Type, k int) int {
	f, ok := formatOf(t)
	if !ok || l < AVX2 || k > maxColumns {
		return 0
	}
	return int(unsafe.Sizeof(lines{})) + panelBytes(f, panelStep(k, 1<<30))
}

// maxColumns bounds the columns, and so the time of one call into gemv.
const maxColumns = 1 << 17

func integers(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, a Acts, scratch []byte) bool {
	k := a.Blocks * 32
	n := scratchBytes(l, t, k)
	if n == 0 || k == 0 {
		return false
	}
	if len(scratch) < n || uintptr(unsafe.Pointer(unsafe.SliceData(scratch)))%64 != 0 {
		panic("x86: Integers: scratch too small or not aligned")
	}
	if a.Tokens == 1 && canStream(l, t, rows, a.Blocks) {
		streamed(l, y, t, w, rows, a, scratch)
		return true
	}
	if n := gemvRows(l, t); a.Tokens == 1 && n > 0 && rows >= n {
		gemv(l, n, y, t, w, rows, a)
		return true
	}
	if canBatch(l, t, rows, a) {
		batched(y, stride, t, w, rows, a, scratch)
		return true
	}
	if canRepeat(l, t, rows, a) {
		repeated(l, y, stride, t, w, rows, a, scratch)
		return true
	}
	f, _ := formatOf(t)
	gemm(l, y, stride, t, f, w, rows, a, scratch)
	return true
}
