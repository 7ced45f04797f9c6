package kernel

import (
	"math"
	"unsafe"

	"github.com/qwq-edge/qwq/arm"
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/x86"
	"github.com/qwq-edge/qwq/quant"
)

var negInf = float32(math.Inf(-1))

// The switches between the ladders, see the package comment. Each is passed once
// per row or range of rows.

// f16 widens a row of halves.
func (v variant) f16(dst []float32, src []byte) {
	switch {
	case v.arm != arm.None:
		arm.F16ToF32(dst, src)
	case v.x86 != x86.None:
		x86.F16ToF32(dst, src)
	default:
		ref.F16ToF32(dst, src)
	}
}

// encode rounds a row to type t, or returns false.
func (v variant) encode(dst []byte, t quant.Type, src []float32) bool {
	return v.x86 != x86.None && x86.Encode(v.x86, dst, t, src) || v.arm != arm.None && arm.Encode(v.arm, dst, t, src)
}

// can reports whether there is a kernel for rows of k weights of type t; else
// they are multiplied by arm/ref.
func (v variant) can(t quant.Type, k int) bool {
	return v.x86 != x86.None && x86.Can(v.x86, t, k) || v.arm != arm.None && arm.Can(v.arm, t, k)
}

// integers multiplies rows rows of w, of a type that can holds for, with all
// tokens.
func (w *worker) integers(y []float32, stride int, t quant.Type, data []byte, rows int, a acts) {
	v := w.pool.variant
	if v.arm != arm.None {
		if !arm.Integers(v.arm, y, stride, t, data, rows, arm.Acts{Tokens: a.Tokens, Blocks: a.Blocks, Q: a.Q, D: a.D, Sum: a.Sum}, w.scratch(arm.ScratchBytes(v.arm, t, a.Blocks*32, a.Tokens))) {
			panic("kernel: no kernel for " + t.String())
		}
		return
	}
	if !x86.Integers(v.x86, y, stride, t, data, rows, x86.Acts(a), w.scratch(x86.ScratchBytes(v.x86, t, a.Blocks*32))) {
		panic("kernel: no kernel for " + t.String())
	}
}

// scratch returns n bytes at an address that is a multiple of 64.
func (w *worker) scratch(n int) []byte {
	if n == 0 {
		return nil
	}
	if len(w.packed) < n {
		buf := make([]byte, n+63)
		w.packed = buf[-uintptr(unsafe.Pointer(&buf[0]))&63:]
	}
	return w.packed[:n]
}

// quantize fills the codes of a, which have their lengths, from x; see
// ref.Act.Quantize.
func (v variant) quantize(a *ref.Act, x []float32) int {
	if v.arm != arm.None {
		if bad, ok := arm.Quantize(v.arm, a.Q, a.D, a.Sum, x); ok {
			return bad
		}
	} else if bad, ok := x86.Quantize(v.x86, a.Q, a.D, a.Sum, x); ok {
		return bad
	}
	return a.Quantize(x)
}

// canFloats is can for float activations; t is F32, F16 or BF16.
func (v variant) canFloats(t quant.Type, k int) bool {
	return v.x86 != x86.None && x86.CanFloats(v.x86, t, k) || v.arm != arm.None && arm.CanFloats(v.arm, t, k)
}

// padded is k, or where the kernels want whole steps of 16 and k ends within one, the
// next multiple: rows are widened and padded with zeros, as arm/ref does it.
func (v variant) padded(k int) int {
	if n := (k + 15) &^ 15; !v.canFloats(quant.F32, k) && v.canFloats(quant.F32, n) {
		return n
	}
	return k
}

