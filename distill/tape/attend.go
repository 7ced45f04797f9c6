package tape

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// pages holds the keys and values of a batch as pages of the runtime's cache, for
// the length of one Attend: the forward is the runtime's own.
type pages struct {
	bytes []byte
	table [][]byte
	ids   []int32
	seqs  []kernel.KVPages
	spans []kernel.RowSpan
}

// StoreKV skips views without a store; there are no others.
func (o *ops) StoreKV(_ int, k, _ backend.Tensor, views []backend.KVView) { o.checkViews(k, views) }

// checkViews fails unless the views are spans of the batch's own rows.
func (o *ops) checkViews(x backend.Tensor, views []backend.KVView) bool {
	n := 0
	for i := range views {
		if o.err == nil && (views[i].Store != nil || views[i].Start != 0) {
			o.fail(errKV)
		}
		n += views[i].N
	}
	if o.err == nil && n != x.Rows {
		o.fail(fmt.Errorf("tape: spans of %d rows over a batch of %d", n, x.Rows))
	}
	return o.err == nil
}

func (o *ops) Attend(_ int, qt, kt, vt backend.Tensor, views []backend.KVView, m backend.Mask) backend.Tensor {
	q, k, v := o.val(qt), o.val(kt), o.val(vt)
	if !o.checkViews(qt, views) || !o.same(k, v) {
		return backend.Tensor{}
	}
	if m.QHeads < 1 || q.cols%m.QHeads != 0 || k.cols%(q.cols/m.QHeads) != 0 || k.rows != q.rows {
		o.fail(fmt.Errorf("tape: attention of %d heads, q [%d, %d], k [%d, %d]", m.QHeads, q.rows, q.cols, k.rows, k.cols))
		return backend.Tensor{}
	}
	y := o.result(q.rows, q.cols, q.needs || k.needs || v.needs)
	o.fail(o.pages.fill(o.pool, o.opt.kv(), k.mat(), v.mat(), views, q.cols/m.QHeads))
	if o.err == nil {
		o.fail(o.pool.Attend(y.mat(), q.mat(), o.pages.seqs, m))
	}
	if o.recording(y) {
		o.push(func() { o.attendBack(y, q, k, v, views, m) }, []*value{y}, []*value{q, k, v})
	}
	return o.tensor(y)
}

// fill stores k and v, one run of pages per view.
func (p *pages) fill(pool *kernel.Pool, t quant.Type, k, v matrix, views []backend.KVView, dim int) error {
	size, err := kernel.PageBytes(t, k.Cols/dim, dim)
	if err != nil {
		return err
	}
	n := 0
	for i := range views {
		n += (views[i].N + backend.PagePositions - 1) / backend.PagePositions
	}
	if len(p.bytes) < n*size {
		p.bytes = make([]byte, n*size)
	}
	p.table, p.ids, p.seqs = p.table[:0], p.ids[:0], p.seqs[:0]
	for i := range n {
		p.table = append(p.table, p.bytes[i*size:(i+1)*size:(i+1)*size])
		p.ids = append(p.ids, int32(i))
	}
	at, page := 0, 0
	for i := range views {
		view := &views[i]
		end := page + (view.N+backend.PagePositions-1)/backend.PagePositions
		s := kernel.KVPages{Type: t, Heads: k.Cols / dim, Dim: dim, Table: p.table, Pages: p.ids[page:end], N: view.N, Causal: view.Causal}
		if err := pool.StoreKV(part(k, at, view.N), part(v, at, view.N), s); err != nil {
			return err
		}
		p.seqs = append(p.seqs, s)
		at, page = at+view.N, end
	}
	return nil
}

// part is rows at to at+n-1 of m.
func part(m matrix, at, n int) matrix {
	return matrix{Rows: n, Cols: m.Cols, Data: m.Data[at*m.Cols : (at+n)*m.Cols]}
}

func (o *ops) attendBack(y, q, k, v *value, views []backend.KVView, m backend.Mask) {
	p := &o.pages
	p.spans = p.spans[:0]
	for i := range views {
		p.spans = append(p.spans, kernel.RowSpan{N: views[i].N, Causal: views[i].Causal})
	}
	var d [3]*buffer
	for i, x := range [3]*value{q, k, v} {
		d[i] = o.mem.alloc(x.rows * x.cols)
	}
	mat := func(i int, x *value) matrix { return matrix{Rows: x.rows, Cols: x.cols, Data: d[i].data} }
	o.fail(o.pool.AttendGrad(mat(0, q), mat(1, k), mat(2, v), o.use(q), o.use(k), o.use(v), o.own(y), p.spans, m))
	for i, x := range [3]*value{q, k, v} {
		o.give(x, d[i])
		o.mem.drop(d[i])
	}
}
