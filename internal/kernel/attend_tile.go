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
		n, dim := it.rows*a.group, a.seqs[it.seq].Dim
		l.part.resize(n, dim)
		l.all.resize(n, dim)
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
	for r := range it.rows {
		y := a.y.At(it.base + it.row + r)[it.head*a.group*s.dim:]
		for g := range a.group {
			i := r*a.group + g
			v.scale(y[g*s.dim:(g+1)*s.dim], s.out(i), 1/s.l[i])
		}
	}
}

// queries collects the queries of an item.
func (w *worker) queries(it *item) {
	a, l := &w.pool.attn, &w.attn
	dim := a.seqs[it.seq].Dim
	width, n := a.group*dim, it.rows*a.group
	l.q, l.o = grow(l.q, it.rows*width), grow(l.o, dim)
	l.scores = grow(l.scores, n*ref.PagePositions)
	l.fast = w.pool.variant.canFloats(quant.F32, dim)
	for r := range it.rows {
		copy(l.q[r*width:(r+1)*width], a.q.At(it.base + it.row + r)[it.head*width:])
	}
	if l.fast {
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
	dim, first := seq.Dim, page*ref.PagePositions
	l.k, l.v = grow(l.k, ref.PagePositions*dim), grow(l.v, ref.PagePositions*dim)
	k, v := l.k[lo*dim:hi*dim], l.v[lo*dim:hi*dim]
	keys, values := seq.rows(page, it.head, false, lo, hi), seq.rows(page, it.head, true, lo, hi)
	expK, expV := 0, 0
	if l.fast {
		w.values(k, seq.Type, keys)
		w.values(v, seq.Type, values)
	} else {
		expK, expV = w.widen(k, seq.Type, keys), w.widen(v, seq.Type, values)
	}
	if l.fast && !w.pool.variant.scores(l.scores[lo:], ref.PagePositions, l.q, k, dim, a.mask.Scale) {
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
			if l.fast {
				w.weigh(s, i, n, from, to)
			} else {
				w.refPage(s, i, n, from, to, expK, expV)
			}
		}
		r += rows
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
