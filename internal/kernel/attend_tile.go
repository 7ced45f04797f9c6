package kernel

import (
	"github.com/qwq-edge/qwq/arm/ref"
)

// attendItems is the job of whole items: all splits one after the other.
func (p *Pool) attendItems(worker, lo, hi int) {
	w, a := p.workers[worker], &p.attn
	l := &w.attn
	for i := lo; i < hi; i++ {
		it := &a.items[i]
		n, dim := it.rows*a.group, a.seqs[it.seq].Dim
		l.part, l.partOuts = makeStates(l.part, l.partOuts, n, dim)
		l.all, l.allOuts = makeStates(l.all, l.allOuts, n, dim)
		reset(l.all)
		w.widenQueries(it)
		for split := it.split; split < it.split+it.splits; split++ {
			w.split(it, split, l.part)
			merge(l.all, l.part)
		}
		a.finish(it, l.all)
	}
}

// attendTasks is the job of single splits.
func (p *Pool) attendTasks(worker, lo, hi int) {
	w, a := p.workers[worker], &p.attn
	for _, t := range a.tasks[lo:hi] {
		it := &a.items[t.item]
		n := it.rows * a.group
		at := it.state + (t.split-it.split)*n
		w.widenQueries(it)
		w.split(it, t.split, a.states[at:at+n])
	}
}

// attendMerge is the job that merges the splits of items, in order.
func (p *Pool) attendMerge(_, lo, hi int) {
	a := &p.attn
	for i := lo; i < hi; i++ {
		it := &a.items[i]
		n := it.rows * a.group
		all := a.states[it.state : it.state+n]
		for s := 1; s < it.splits; s++ {
			merge(all, a.states[it.state+s*n:it.state+(s+1)*n])
		}
		a.finish(it, all)
	}
}

func reset(states []ref.State) {
	for i := range states {
		states[i].Reset()
	}
}

// merge adds the states of a split to those of the splits before. A row that
// sees nothing of one side keeps the other as it is.
func merge(all, part []ref.State) {
	for i := range all {
		switch {
		case part[i].L == 0:
		case all[i].L == 0:
			all[i].M, all[i].L = part[i].M, part[i].L
			copy(all[i].O, part[i].O)
		default:
			all[i].Merge(&part[i])
		}
	}
}

// finish writes an item's outputs.
func (a *attend) finish(it *item, states []ref.State) {
	dim := a.seqs[it.seq].Dim
	for r := range it.rows {
		y := a.y.At(it.base + it.row + r)[it.head*a.group*dim:]
		for g := range a.group {
			states[r*a.group+g].Finish(y[g*dim : (g+1)*dim])
		}
	}
}

// widenQueries prepares the queries of an item.
func (w *worker) widenQueries(it *item) {
	a, l := &w.pool.attn, &w.attn
	dim := a.seqs[it.seq].Dim
	for len(l.q) < it.rows*a.group {
		l.q = append(l.q, ref.Wide{})
	}
	for r := range it.rows {
		q := a.q.At(it.base + it.row + r)[it.head*a.group*dim:]
		for g := range a.group {
			l.q[r*a.group+g].Widen(q[g*dim : (g+1)*dim])
		}
	}
}

// split computes the states of an item's rows over one split.
func (w *worker) split(it *item, split int, states []ref.State) {
	a := &w.pool.attn
	s := &a.seqs[it.seq]
	reset(states)
	lo, _ := s.sees(it.row, a.mask.Window)
	_, hi := s.sees(it.row+it.rows-1, a.mask.Window)
	lo, hi = max(lo, split*ref.SplitPositions), min(hi, (split+1)*ref.SplitPositions)
	for page := lo / ref.PagePositions; page*ref.PagePositions < hi; page++ {
		first := page * ref.PagePositions
		w.page(it, page, max(lo-first, 0), min(hi-first, ref.PagePositions), states)
	}
}

// page adds positions lo to hi of a page, counted in the page, to the states of
// the rows that see them.
func (w *worker) page(it *item, page, lo, hi int, states []ref.State) {
	a, l := &w.pool.attn, &w.attn
	s := &a.seqs[it.seq]
	dim, first := s.Dim, page*ref.PagePositions
	l.k, l.v = grow(l.k, ref.PagePositions*dim), grow(l.v, ref.PagePositions*dim)
	expK := w.widen(l.k[lo*dim:hi*dim], s.Type, s.rows(page, it.head, false, lo, hi))
	expV := w.widen(l.v[lo*dim:hi*dim], s.Type, s.rows(page, it.head, true, lo, hi))
	for r := range it.rows {
		from, to := s.sees(it.row+r, a.mask.Window)
		from, to = max(from-first, lo), min(to-first, hi)
		if from >= to {
			continue
		}
		for g := range a.group {
			i := r*a.group + g
			scores := l.scores[from:to]
			for j := range scores {
				k := l.k[(from+j)*dim : (from+j+1)*dim]
				scores[j] = ref.Dot(k, expK, &l.q[i]) * a.mask.Scale
			}
			states[i].Page(scores, from, l.v[from*dim:to*dim], expV)
		}
	}
}
