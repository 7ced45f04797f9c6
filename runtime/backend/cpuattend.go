package backend

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// localKV holds the keys and values of spans without a store as F32 pages, for
// the length of one Attend.
type localKV struct {
	store *cpuStore
	pages []int32 // 0, 1, 2, …
}

// rows is the view's part of a batch-wide tensor, from row at.
func rows(t Tensor, at, n int) kernel.F32 {
	return kernel.F32{Rows: n, Cols: t.Cols, Data: t.Data[at*t.Cols : (at+n)*t.Cols]}
}

// checkViews fails unless the views' rows are x's rows.
func (o *cpuOps) checkViews(x Tensor, views []KVView) bool {
	n := 0
	for i := range views {
		n += views[i].N
	}
	if o.err == nil && n != x.Rows {
		o.fail(fmt.Errorf("backend: spans of %d rows over a batch of %d", n, x.Rows))
	}
	return o.err == nil
}

func (o *cpuOps) StoreKV(layer int, k, v Tensor, views []KVView) {
	if !o.checkViews(k, views) {
		return
	}
	at := 0
	for i := range views {
		view := &views[i]
		if s, ok := view.Store.(*cpuStore); ok {
			o.fail(o.pool.StoreKV(rows(k, at, view.N), rows(v, at, view.N), s.pages(layer, view)))
		} else if view.Store != nil {
			o.fail(fmt.Errorf("backend: kv store %T is not the CPU's", view.Store))
		}
		at += view.N
	}
}

func (o *cpuOps) Attend(layer int, q, k, v Tensor, views []KVView, m Mask) Tensor {
	if !o.checkViews(q, views) {
		return Tensor{}
	}
	y := o.tensor(q.Rows, q.Cols)
	o.pages = o.pages[:0]
	at, used := 0, 0
	for i := range views {
		view := &views[i]
		if s, ok := view.Store.(*cpuStore); ok {
			o.pages = append(o.pages, s.pages(layer, view))
		} else {
			o.pages = append(o.pages, o.stash(view, q, k, v, at, used, m))
			used += (view.N + PagePositions - 1) / PagePositions
		}
		at += view.N
	}
	if o.err == nil && q.Rows > 0 {
		o.fail(o.pool.Attend(mat(y), mat(q), o.pages, m))
	}
	return y
}

// stash writes the k and v of a span without a store into local pages from
// page number first on.
func (o *cpuOps) stash(view *KVView, q, k, v Tensor, at, first int, m Mask) kernel.KVPages {
	if view.Store != nil || view.Start != 0 || m.QHeads < 1 || q.Cols%m.QHeads != 0 || k.Cols%(q.Cols/m.QHeads) != 0 {
		o.fail(fmt.Errorf("backend: span at %d with store %T cannot attend to its own rows", view.Start, view.Store))
		return kernel.KVPages{}
	}
	dim := q.Cols / m.QHeads
	heads := k.Cols / dim
	l := &o.local
	if l.store == nil || l.store.spec.Heads != heads || l.store.spec.Dim != dim {
		s, err := newStore(KVSpec{Type: quant.F32, Layers: 1, Heads: heads, Dim: dim, Pages: 1 << 30})
		if err != nil {
			o.fail(err)
			return kernel.KVPages{}
		}
		l.store = s
	}
	end := first + (view.N+PagePositions-1)/PagePositions
	if err := l.store.Grow(end); err != nil {
		o.fail(err)
		return kernel.KVPages{}
	}
	for len(l.pages) < end {
		l.pages = append(l.pages, int32(len(l.pages)))
	}
	own := KVView{Pages: l.pages[first:end], N: view.N, Causal: view.Causal}
	p := l.store.pages(0, &own)
	o.fail(o.pool.StoreKV(rows(k, at, view.N), rows(v, at, view.N), p))
	return p
}
