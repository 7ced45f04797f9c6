//go:build !noasm

package x86

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// dots is what the assembly of float products reads.
type dots struct {
	w          unsafe.Pointer // first row
	stride     uintptr        // bytes from row to row; 0: all rows are the first
	x          unsafe.Pointer // first token
	xStride    uintptr        // bytes from token to token
	y          unsafe.Pointer
	yStride    uintptr
	steps      int    // whole steps of 16
	tail, rows uint16 // lanes of the last step; rows in the output
	scale      float32
	ahead      uintptr // bytes from the first row to what is fetched
}

//go:noescape
func dot4F32AVX2(a *dots)

//go:noescape
func dot4F16AVX2(a *dots)

//go:noescape
func dot4BF16AVX2(a *dots)

//go:noescape
func stream4F32AVX2(a *dots)

//go:noescape
func stream4F16AVX2(a *dots)

//go:noescape
func stream4BF16AVX2(a *dots)

//go:noescape
func dot24F32AVX512(a *dots)

//go:noescape
func dot24F16AVX512(a *dots)

//go:noescape
func dot24BF16AVX512(a *dots)

//go:noescape
func dot16F32AVX512(a *dots)

//go:noescape
func dot16F16AVX512(a *dots)

//go:noescape
func dot16BF16AVX512(a *dots)

//go:noescape
func dot8F32AVX512(a *dots)

//go:noescape
func dot8F16AVX512(a *dots)

//go:noescape
func dot8BF16AVX512(a *dots)

// maxFloats bounds the columns, and so the time of one call.
const maxFloats = 1 << 17

// canFloats: AVX2 has no masks for a last step of less than 16.
func canFloats(l Level, t quant.Type, k int) bool {
	return (t == quant.F32 || t == quant.F16 || t == quant.BF16) && k > 0 && k <= maxFloats && (l >= AVX512 || l == AVX2 && k%16 == 0)
}

// floatTokens is the number of activations that stay in the cache while the rows
// pass: half a megabyte.
const floatTokens = 1 << 17

func floats(l Level, y []float32, stride int, t quant.Type, w []byte, rows int, x []float32, tokens, k int, scale float32) bool {
	row := len(w) / rows
	a := dots{
		stride: uintptr(row), xStride: uintptr(4 * k), yStride: uintptr(4 * stride),
		steps: k / 16, tail: uint16(1<<(k%16) - 1), scale: scale,
	}
	if l < AVX512 {
		floatsAVX2(a, y, stride, t, w, rows, x, tokens)
		return true
	}
	// The last group overlaps the one before it where the numbers do not fit.
	switch {
	case tokens == 1 && scale == 1 && canStreamFloats(t, rows, k): // not keys: those are in the cache
		floatsStreamed(y, t, w, rows, x)
	case tokens == 1 && rows >= 16:
		a.rows = 0xffff
		a.x = unsafe.Pointer(&x[0])
		for r := 0; r < rows; r += 16 {
			r := min(r, rows-16)
			a.w, a.y = unsafe.Pointer(&w[r*row]), unsafe.Pointer(&y[r])
			dot16(&a, t)
		}
	case tokens >= 6 && rows >= 4:
		block := max(6, floatTokens/k/6*6)
		for lo := 0; lo < tokens; lo += block {
			hi := min(lo+block, tokens)
			for r := 0; r < rows; r += 4 {
				r := min(r, rows-4)
				a.w = unsafe.Pointer(&w[r*row])
				for tok := lo; tok < hi; tok += 6 {
					tok := min(tok, tokens-6)
					a.x, a.y = unsafe.Pointer(&x[tok*k]), unsafe.Pointer(&y[tok*stride+r])
					dot24(&a, t)
				}
			}
		}
	case tokens > 1 && rows >= 8:
		a.rows = 0xff
		block := max(2, floatTokens/k&^1)
		for lo := 0; lo < tokens; lo += block {
			hi := min(lo+block, tokens)
			for r := 0; r < rows; r += 8 {
				r := min(r, rows-8)
				a.w = unsafe.Pointer(&w[r*row])
				for tok := lo; tok < hi; tok += 2 {
					tok := min(tok, tokens-2)
					a.x, a.y = unsafe.Pointer(&x[tok*k]), unsafe.Pointer(&y[tok*stride+r])
					dot8(&a, t)
				}
			}
		}
	default: // a row at a time, 16 times the same
		a.stride, a.rows = 0, 1
		for r := range rows {
			a.w = unsafe.Pointer(&w[r*row])
			for tok := range tokens {
				a.x, a.y = unsafe.Pointer(&x[tok*k]), unsafe.Pointer(&y[tok*stride+r])
				dot16(&a, t)
			}
		}
	}
	return true
}

