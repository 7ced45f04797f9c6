package kernel

import (
	"fmt"

	"github.com/qwq-edge/qwq/arm"
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/x86"
	"github.com/qwq-edge/qwq/quant"
)

// gradTile is the number of query rows whose probabilities exist at a time, and
// the number of keys that are transposed at a time.
const gradTile = 64

// gradKeys bounds one call of assembly to well under 200 µs.
const gradKeys = 512

// RowSpan is a run of rows that attend to one another and to no others.
type RowSpan struct {
	N      int  // rows
	Causal bool // row i sees rows 0 to i of the span; else all
}

// attendGrad is the AttendGrad in progress. Items are (span, query head); the
// gradients of a KV head are kept per query head and added in head order.
type attendGrad struct {
	dq, dk, dv, q, k, v, dy F32
	spans                   []RowSpan
	at                      []int // first row of each span
	mask                    Mask
	dim, group              int
	wideK, wideV            []float32 // [rows, QHeads·dim], where group > 1
	fnItem, fnSum           func(worker, lo, hi int)
}

// gradLocal is one worker's scratch for a span of n rows.
type gradLocal struct {
	k, v, dk, dv []float32 // [n, dim]
	q, dy, dq    []float32 // [gradTile, dim]
	p, ds        []float32 // [gradTile, n rounded up to 16]
	pt, dst      []float32 // [gradTile keys, gradTile rows]
}

// AttendGrad is the backward of attention over the rows themselves: with
// P = softmax(Scale·q·kᵀ + mask) and y = P·v it writes
//
//	dv = Pᵀ·dy   dS = P∘(dy·vᵀ - rowsum(P∘(dy·vᵀ)))·Scale   dq = dS·k   dk = dSᵀ·q
//
// P is computed again, for 64 rows at a time. q, dy, dq: [rows, QHeads·dim];
// k, v, dk, dv: [rows, heads·dim]. The result is the same for any number of
// threads on one variant.
func (p *Pool) AttendGrad(dq, dk, dv, q, k, v, dy F32, spans []RowSpan, m Mask) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := &p.grad
	a.dq, a.dk, a.dv, a.q, a.k, a.v, a.dy, a.spans, a.mask = dq, dk, dv, q, k, v, dy, spans, m
	defer func() {
		*a = attendGrad{at: a.at[:0], wideK: a.wideK, wideV: a.wideV, fnItem: a.fnItem, fnSum: a.fnSum}
	}()
	if err := a.plan(); err != nil {
		return err
	}
	if a.fnItem == nil {
		a.fnItem, a.fnSum = p.attendGradItems, a.sumGroups
	}
	if err := p.run(len(spans)*m.QHeads, 1, a.fnItem); err != nil || a.group == 1 {
		return err
	}
	return p.run(k.Rows, 32, a.fnSum)
}

func (a *attendGrad) plan() error {
	rows := 0
	for _, s := range a.spans {
		if s.N < 0 {
			return fmt.Errorf("kernel: attention gradient: span of %d rows", s.N)
		}
		a.at = append(a.at, rows)
		rows += s.N
	}
	h := a.mask.QHeads
	if h < 1 || a.q.Cols%h != 0 || a.q.Cols == 0 || a.k.Cols == 0 || a.k.Cols%(a.q.Cols/h) != 0 || h%(a.k.Cols/(a.q.Cols/h)) != 0 {
		return fmt.Errorf("kernel: attention gradient: %d query heads in %d columns, keys of %d", h, a.q.Cols, a.k.Cols)
	}
	for _, t := range []struct{ m, like F32 }{{a.q, a.q}, {a.dy, a.q}, {a.dq, a.q}, {a.k, a.k}, {a.v, a.k}, {a.dk, a.k}, {a.dv, a.k}} {
		if t.m.Rows != rows || t.m.Cols != t.like.Cols || len(t.m.Data) != rows*t.m.Cols {
			return fmt.Errorf("kernel: attention gradient: [%d, %d] with %d values, want [%d, %d]", t.m.Rows, t.m.Cols, len(t.m.Data), rows, t.like.Cols)
		}
	}
	a.dim = a.q.Cols / h
	a.group = h / (a.k.Cols / a.dim)
	if a.group > 1 {
		a.wideK, a.wideV = grow(a.wideK, rows*a.q.Cols), grow(a.wideV, rows*a.q.Cols)
	}
	return nil
}