// floatRows multiplies rows rows of data, of a type that canFloats holds for,
// with all tokens. x: [tokens, k]
func (w *worker) floatRows(y []float32, stride int, t quant.Type, data []byte, rows int, x F32) {
	v, ok := w.pool.variant, false
	if v.arm != arm.None {
		ok = arm.Floats(v.arm, y, stride, t, data, rows, x.Data, x.Rows, w.scratch(arm.ScratchBytes(v.arm, t, x.Cols, x.Rows)))
	} else {
		ok = x86.Floats(v.x86, y, stride, t, data, rows, x.Data, x.Rows)
	}
	if !ok {
		panic("kernel: no kernel for " + t.String())
	}
}

// stripFloats is how many float32 the activations of a product of float rows with
// many tokens take when they are packed for tiles; 0: they are not.
func (v variant) stripFloats(t quant.Type, tokens, k int) int {
	if v.x86 == x86.None {
		return 0
	}
	return x86.StripFloats(v.x86, t, tokens, k)
}

func (v variant) packStrips(dst []float32, x F32, lo, hi int) {
	x86.PackStrips(v.x86, dst, x.Data, x.Rows, x.Cols, lo, hi)
}

// stripRows is floatRows of at least x86.StripRows rows with packed tokens.
func (w *worker) stripRows(y []float32, stride int, t quant.Type, data []byte, rows int) {
	s := &w.pool.act
	if !x86.Strips(w.pool.variant.x86, y, stride, t, data, rows, s.strips, s.x.Rows, s.x.Cols, w.scratch(x86.StripBytes(s.x.Cols))) {
		panic("kernel: no kernel for " + t.String())
	}
}

// scores is s[i·stride+j] = (q[i]·k[j])·scale, or false.
func (v variant) scores(s []float32, stride int, q, k []float32, dim int, scale float32) bool {
	if v.arm != arm.None {
		return arm.Scores(v.arm, s, stride, q, k, dim, scale)
	}
	return v.x86 != x86.None && x86.Scores(v.x86, s, stride, q, k, dim, scale)
}

// weigh is o[i] = FMA(p[i·stride+j], v[j], o[i]) over j, or false.
func (v variant) weigh(o, p []float32, stride int, values []float32, dim int) bool {
	if v.x86 != x86.None {
		return x86.Weigh(v.x86, o, p, stride, values, dim)
	}
	return v.arm != arm.None && arm.Weigh(v.arm, o, p, stride, values, dim)
}

// expSum replaces s[from:to] by e^(s-m'), m' being the larger of m and their
// largest; it returns m' and the sum, whose lanes are i mod 16. What else s holds
// is lost.
func (v variant) expSum(s *[ref.PagePositions]float32, from, to int, m float32) (float32, float32) {
	if v.x86 != x86.None || v.arm != arm.None {
		lo, hi := from&^15, (to+15)&^15
		for i := lo; i < from; i++ {
			s[i] = negInf
		}
		for i := to; i < hi; i++ {
			s[i] = negInf
		}
		if m, sum, ok := x86.ExpSum(v.x86, s[lo:hi], m); ok {
			return m, sum
		}
		if m, sum, ok := arm.ExpSum(v.arm, s[lo:hi], m); ok {
			return m, sum
		}
	}
	for _, x := range s[from:to] {
		m = max(m, x)
	}
	var lanes [16]float32
	for i := from; i < to; i++ {
		s[i] = ref.Exp(s[i] - m)
		lanes[i&15] += s[i]
	}
	return m, ref.Tree(&lanes)
}

// soften brings positions from to to of a page into the softmax states i to n, whose
// scores are in s: [states, 64].
func (v variant) soften(st *states, s []float32, i, n, from, to int) {
	s = s[i*ref.PagePositions : n*ref.PagePositions]
	m, l := st.m[i:n], st.l[i:n]
	if v.x86 != x86.None && x86.Soften(v.x86, s, ref.PagePositions, from, to, m, l, st.o[i*st.dim:n*st.dim], st.dim) {
		return
	}
	for j := range m {
		top, sum := v.expSum((*[ref.PagePositions]float32)(s[j*ref.PagePositions:]), from, to, m[j])
		st.scale(v, i+j, ref.Exp(m[j]-top))
		m[j] = top
		l[j] += sum
	}
}

