package kernel

import (
	"fmt"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/x86"
	"github.com/qwq-edge/qwq/quant"
)

// panel is the number of weight rows that arm/ref unpacks together; all tokens of
// a call are multiplied with a panel while its rows are in the cache. gatePanel is
// the number of rows whose gate and up are computed before they are joined.
const (
	panel     = 8
	gatePanel = 64
)

// scratch is what a pool keeps between calls, reused and never shrunk.
type scratch struct {
	acts acts       // quantized activations
	act  []ref.Act  // per token: views of acts, and what arm/ref multiplies with
	wide []ref.Wide // per token: float activations
	bad  []int      // per token: column of the first non-finite value, or -1

	strips []float32 // float activations packed for tiles; empty: none wants them
	padded []float32 // float activations with zeros up to variant.padded columns

	variant variant
	y       []F32
	x       F32
	w       []quant.Matrix
	fuse    Fuse
	needs   needs
	total   int  // outputs per token
	ready   bool // acts are x's already

	fnPrepare, fnPack, fnRows func(worker, lo, hi int)
}

// needs says which forms of the activations a call's matrices multiply.
type needs struct{ codes, pairs, quads, wide, padded bool }

// local is one worker's scratch.
type local struct {
	rows     [panel]ref.Row
	f32      []float32 // a row widened or decoded
	packed   []byte    // of scratch
	gate, up []float32 // [tokens, gatePanel]
	attn     attnLocal
	grad     gradLocal
}

// MatMul computes y[i] = x·w[i]ᵀ (+ bias) for every weight matrix; with GateUp
// y[0] alone, see Fuse. x: [tokens, k]; w[i]: [rows, k]; y[i]: [tokens, rows],
// which must not overlap x. x is quantized once for all matrices of quantized
// types; F32, F16 and BF16 matrices and all matrices in a Precise call are
// multiplied in float32. A row of y does not depend on the other rows.
//
// Errors: shapes that do not match, a type without a decoder, an activation that
// is infinite or NaN (naming row and column), memory that cannot be read.
func (p *Pool) MatMul(y []F32, x F32, w []quant.Matrix, f Fuse) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := checkMatMul(y, x, w, f); err != nil || x.Rows == 0 {
		return err
	}
	s := &p.act
	s.y, s.x, s.w, s.fuse = y, x, w, f
	defer s.release()
	s.needs, s.total, s.strips = needs{}, 0, s.strips[:0]
	for _, m := range w {
		s.total += m.Rows
		s.needs.add(p.variant, m, f.Precise)
		if n := p.variant.stripFloats(m.Type, x.Rows, x.Cols); n > 0 && !f.Precise {
			s.strips = grow(s.strips, n)
		}
	}
	if f.GateUp != None {
		s.total = w[0].Rows
	}
	if err := p.prepare(); err != nil {
		return err
	}
	return p.run(s.total, s.grain(p.Active()), s.fnRows)
}

// release drops the references to the caller's memory.
func (s *scratch) release() {
	s.y, s.x, s.w, s.fuse = nil, F32{}, nil, Fuse{}
}

func (n *needs) add(v variant, m quant.Matrix, precise bool) {
	integer, pairs := ref.Integer(m.Type)
	switch {
	case precise || !integer:
		switch {
		case v.canFloats(floatType(m.Type), m.Cols):
		case v.padded(m.Cols) > m.Cols:
			n.padded = true
		default:
			n.wide = true
		}
		return
	case v.can(m.Type, m.Cols):
	case pairs:
		n.pairs = true
	default:
		n.quads = true
	}
	n.codes = true
}

// floatType is the type that a row is multiplied as in float32.
func floatType(t quant.Type) quant.Type {
	if t == quant.F16 || t == quant.BF16 {
		return t
	}
	return quant.F32
}

