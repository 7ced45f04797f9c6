//go:build !noasm

package arm

import (
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

func floats(y []float32, stride int, t quant.Type, w []byte, rowBytes, rows int, x []float32, tokens int, scratch []byte) {
	k := len(x) / tokens
	if tokens <= inPlace || t != quant.F32 && floatScratch(t, k) == 0 {
		for i := range tokens {
			dotRows(y[i*stride:i*stride+rows], t, w, rowBytes, &x[i*k], k)
		}
		return
	}
	for r := 0; r < rows; r += 8 {
		n := min(8, rows-r)
		src := (*float32)(unsafe.Pointer(&w[r*rowBytes]))
		if t != quant.F32 {
			src = (*float32)(unsafe.Pointer(&scratch[0]))
			widen(unsafe.Slice(src, n*k), t, w[r*rowBytes:(r+n)*rowBytes])
		}
		for i := 0; i < tokens; i += 2 {
			j := min(i+1, tokens-1)
			pairs(y[i*stride+r:][:n], y[j*stride+r:][:n], &x[i*k], &x[j*k], src, k, 1)
		}
	}
}

// widen makes float32 of halves or bfloat16.
func widen(dst []float32, t quant.Type, src []byte) {
	if t == quant.F16 {
		f16ToF32(dst, src)
	} else {
		bf16ToF32(dst, src)
	}
}

// dotRows multiplies rows with one token, four at a time.
func dotRows(dst []float32, t quant.Type, w []byte, stride int, x *float32, k int) {
	if len(dst) < 4 {
		for i := range dst {
			var y [4]float32 // one row, four times
			dotCall(t, &y[0], &w[i*stride], 0, x, k, 1)
			dst[i] = y[0]
		}
		return
	}
	step := max(1, gemvWeights/2/(4*k))
	for g := 0; g < len(dst)/4; g += step {
		dotCall(t, &dst[4*g], &w[4*g*stride], stride, x, k, min(step, len(dst)/4-g))
	}
	if len(dst)%4 != 0 {
		i := len(dst) - 4
		dotCall(t, &dst[i], &w[i*stride], stride, x, k, 1)
	}
}

func dotCall(t quant.Type, dst *float32, w *byte, stride int, x *float32, k, groups int) {
	switch t {
	case quant.F32:
		dotF32NEON(dst, w, stride, x, k, groups)
	case quant.F16:
		dotF16NEON(dst, w, stride, x, k, groups)
	case quant.BF16:
		dotBF16NEON(dst, w, stride, x, k, groups)
	}
}

// pairs is two rows q times the len(s0) adjacent rows of k.
func pairs(s0, s1 []float32, q0, q1, k *float32, dim int, scale float32) {
	n := len(s0)
	if n == 1 {
		var y [4]float32
		productsNEON(&y[0], &y[2], q0, q1, k, 0, dim, 1, scale)
		s0[0], s1[0] = y[0], y[2]
		return
	}
	productsNEON(&s0[0], &s1[0], q0, q1, k, 4*dim, dim, n/2, scale)
	if n%2 != 0 {
		last := (*float32)(unsafe.Add(unsafe.Pointer(k), 4*dim*(n-2)))
		productsNEON(&s0[n-2], &s1[n-2], q0, q1, last, 4*dim, dim, 1, scale)
	}
}

func scores(s []float32, stride int, q, k []float32, dim int, scale float32) bool {
	if dim%16 != 0 || dim > gemvWeights {
		return false
	}
	n, keys, step := len(q)/dim, len(k)/dim, gemvWeights/dim
	for at := 0; at < keys; at += step { // a call into assembly is short
		some := min(step, keys-at)
		for i := 0; i < n; i += 2 {
			j := min(i+1, n-1)
			pairs(s[i*stride+at:][:some], s[j*stride+at:][:some], &q[i*dim], &q[j*dim], &k[at*dim], dim, scale)
		}
	}
	return true
}

func weigh(o, p []float32, stride int, v []float32, dim int) bool {
	if dim%16 != 0 || dim > gemvWeights {
		return false
	}
	for n := gemvWeights / dim; len(v) > n*dim; v, p = v[n*dim:], p[n:] { // a call into assembly is short
		weighPage(o, p, stride, v[:n*dim], dim)
	}
	weighPage(o, p, stride, v, dim)
	return true
}

func weighPage(o, p []float32, stride int, v []float32, dim int) {
	n := len(v) / dim
	if n == 0 {
		return
	}
	for i := 0; i*dim < len(o); i++ {
		o, p := o[i*dim:(i+1)*dim], p[i*stride:]
		d := 0
		for ; d+64 <= dim; d += 64 {
			weigh64NEON(&o[d], &p[0], &v[d], 4*dim, n)
		}
		for ; d < dim; d += 16 {
			weigh16NEON(&o[d], &p[0], &v[d], 4*dim, n)
		}
	}
}

// The products of 4·groups rows, stride bytes apart, with x; k is a multiple of
// 16, groups is positive.

//go:noescape
func dotF32NEON(dst *float32, w *byte, stride int, x *float32, k, groups int)

//go:noescape
func dotF16NEON(dst *float32, w *byte, stride int, x *float32, k, groups int)

//go:noescape
func dotBF16NEON(dst *float32, w *byte, stride int, x *float32, k, groups int)

// productsNEON multiplies q0 and q1 with 2·pairs rows of k, step bytes apart.
//
//go:noescape
func productsNEON(s0, s1, q0, q1, k *float32, step, dim, pairs int, scale float32)

// weigh64NEON adds n rows of 64 values, step bytes apart, times p.
//
//go:noescape
func weigh64NEON(o, p, v *float32, step, n int)

// weigh16NEON adds n rows of 16 values, step bytes apart, times p.
//
//go:noescape
func weigh16NEON(o, p, v *float32, step, n int)

// floatScratch is eight rows of float32, where more than one token is multiplied
// with rows that have to be widened.
func floatScratch(t quant.Type, k int) int {
	if t == quant.F32 || 32*k > 1<<20 {
		return 0
	}
	return 32 * k
}
