package kernel

import (
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/quant"
)

// attendItems is the job of whole items: all splits one after the other.
func (p *Pool) attendItems(worker, lo, hi int) {
	w, a := p.workers[worker], &p.attn
	l := &w.attn
	for i := lo; i < hi; i++ {
		it := &a.items[i]
		n := it.rows * a.group
		l.part.resize(n, a.dim)
		l.all.resize(n, a.dim)
		l.all.reset()
		w.queries(it)
		for split := it.split; split < it.split+it.splits; split++ {
			w.split(it, split, &l.part)
			l.all.merge(p.variant, &l.part)
		}
		a.finish(p.variant, it, &l.all)
	}
}

// attendTasks is the job of single splits.
func (p *Pool) attendTasks(worker, lo, hi int) {
	w, a := p.workers[worker], &p.attn
	for _, t := range a.tasks[lo:hi] {
		it := &a.items[t.item]
		n := it.rows * a.group
		at := it.state + (t.split-it.split)*n
		w.queries(it)
		part := a.states.view(at, at+n)
		w.split(it, t.split, &part)
	}
}

// attendMerge is the job that merges the splits of items, in order.
func (p *Pool) attendMerge(_, lo, hi int) {
	a := &p.attn
	for i := lo; i < hi; i++ {
		it := &a.items[i]
		n := it.rows * a.group
		all := a.states.view(it.state, it.state+n)
		for s := 1; s < it.splits; s++ {
			part := a.states.view(it.state+s*n, it.state+(s+1)*n)
			all.merge(p.variant, &part)
		}
		a.finish(p.variant, it, &all)
	}
}

// finish writes an item's outputs, O·(1/L).
func (a *attend) finish(v variant, it *item, s *states) {
	dim := a.seqs[it.seq].Dim
	for r := range it.rows {
		y := a.y.At(it.base + it.row + r)[it.head*a.group*dim:]
		for g := range a.group {
			i := r*a.group + g
			v.scale(y[g*dim:(g+1)*dim], s.out(i)[:dim], 1/s.l[i])
		}
	}
}

// queries collects the queries of an item.
func (w *worker) queries(it *item) {
	a, l := &w.pool.attn, &w.attn
	dim, n := a.seqs[it.seq].Dim, it.rows*a.group
	l.q, l.o = grow(l.q, n*a.dim), grow(l.o, dim)
	l.scores = grow(l.scores, n*ref.PagePositions)
	for i := range n {
		q := a.q.At(it.base + it.row + i/a.group)
		at := (it.head*a.group + i%a.group) * dim
		pad(l.q[i*a.dim:(i+1)*a.dim], q[at:at+dim])
	}
	if a.fast {
		return
	}
	for len(l.wide) < n {
		l.wide = append(l.wide, ref.Wide{})
	}
	for i := range n {
		l.wide[i].Widen(l.q[i*dim : (i+1)*dim])
	}
}

// split computes the states of an item's rows over one split.
func (w *worker) split(it *item, split int, s *states) {
	a := &w.pool.attn
	seq := &a.seqs[it.seq]
	s.reset()
	lo, _ := seq.sees(it.row, a.mask.Window)
	_, hi := seq.sees(it.row+it.rows-1, a.mask.Window)
	lo, hi = max(lo, split*ref.SplitPositions), min(hi, (split+1)*ref.SplitPositions)
	for page := lo / ref.PagePositions; page*ref.PagePositions < hi; page++ {
		first := page * ref.PagePositions
		w.page(it, page, max(lo-first, 0), min(hi-first, ref.PagePositions), s)
	}
}

// page adds positions lo to hi of a page, counted in the page, to the states of
// the rows that see them.
func (w *worker) page(it *item, page, lo, hi int, s *states) {
	a, l := &w.pool.attn, &w.attn
	seq := &a.seqs[it.seq]
	dim, first := a.dim, page*ref.PagePositions
	l.k, l.v = grow(l.k, ref.PagePositions*dim), grow(l.v, ref.PagePositions*dim)
	k, v := l.k[lo*dim:hi*dim], l.v[lo*dim:hi*dim]
	keys, values := seq.rows(page, it.head, false, lo, hi), seq.rows(page, it.head, true, lo, hi)
	expK, expV := 0, 0
	switch {
	case !a.fast:
		expK, expV = w.widen(k, seq.Type, keys), w.widen(v, seq.Type, values)
	case dim == seq.Dim:
		w.values(k, seq.Type, keys)
		w.values(v, seq.Type, values)
	default:
		w.paddedValues(k, dim, seq.Type, keys, hi-lo)
		w.paddedValues(v, dim, seq.Type, values, hi-lo)
	}
	if a.fast && !w.pool.variant.scores(l.scores[lo:], ref.PagePositions, l.q, k, dim, a.mask.Scale) {
		panic("kernel: float kernels without q·k")
	}
	for r := 0; r < it.rows; {
		from, to := seq.sees(it.row+r, a.mask.Window)
		from, to = max(from-first, lo), min(to-first, hi)
		rows := 1
		for ; r+rows < it.rows; rows++ { // rows that see the same
			f, t := seq.sees(it.row+r+rows, a.mask.Window)
			if max(f-first, lo) != from || min(t-first, hi) != to {
				break
			}
		}
		if from < to {
			i, n := r*a.group, (r+rows)*a.group
			if a.fast {
				w.weigh(s, i, n, from, to)
			} else {
				w.refPage(s, i, n, from, to, expK, expV)
			}
		}
		r += rows
	}
}

// paddedValues writes the values of n rows, dim apart, and zeros between them.
func (w *worker) paddedValues(dst []float32, dim int, t quant.Type, rows []byte, n int) {
	row := len(rows) / n
	cols := row / t.BlockBytes() * t.Block()
	for i := range n {
		dst := dst[i*dim : (i+1)*dim]
		w.values(dst[:cols], t, rows[i*row:(i+1)*row])
		clear(dst[cols:])
	}
}

// weigh adds positions from to to of the page to states i to n, whose scores are
// known.
func (w *worker) weigh(s *states, i, n, from, to int) {
	l, v := &w.attn, w.pool.variant
	v.soften(s, l.scores, i, n, from, to)
	dim := s.dim
	if !v.weigh(s.o[i*dim:n*dim], l.scores[i*ref.PagePositions+from:], ref.PagePositions, l.v[from*dim:to*dim], dim) {
		panic("kernel: float kernels without P·V")
	}
}

// refPage is weigh by arm/ref, scores included.
func (w *worker) refPage(s *states, i, n, from, to, expK, expV int) {
	l, dim := &w.attn, s.dim
	for j := i; j < n; j++ {
		scores := l.scores[j*ref.PagePositions+from : j*ref.PagePositions+to]
		for c := range scores {
			scores[c] = ref.Dot(l.k[(from+c)*dim:(from+c+1)*dim], expK, &l.wide[j]) * w.pool.attn.mask.Scale
		}
		s.refPage(j, scores, from, l.v[from*dim:to*dim], expV, l.o)
	}
}