func (p *Pool) attendGradItems(worker, lo, hi int) {
	for i := lo; i < hi; i++ {
		p.workers[worker].gradItem(i/p.grad.mask.QHeads, i%p.grad.mask.QHeads)
	}
}

// sumGroups adds the gradients of each KV head's query heads, in order.
func (a *attendGrad) sumGroups(_, lo, hi int) {
	for r := lo; r < hi; r++ {
		for _, g := range []struct{ y, x []float32 }{{a.dk.At(r), a.wideK[r*a.q.Cols:]}, {a.dv.At(r), a.wideV[r*a.q.Cols:]}} {
			for h := 0; h < a.k.Cols; h += a.dim {
				y, x := g.y[h:h+a.dim], g.x[h*a.group:]
				copy(y, x)
				for i := 1; i < a.group; i++ {
					for c, f := range x[i*a.dim : (i+1)*a.dim] {
						y[c] += f
					}
				}
			}
		}
	}
}

// head copies columns at to at+dim of rows first to first+n of m.
func (m F32) head(dst []float32, first, n, at, dim int) {
	for r := range n {
		copy(dst[r*dim:(r+1)*dim], m.Data[(first+r)*m.Cols+at:])
	}
}

// setHead is the reverse of head.
func (m F32) setHead(src []float32, first, n, at, dim int) {
	for r := range n {
		copy(m.Data[(first+r)*m.Cols+at:][:dim], src[r*dim:(r+1)*dim])
	}
}

// gradItem is one query head of a span.
func (w *worker) gradItem(span, head int) {
	a, l := &w.pool.grad, &w.grad
	n, dim, first := a.spans[span].N, a.dim, a.at[span]
	kv := head / a.group * dim
	l.k, l.v, l.dk, l.dv = grow(l.k, n*dim), grow(l.v, n*dim), grow(l.dk, n*dim), grow(l.dv, n*dim)
	l.q, l.dy, l.dq = grow(l.q, gradTile*dim), grow(l.dy, gradTile*dim), grow(l.dq, gradTile*dim)
	stride := (n + 15) &^ 15
	l.p, l.ds = grow(l.p, gradTile*stride), grow(l.ds, gradTile*stride)
	l.pt, l.dst = grow(l.pt, gradTile*gradTile), grow(l.dst, gradTile*gradTile)
	a.k.head(l.k, first, n, kv, dim)
	a.v.head(l.v, first, n, kv, dim)
	clear(l.dk)
	clear(l.dv)
	for row := 0; row < n; row += gradTile {
		rows := min(gradTile, n-row)
		a.q.head(l.q, first+row, rows, head*dim, dim)
		a.dy.head(l.dy, first+row, rows, head*dim, dim)
		w.gradTile(a.spans[span], row, rows, stride)
		a.dq.setHead(l.dq, first+row, rows, head*dim, dim)
	}
	if a.group == 1 {
		a.dk.setHead(l.dk, first, n, kv, dim)
		a.dv.setHead(l.dv, first, n, kv, dim)
		return
	}
	F32{0, a.q.Cols, a.wideK}.setHead(l.dk, first, n, head*dim, dim)
	F32{0, a.q.Cols, a.wideV}.setHead(l.dv, first, n, head*dim, dim)
}

// sees is the range of rows that row i of a span attends to.
func (s RowSpan) sees(i, window int) (lo, hi int) {
	hi = s.N
	if s.Causal {
		hi = i + 1
	}
	if window > 0 {
		lo = max(0, i-window+1)
	}
	return lo, hi
}

// gradTile adds the part of rows row to row+rows: dq is written, dk and dv are
// added to.
func (w *worker) gradTile(s RowSpan, row, rows, stride int) {
	a, l, v, dim := &w.pool.grad, &w.grad, w.pool.variant, w.pool.grad.dim
	lo, _ := s.sees(row, a.mask.Window)
	_, hi := s.sees(row+rows-1, a.mask.Window)
	lo &^= 15
	q, dy, dq := l.q[:rows*dim], l.dy[:rows*dim], l.dq[:rows*dim]
	for j := lo; j < hi; j += gradKeys {
		end := min(j+gradKeys, hi)
		v.products(l.p[j:], stride, q, l.k[j*dim:end*dim], dim, a.mask.Scale)
		v.products(l.ds[j:], stride, dy, l.v[j*dim:end*dim], dim, 1)
	}
	for r := range rows {
		from, to := s.sees(row+r, a.mask.Window)
		v.softmaxGrad(l.p[r*stride:(r+1)*stride], l.ds[r*stride:(r+1)*stride], lo, hi, from, to, a.mask.Scale)
	}
	clear(dq)
	for j := lo; j < hi; j += gradTile {
		end := min(j+gradTile, hi)
		v.combine(dq, l.ds[j:], stride, l.k[j*dim:end*dim], dim)
		transpose(l.pt, l.p[j:], stride, rows, end-j)
		transpose(l.dst, l.ds[j:], stride, rows, end-j)
		v.combine(l.dv[j*dim:end*dim], l.pt, gradTile, dy, dim)
		v.combine(l.dk[j*dim:end*dim], l.dst, gradTile, q, dim)
	}
}