func checkMatMul(y []F32, x F32, w []quant.Matrix, f Fuse) error {
	outs := len(w)
	if f.GateUp != None {
		if len(w) != 2 || w[0].Rows != w[1].Rows {
			return fmt.Errorf("kernel: matmul: gate and up must be two matrices of one shape, got %d", len(w))
		}
		outs = 1
	}
	if len(y) != outs || len(f.Bias) != 0 && len(f.Bias) != len(w) {
		return fmt.Errorf("kernel: matmul: %d matrices with %d outputs and %d biases", len(w), len(y), len(f.Bias))
	}
	if err := checkF32("x", x); err != nil {
		return err
	}
	for i, m := range w {
		n, ok := m.Type.RowBytes(m.Cols)
		switch {
		case !m.Type.CanDecode():
			return fmt.Errorf("kernel: matmul: matrix %d has type %v, which cannot be computed with", i, m.Type)
		case m.Cols != x.Cols:
			return fmt.Errorf("kernel: matmul: matrix %d has %d columns, the activations %d", i, m.Cols, x.Cols)
		case !ok || m.Rows < 0 || len(m.Data) != m.Rows*n:
			return fmt.Errorf("kernel: matmul: matrix %d: %v [%d, %d] with %d bytes", i, m.Type, m.Rows, m.Cols, len(m.Data))
		case len(f.Bias) != 0 && f.Bias[i] != nil && len(f.Bias[i]) != m.Rows:
			return fmt.Errorf("kernel: matmul: matrix %d has %d rows, its bias %d values", i, m.Rows, len(f.Bias[i]))
		}
		if i < outs {
			if y[i].Rows != x.Rows || y[i].Cols != m.Rows {
				return fmt.Errorf("kernel: matmul: output %d is [%d, %d], want [%d, %d]", i, y[i].Rows, y[i].Cols, x.Rows, m.Rows)
			}
			if err := checkF32("y", y[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkF32(what string, m F32) error {
	if m.Rows < 0 || m.Cols < 0 || len(m.Data) != m.Rows*m.Cols {
		return fmt.Errorf("kernel: %s is [%d, %d] with %d values", what, m.Rows, m.Cols, len(m.Data))
	}
	return nil
}

// prepare brings the activations into the forms that the matrices need.
func (p *Pool) prepare() error {
	s := &p.act
	n := s.x.Rows
	s.room(n)
	grain := 1
	if n*s.x.Cols < 1<<13 {
		grain = n
	}
	s.ready = p.holds(s.fuse.Acts, s.x)
	if s.needs.codes && !s.ready {
		s.view(n, s.x.Cols)
	}
	if s.needs.padded {
		s.padded = grow(s.padded, n*s.variant.padded(s.x.Cols))
	}
	if !s.ready || s.needs.pairs || s.needs.quads || s.needs.wide || s.needs.padded {
		if err := p.run(n, grain, s.fnPrepare); err != nil {
			return err
		}
	}
	for t, col := range s.bad[:n] {
		if col >= 0 {
			return fmt.Errorf("kernel: matmul: activation row %d, column %d is %v", t, col, s.x.At(t)[col])
		}
	}
	if len(s.strips) > 0 {
		return p.run((n+3)/4, 1, s.fnPack)
	}
	return nil
}

func (s *scratch) prepareTokens(_, lo, hi int) {
	for t := lo; t < hi; t++ {
		x := s.x.At(t)
		switch {
		case s.ready:
		case s.needs.codes:
			s.bad[t] = s.quantize(t, x)
		default:
			s.bad[t] = quant.FirstNonFinite(x)
		}
		if s.needs.pairs {
			s.act[t].Pairs()
		}
		if s.needs.quads {
			s.act[t].Quads()
		}
		if s.needs.wide {
			s.wide[t].Widen(x)
		}
		if s.needs.padded {
			n := s.variant.padded(len(x))
			pad(s.padded[t*n:(t+1)*n], x)
		}
	}
}

// packStrips packs quads lo to hi of the tokens.
func (s *scratch) packStrips(_, lo, hi int) { s.variant.packStrips(s.strips, s.x, lo, hi) }

// grain is the number of outputs that a thread takes at a time: about four million
// products (130,000 of arm/ref's), but four ranges per thread where the rows are
// enough; everything where a dispatch costs more than it saves.
func (s *scratch) grain(threads int) int {
	work := max(s.x.Cols*s.x.Rows, 1)
	if work*s.total < 1<<14 {
		return s.total
	}
	if s.needs.pairs || s.needs.quads || s.needs.wide {
		return min(max((1<<17)/work&^15, 16), 256)
	}
	return max(min((1<<22)/work, s.total/(4*threads))&^31, 32)
}

// compute is the job: outputs lo to hi, counted over all matrices.
func (p *Pool) compute(worker, lo, hi int) {
	s, w := &p.act, p.workers[worker]
	if s.fuse.GateUp != None {
		w.gateUp(lo, hi)
		return
	}
	for i, m := range s.w {
		if lo < m.Rows && hi > 0 {
			w.rowRange(i, max(lo, 0), min(hi, m.Rows))
		}
		lo, hi = lo-m.Rows, hi-m.Rows
	}
}

// rowRange computes rows lo to hi of matrix i for all tokens.
func (w *worker) rowRange(i, lo, hi int) {
	y := w.pool.act.y[i]
	w.product(y.Data[lo:], y.Cols, i, lo, hi-lo)
}

// gateUp computes outputs lo to hi of act(x·gateᵀ) * (x·upᵀ).
func (w *worker) gateUp(lo, hi int) {
	s := &w.pool.act
	tokens, y := s.x.Rows, s.y[0]
	w.gate, w.up = grow(w.gate, tokens*gatePanel), grow(w.up, tokens*gatePanel)
	for ; lo < hi; lo += gatePanel {
		n := min(gatePanel, hi-lo)
		w.product(w.gate, gatePanel, 0, lo, n)
		w.product(w.up, gatePanel, 1, lo, n)
		dst := y.Data[lo:]
		if s.fuse.GateUp == SiLU {
			s.variant.siluRows(dst, y.Cols, w.gate, w.up, gatePanel, n, tokens)
			continue
		}
		for t := range tokens {
			dst := dst[t*y.Cols:][:n]
			s.variant.activate(dst, w.gate[t*gatePanel:][:n], s.fuse.GateUp)
			s.variant.mul(dst, w.up[t*gatePanel:][:n])
		}
	}
}

// product writes dst[t·stride+j] = x[t]·w[i][lo+j] (+ bias) for n rows.
func (w *worker) product(dst []float32, stride, i, lo, n int) {
	s := &w.pool.act
	m := s.w[i]
	integer, _ := ref.Integer(m.Type)
	switch row := m.RowBytes(); {
	case integer && !s.fuse.Precise && w.pool.variant.can(m.Type, m.Cols):
		w.integers(dst, stride, m.Type, m.Data[lo*row:(lo+n)*row], n, s.acts)
	case integer && !s.fuse.Precise:
		for j := 0; j < n; j += panel {
			w.refIntegers(dst[j:], stride, m, lo+j, min(panel, n-j))
		}
	default:
		w.floats(dst, stride, m, lo, n)
	}
	if len(s.fuse.Bias) == 0 || s.fuse.Bias[i] == nil {
		return
	}
	bias := s.fuse.Bias[i][lo : lo+n]
	for t := range s.x.Rows {
		w.pool.variant.add(dst[t*stride:][:n], bias)
	}
}

// refIntegers multiplies up to panel rows by arm/ref.
func (w *worker) refIntegers(dst []float32, stride int, m quant.Matrix, lo, n int) {
	act := w.pool.act.act[:w.pool.act.x.Rows]
	if m.Type == quant.Q8_0 && len(act) == 1 {
		for j := range n {
			dst[j] = ref.DotQ8_0(m.Row(lo+j), &act[0])
		}
		return
	}
	for j := range n {
		w.rows[j].Unpack(m.Type, m.Row(lo+j))
		if len(act) > 1 {
			w.rows[j].Spread()
		}
	}
	for t := range act {
		y := dst[t*stride:][:n]
		for j := range y {
			y[j] = w.rows[j].Dot(&act[t])
		}
	}
}

func (w *worker) floats(dst []float32, stride int, m quant.Matrix, lo, n int) {
	s := &w.pool.act
	row, as := m.RowBytes(), floatType(m.Type)
	switch {
	case s.needs.padded:
		k := w.pool.variant.padded(m.Cols)
		w.f32Rows(dst, stride, m, lo, n, F32{s.x.Rows, k, s.padded})
	case !w.pool.variant.canFloats(as, m.Cols):
		w.f32 = grow(w.f32, m.Cols)
		for j := range n {
			exp := w.widen(w.f32, m.Type, m.Row(lo+j))
			for t := range s.x.Rows {
				dst[t*stride+j] = ref.Dot(w.f32, exp, &s.wide[t])
			}
		}
	case as == m.Type && len(s.strips) > 0 && n >= x86.StripRows:
		w.stripRows(dst, stride, as, m.Data[lo*row:(lo+n)*row], n)
	case as == m.Type:
		w.floatRows(dst, stride, as, m.Data[lo*row:(lo+n)*row], n, s.x)
	default: // precise
		w.f32Rows(dst, stride, m, lo, n, s.x)
	}
}

// paddedValues is how many values of padded rows are kept: a quarter of a megabyte.
const paddedValues = 1 << 16

// f32Rows widens n rows, a few at a time, to the columns of x, zeros at the end, and
// multiplies them.
func (w *worker) f32Rows(dst []float32, stride int, m quant.Matrix, lo, n int, x F32) {
	k := x.Cols
	group := 16
	if k > m.Cols {
		group = min(16, max(4, paddedValues/k)) // those kernels take four at a time
	}
	w.f32 = grow(w.f32, group*k)
	for at := 0; at < n; at += group {
		rows := min(group, n-at)
		for j := range rows {
			row := w.f32[j*k : (j+1)*k]
			w.values(row[:m.Cols], m.Type, m.Row(lo+at+j))
			clear(row[m.Cols:])
		}
		w.floatRows(dst[at:], stride, quant.F32, bytesOf(w.f32[:rows*k]), rows, x)
	}
}

// pad is dst = x and zeros.
func pad(dst, x []float32) { clear(dst[copy(dst, x):]) }

// widen writes a row's values and returns a lower bound of their exponents, which
// arm/ref wants to know.
func (w *worker) widen(dst []float32, t quant.Type, row []byte) int {
	w.values(dst, t, row)
	switch t {
	case quant.F32:
		return ref.ExpF32(row)
	case quant.F16:
		return ref.ExpF16
	case quant.BF16:
		return ref.ExpBF16(row)
	}
	return ref.MinExp(dst)
}

// values writes a row's values.
func (w *worker) values(dst []float32, t quant.Type, row []byte) {
	switch {
	case t == quant.F32:
		copyF32(dst, row)
	case t == quant.F16:
		w.pool.variant.f16(dst, row)
	case !w.pool.variant.dequantize(dst, t, row):
		if err := quant.Decode(t, dst, row); err != nil {
			panic(fmt.Sprintf("kernel: a row that was checked cannot be decoded: %v", err))
		}
	}
}

// grow returns s with length n; its content is not kept.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
