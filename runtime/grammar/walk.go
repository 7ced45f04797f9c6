package grammar

// maxSteps bounds the steps of single heads in one walk over the tokens, which all who write
// at the time wait for: some 60 ms.
const maxSteps = 1 << 21

// walker follows all strings of a trie at once from some heads.
//
// A long walk, of a whole vocabulary, looks at 300,000 nodes: one head, the
// usual case, is followed by run, which asks a table for each byte, keeps
// where it is by the length of the path and notes what it reaches by node.
// Several heads are followed by many, which calls run again where one is left.
// A short walk makes no tables: many does it all.
type walker struct {
	stack
	t      *trie
	heads  []head // of the open nodes
	steps  int
	failed *LimitError // more heads or steps than there may be

	note func(node int32) // short walk: the string of this node is followed to its end
	long *long            // nil in a short walk
}

// long is what a walk of a whole vocabulary from one frame is after. Heads
// that have nothing below stand on the frame that waits below this one.
type long struct {
	*scratch
	rows   []*row  // by state
	follow byteSet // what may come after the frame
	leaves []leave // where the frame ended and such a byte came
	pure   bool    // the frame is a pure loop: turns are counted, not bounded
	bounds int32   // a pure loop's start
	inside bool    // the walk begins there
}

// scratch is the memory of a long walk that another can use again.
type scratch struct {
	reach []uint16 // by node: 0 or, for a string that is followed to its end, 1 + the turns of a pure loop
	row   []*row   // by length of the path: its state …
	turn  []int32  // … and its turns: of a pure loop those that were ended, else those of the head
}

// leave is a node whose byte comes after the frame.
type leave struct {
	node  int32
	turns int32 // of a pure loop that have ended before
}

// row is a state with the outcome of every byte: 0 dead, slow, or else
// 8 × (next state + 1) + 2 × (guard - always) + (1: a turn ended), for an
// action that enters no frame.
type row struct {
	code  [256]int32
	state int32
	pop   guard
}

const slow = -1

// outer is what can happen below a frame that has ended.
type outer struct {
	leaves bool // all frames may end
	bytes  byteSet
}

// walk starts from heads, which must not be empty.
func (w *walker) walk(from []head) {
	w.heads = append(w.heads[:0], from...)
	w.steps, w.failed = 0, nil
	n := int32(len(w.t.byte))
	if n == 0 {
		return
	}
	if l := w.long; l != nil {
		l.inside = len(from) == 1 && from[0].state == l.bounds
		w.below(0, n, 0)
	} else {
		w.many(0, n, 0)
	}
}

// below goes on from heads[lo:] to the nodes from to end, which have one and
// the same node above them.
func (w *walker) below(from, end int32, lo int) {
	if w.long != nil && len(w.heads)-lo == 1 {
		h := w.heads[lo]
		w.heads = w.heads[:lo]
		w.run(from, end, h)
		return
	}
	w.many(from, end, lo)
}

// run follows one head to the nodes from i to end. As long as no frame is
// entered or ended what is below the head stays.
func (w *walker) run(i, end int32, h head) {
	t, l := w.t, w.long
	rows, turns, reach := l.row, l.turn, l.reach
	nodes := len(w.nodes)
	o := w.under(h.below)
	special := o.bytes // what must be looked at where the frame may end
	if o.leaves {
		special.union(&l.follow)
	}
	rows[t.up[i]], turns[t.up[i]] = l.at(w, h.state), h.turn
	if l.pure {
		turns[t.up[i]] = 0
	}
	for i < end && w.failed == nil {
		b, up := t.byte[i], t.up[i]
		r := rows[up]
		c := r.code[b]
		turn := turns[up]
		if r.pop != never && special.has(b) && w.leaves(i, r, turn, b, &o) {
			c = slow
		}
		if c <= 0 {
			if c == slow {
				w.nodes = w.nodes[:nodes]
				w.general(i, head{frame{r.state, turn}, h.below}, b)
			}
			i = t.end[i]
			continue
		}
		if c&6 != 0 && !(always+guard(c>>1&3)).more(turn, &w.g.frames[w.g.states[r.state].frame]) {
			i = t.end[i]
			continue
		}
		next := l.rows[c>>3-1]
		if next == nil {
			next = l.at(w, c>>3-1)
		}
		turn += c & 1
		rows[up+1], turns[up+1] = next, turn
		reach[i] = 1
		if l.pure {
			reach[i] = l.turned(turn, next.state)
		}
		i++
	}
	w.nodes = w.nodes[:nodes]
}