// floatsAVX2 multiplies 4 rows with a token at a time.
func floatsAVX2(a dots, y []float32, stride int, t quant.Type, w []byte, rows int, x []float32, tokens int) {
	row, k, group := len(w)/rows, len(x)/tokens, 4
	if a.rows = 4; rows < 4 {
		a.stride, a.rows, group = 0, 1, 1
	}
	if tokens == 1 && group == 4 && a.scale == 1 { // not keys: those are in the cache
		a.x, a.ahead = unsafe.Pointer(&x[0]), uintptr(3*row+4096)
		for r := 0; r < rows; r += 4 {
			r := min(r, rows-4)
			a.w, a.y = unsafe.Pointer(&w[r*row]), unsafe.Pointer(&y[r])
			switch t {
			case quant.F32:
				stream4F32AVX2(&a)
			case quant.F16:
				stream4F16AVX2(&a)
			default:
				stream4BF16AVX2(&a)
			}
		}
		return
	}
	block := max(1, floatTokens/k)
	for lo := 0; lo < tokens; lo += block {
		for r := 0; r < rows; r += group {
			r := min(r, rows-group)
			a.w = unsafe.Pointer(&w[r*row])
			for tok := lo; tok < min(lo+block, tokens); tok++ {
				a.x, a.y = unsafe.Pointer(&x[tok*k]), unsafe.Pointer(&y[tok*stride+r])
				switch t {
				case quant.F32:
					dot4F32AVX2(&a)
				case quant.F16:
					dot4F16AVX2(&a)
				default:
					dot4BF16AVX2(&a)
				}
			}
		}
	}
}

func dot16(a *dots, t quant.Type) {
	switch t {
	case quant.F32:
		dot16F32AVX512(a)
	case quant.F16:
		dot16F16AVX512(a)
	default:
		dot16BF16AVX512(a)
	}
}

func dot24(a *dots, t quant.Type) {
	switch t {
	case quant.F32:
		dot24F32AVX512(a)
	case quant.F16:
		dot24F16AVX512(a)
	default:
		dot24BF16AVX512(a)
	}
}

func dot8(a *dots, t quant.Type) {
	switch t {
	case quant.F32:
		dot8F32AVX512(a)
	case quant.F16:
		dot8F16AVX512(a)
	default:
		dot8BF16AVX512(a)
	}
}

func scores(l Level, s []float32, stride int, q, k []float32, queries, n, dim int, scale float32) bool {
	w := unsafe.Slice((*byte)(unsafe.Pointer(&k[0])), 4*len(k))
	return floats(l, s, stride, quant.F32, w, n, q, queries, dim, scale)
}

// weights is what the assembly of P·V reads.
type weights struct {
	o       unsafe.Pointer // first query's, at the first of 64 values
	oStride uintptr        // bytes from query to query
	p       unsafe.Pointer
	pStride uintptr
	v       unsafe.Pointer
	vStride uintptr
	n       int       // positions
	dims    [4]uint16 // which of the 64 values
}

//go:noescape
func weigh64AVX2(a *weights)

//go:noescape
func weigh16AVX2(a *weights)

//go:noescape
func weigh4AVX512(a *weights)

//go:noescape
func weigh1AVX512(a *weights)

func weigh(l Level, o, p []float32, stride int, v []float32, queries, n, dim int) bool {
	a := weights{oStride: uintptr(4 * dim), pStride: uintptr(4 * stride), vStride: uintptr(4 * dim), n: n}
	if l < AVX512 {
		for i := range queries {
			a.p = unsafe.Pointer(&p[i*stride])
			for d := 0; d < dim; {
				a.o, a.v = unsafe.Pointer(&o[i*dim+d]), unsafe.Pointer(&v[d])
				if dim-d >= 64 {
					weigh64AVX2(&a)
					d += 64
				} else {
					weigh16AVX2(&a)
					d += 16
				}
			}
		}
		return true
	}
	for d := 0; d < dim; d += 64 {
		mask := uint64(1)<<min(64, dim-d) - 1
		a.dims = [4]uint16{uint16(mask), uint16(mask >> 16), uint16(mask >> 32), uint16(mask >> 48)}
		a.v = unsafe.Pointer(&v[d])
		for i := 0; i < queries; {
			a.o, a.p = unsafe.Pointer(&o[i*dim+d]), unsafe.Pointer(&p[i*stride])
			if queries-i >= 4 {
				weigh4AVX512(&a)
				i += 4
			} else {
				weigh1AVX512(&a)
				i++
			}
		}
	}
	return true
}