// silu is y = x/(1+e^-x), times up where that is not nil.
func (v variant) silu(y, x, up []float32) {
	switch {
	case v.x86 != x86.None && x86.SiLU(v.x86, y, x, up):
		return
	case v.arm != arm.None && arm.SiLU(v.arm, y, x, up):
		return
	default:
		for i, f := range x {
			y[i] = ref.SiLU(f)
		}
	}
	if up != nil {
		v.mul(y, up)
	}
}

// siluRows is silu of n values in each of some rows, which begin yStride values
// apart in y and xStride in x and up.
func (v variant) siluRows(y []float32, yStride int, x, up []float32, xStride, n, rows int) {
	if v.x86 != x86.None && x86.SiLURows(v.x86, y, yStride, x, up, xStride, n, rows) {
		return
	}
	for i := range rows {
		v.silu(y[i*yStride:][:n], x[i*xStride:][:n], up[i*xStride:][:n])
	}
}

func (v variant) mul(y, x []float32) {
	if v.arm != arm.None && arm.Mul(v.arm, y, x) || v.x86 != x86.None && x86.Mul(v.x86, y, x) {
		return
	}
	for i, f := range x {
		y[i] *= f
	}
}

// add is y += x.
func (v variant) add(y, x []float32) {
	if v.x86 != x86.None && x86.Add(v.x86, y, x) || v.arm != arm.None && arm.Add(v.arm, y, x) {
		return
	}
	for i, f := range x {
		y[i] += f
	}
}

// scale is y = x·a; y may be x.
func (v variant) scale(y, x []float32, a float32) {
	if v.arm != arm.None && arm.Scale(v.arm, y, x, a) || v.x86 != x86.None && x86.Scale(v.x86, y, x, a) {
		return
	}
	for i, f := range x {
		y[i] = f * a
	}
}

func (v variant) rmsNorm(y, x, w []float32, eps float32) {
	if v.arm != arm.None && arm.RMSNorm(v.arm, y, x, w, eps) || v.x86 != x86.None && x86.RMSNorm(v.x86, y, x, w, eps) {
		return
	}
	ref.RMSNorm(y, x, w, eps)
}

// layerNorm is ref.LayerNorm.
func (v variant) layerNorm(y, x, w, b []float32, eps float32) {
	if v.arm != arm.None && arm.LayerNorm(v.arm, y, x, w, b, eps) || v.x86 != x86.None && x86.LayerNorm(v.x86, y, x, w, b, eps) {
		return
	}
	ref.LayerNorm(y, x, w, b, eps)
}

// gelu is ref.GELU, or its tanh form.
func (v variant) gelu(y, x []float32, tanh bool) {
	if v.arm != arm.None && arm.GELU(v.arm, y, x, tanh) || v.x86 != x86.None && x86.GELU(v.x86, y, x, tanh) {
		return
	}
	f := ref.GELU
	if tanh {
		f = ref.GELUTanh
	}
	for i, x := range x {
		y[i] = f(x)
	}
}

func (v variant) rotate(x, cos, sin []float32, neox bool) {
	if v.arm != arm.None && arm.Rotate(v.arm, x, cos, sin, neox) || v.x86 != x86.None && x86.Rotate(v.x86, x, cos, sin, neox) {
		return
	}
	ref.Rotate(x, cos, sin, neox)
}

func (v variant) softmax(x []float32) {
	if v.arm != arm.None && arm.Softmax(v.arm, x) || v.x86 != x86.None && x86.Softmax(v.x86, x) {
		return
	}
	ref.Softmax(x)
}

// dequantize is y = the values of row, or false.
func (v variant) dequantize(y []float32, t quant.Type, row []byte) bool {
	return v.x86 != x86.None && x86.Dequantize(v.x86, y, t, row) || v.arm != arm.None && arm.Dequantize(v.arm, y, t, row)
}
