//go:build !noasm

package x86

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// floatStream is what the assembly reads that multiplies 16 adjacent float rows
// with one token as one stream.
type floatStream struct {
	w      unsafe.Pointer
	stride int // bytes from row to row
	x, y   unsafe.Pointer
	pairs  int // of steps of 16
	odd    int // 1: a step of 16 is left
	ahead  int // bytes from the first of the rows that are read together to what is fetched
	tail   uint16
	lanes  unsafe.Pointer // [16, 16] float32, sums by row
}

//go:noescape
func stream1F32AVX512(a *floatStream)

//go:noescape
func stream1F16AVX512(a *floatStream)

//go:noescape
func stream1BF16AVX512(a *floatStream)

//go:noescape
func stream2F16AVX512(a *floatStream)

//go:noescape
func stream2BF16AVX512(a *floatStream)

// shortRow is the number of columns up to which the processor works on the next
// row while the sums of one wait for each other, so that rows are best read one
// by one. Two longer rows are read side by side.
const shortRow = 1024

// canStreamFloats: long rows of F32 come at full speed 16 side by side.
func canStreamFloats(t quant.Type, rows, k int) bool {
	return rows >= 16 && (t != quant.F32 || k <= shortRow)
}

// floatsStreamed multiplies 16 rows or more with one token. The last call overlaps
// the one before it where the rows are no multiple of 16.
func floatsStreamed(y []float32, t quant.Type, w []byte, rows int, x []float32) {
	row, k := len(w)/rows, len(x)
	var lanes [16][16]float32
	a := floatStream{
		lanes: unsafe.Pointer(&lanes), stride: row, x: unsafe.Pointer(&x[0]), pairs: k / 32, odd: k / 16 % 2, tail: uint16(1<<(k%16) - 1), ahead: 8192,
	}
	if k > shortRow {
		a.ahead = row + 4096
	}
	for r := 0; r < rows; r += 16 {
		r := min(r, rows-16)
		a.w, a.y = unsafe.Pointer(&w[r*row]), unsafe.Pointer(&y[r])
		switch {
		case t == quant.F32:
			stream1F32AVX512(&a)
		case t == quant.F16 && k <= shortRow:
			stream1F16AVX512(&a)
		case t == quant.F16:
			stream2F16AVX512(&a)
		case k <= shortRow:
			stream1BF16AVX512(&a)
		default:
			stream2BF16AVX512(&a)
		}
	}
}