// softmaxGrad turns the scores p[from:to] into probabilities, and dp, their
// gradient, into the gradient of the unscaled scores. Both are 0 in the rest of
// lo to hi. lo is a multiple of 16, len(p) as well.
func (v variant) softmaxGrad(p, dp []float32, lo, hi, from, to int, scale float32) {
	begin, end := from&^15, (to+15)&^15
	for i := begin; i < from; i++ {
		p[i] = negInf
	}
	for i := to; i < end; i++ {
		p[i] = negInf
	}
	inv := 1 / v.expTo(p[begin:end])
	x, d := p[from:to], dp[from:to]
	d = d[:len(x)]
	var s0, s1, s2, s3 float32
	for ; len(x) >= 4 && len(d) >= 4; x, d = x[4:], d[4:] {
		s0 += float32(x[0] * d[0])
		s1 += float32(x[1] * d[1])
		s2 += float32(x[2] * d[2])
		s3 += float32(x[3] * d[3])
	}
	for i, f := range x {
		s0 += float32(f * d[i])
	}
	mean := float32((s0 + s1 + s2 + s3) * inv)
	x, d = p[from:to], dp[from:to]
	d = d[:len(x)]
	for i, f := range x {
		f = float32(f * inv)
		x[i], d[i] = f, f*(d[i]-mean)*scale
	}
	clear(p[lo:from])
	clear(dp[lo:from])
	if to < hi {
		clear(p[to:hi])
		clear(dp[to:hi])
	}
}

// expTo replaces s by e^(s-max s) and returns the sum.
func (v variant) expTo(s []float32) float32 {
	if v.x86 != x86.None {
		if _, sum, ok := x86.ExpSum(v.x86, s, negInf); ok {
			return sum
		}
	} else if v.arm != arm.None {
		if _, sum, ok := arm.ExpSum(v.arm, s, negInf); ok {
			return sum
		}
	}
	top, sum := negInf, float32(0)
	for _, x := range s {
		top = max(top, x)
	}
	for i, x := range s {
		s[i] = ref.Exp(x - top)
		sum += s[i]
	}
	return sum
}

// products is s[i·stride+j] = (q[i]·k[j])·scale.
func (v variant) products(s []float32, stride int, q, k []float32, dim int, scale float32) {
	if v.canFloats(quant.F32, dim) && v.scores(s, stride, q, k, dim, scale) {
		return
	}
	for i := 0; i < len(q)/dim; i++ {
		x := q[i*dim : (i+1)*dim]
		for j := 0; j < len(k)/dim; j++ {
			sum := float32(0)
			for d, f := range k[j*dim : (j+1)*dim] {
				sum += float32(f * x[d])
			}
			s[i*stride+j] = sum * scale
		}
	}
}

// combine is o[i] += Σ_j p[i·stride+j]·x[j]. o: [·, dim], x: [·, dim]
func (v variant) combine(o, p []float32, stride int, x []float32, dim int) {
	if v.canFloats(quant.F32, dim) && v.weigh(o, p, stride, x, dim) {
		return
	}
	for i := 0; i < len(o)/dim; i++ {
		y := o[i*dim : (i+1)*dim]
		for j := 0; j < len(x)/dim; j++ {
			f := p[i*stride+j]
			for d, g := range x[j*dim : (j+1)*dim] {
				y[d] += float32(f * g)
			}
		}
	}
}

// transpose is y[j·gradTile+i] = x[i·stride+j], i < rows, j < cols.
func transpose(y, x []float32, stride, rows, cols int) {
	for i := range rows {
		for j, f := range x[i*stride : i*stride+cols] {
			y[j*gradTile+i] = f
		}
	}
}