// turned is what reach holds for a state of a pure loop.
func (l *long) turned(turns, state int32) uint16 {
	if state != l.bounds && (turns > 0 || l.inside) {
		turns++ // the turn that has begun must be allowed too
	}
	return uint16(turns + 1)
}

// leaves notes a node that comes after the whole frame, and tells whether its
// byte may come in one that waits below.
func (w *walker) leaves(i int32, r *row, turn int32, b byte, o *outer) bool {
	l := w.long
	if !l.pure && !r.pop.enough(turn, &w.g.frames[w.g.states[r.state].frame]) {
		return false
	}
	if o.leaves && l.follow.has(b) {
		n := leave{node: i}
		if l.pure {
			n.turns = turn
		}
		l.leaves = append(l.leaves, n)
	}
	return o.bytes.has(b)
}

// under finds what can happen after a frame that has ended.
func (w *walker) under(below int32) (o outer) {
	for below >= 0 {
		n := &w.nodes[below]
		h := head{n.frame, n.below}
		st := &w.g.states[h.state]
		for _, s := range w.g.spans[st.first : st.first+st.n] {
			o.bytes.add(s.lo, s.hi)
		}
		if !w.pops(h) {
			return o
		}
		below = h.below
	}
	o.leaves = true
	return o
}

// general follows the byte of node i by the general step, which may enter and
// end frames, and goes on below.
func (w *walker) general(i int32, h head, b byte) {
	t := w.t
	lo := len(w.heads)
	h.turn = w.turns(h.state, h.turn)
	w.heads = w.step(w.heads, lo, h, b)
	w.steps++
	n := len(w.heads) - lo
	if w.tooMuch(n) {
		return
	}
	if n > 0 {
		w.found(i)
		if t.end[i] > i+1 {
			w.below(i+1, t.end[i], lo)
		}
	}
	w.heads = w.heads[:lo]
}

// many follows heads[lo:] to the nodes from i to end.
func (w *walker) many(i, end int32, lo int) {
	t := w.t
	ends := false
	if w.long != nil {
		for _, h := range w.heads[lo:] {
			ends = ends || w.ends(h)
		}
	}
	from, nodes := len(w.heads), len(w.nodes)
	for ; i < end; i = t.end[i] {
		b := t.byte[i]
		if ends && w.long.follow.has(b) {
			w.long.leaves = append(w.long.leaves, leave{i, 0})
		}
		for _, h := range w.heads[lo:from] {
			w.heads = w.step(w.heads, from, h, b)
		}
		w.steps += from - lo
		n := len(w.heads) - from
		if w.tooMuch(n) {
			return
		}
		if n > 0 {
			w.found(i)
			if t.end[i] > i+1 {
				w.below(i+1, t.end[i], from)
			}
		}
		w.heads, w.nodes = w.heads[:from], w.nodes[:nodes]
	}
}

// tooMuch tells whether the walk is to end, with n heads after its last step.
func (w *walker) tooMuch(n int) bool {
	switch {
	case w.failed != nil:
	case n > maxHeads:
		w.failed = &LimitError{"readings of a text at once", maxHeads}
	case w.steps > maxSteps:
		w.failed = &LimitError{"steps to find the tokens that may come", maxSteps}
	}
	return w.failed != nil
}

// found notes that the string of node i is followed to its end.
func (w *walker) found(i int32) {
	if w.long != nil {
		w.long.reach[i] = 1
	} else if w.t.tok[i] != w.t.tok[i+1] {
		w.note(i)
	}
}

// at is the row of a state.
func (l *long) at(w *walker, s int32) *row {
	if l.rows[s] != nil {
		return l.rows[s]
	}
	st := &w.g.states[s]
	r := &row{state: s, pop: st.pop}
	for _, p := range w.g.spans[st.first : st.first+st.n] {
		c := w.code(s, p.lo)
		for b := int(p.lo); b <= int(p.hi); b++ {
			r.code[b] = c
		}
	}
	l.rows[s] = r
	return r
}

// code is one entry of a row.
func (w *walker) code(s int32, b byte) int32 {
	a := w.g.find(s, b)
	if len(a) == 0 {
		return 0
	}
	x := &a[0]
	switch {
	case len(a) > 1 || x.n > 0 || !x.keep || x.next.turn > 1 || x.guard > one:
		return slow
	case w.long.pure:
		return 8*(x.next.state+1) + x.next.turn
	}
	return 8*(x.next.state+1) + 2*int32(x.guard-always) + x.next.turn
}
