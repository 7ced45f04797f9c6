package grammar

// maxSteps bounds the steps of single heads in one walk over the tokens.
const maxSteps = 1 << 23

// walker follows all strings of a trie at once from some heads, and notes the
// tokens whose last byte leaves a head alive.
type walker struct {
	stack
	t      *trie
	heads  []head // of the open levels that have several
	levels []walkLevel
	outers []outer
	rows   []*row // by state, in a long walk; nil: none are made
	steps  int
	failed bool // more heads or steps than there may be

	// What a walk of a whole vocabulary from one frame is after. Heads that
	// have nothing below stand on the frame that waits below this one.
	follow byteSet // what may come after the frame
	leaves []leave // where the frame ended and such a byte came
	pure   bool    // the frame is a pure loop: turns are counted, not bounded
	bounds int32   // a pure loop's start

	note func(node, turns int32) // the string of this node is followed to its end
}

// leave is a node whose byte comes after the frame.
type leave struct {
	node  int32
	turns int32 // of a pure loop that have ended before
}

// row is the outcome of every byte in a state: 0 dead, -1 an action that needs
// the general step, else 2 × next state + 2 + (1: a turn ended).
type row [256]int32

// walkLevel is a node on the path. One head is the usual case and is kept in
// the level; more are in heads[lo:], up to the next level's.
type walkLevel struct {
	end    int32 // the node after those below
	turns  int32 // ended turns of a pure loop
	one    head
	many   bool
	row    *row
	lo     int32
	nodes  int32 // stack nodes up to here are needed
	outers int32 // and outers
	outer  int32 // outers[outer] comes after the one head's frame, or after all frames of some head; -1: none may end
}

// outer is what can happen below a frame that has ended.
type outer struct {
	below  int32
	leaves bool // all frames may end
	bytes  byteSet
}

// walk starts from heads, which must not be empty.
func (w *walker) walk(from []head) {
	w.heads = append(w.heads[:0], from...)
	w.levels, w.outers = w.levels[:0], w.outers[:0]
	w.steps, w.failed = 0, false
	n := int32(len(w.t.byte))
	w.open(n, 0, 0)
	for i := int32(0); i < n && !w.failed; {
		l := &w.levels[len(w.levels)-1]
		if i >= l.end {
			w.close()
			continue
		}
		code := int32(-1)
		if l.row != nil && l.outer < 0 {
			code = l.row[w.t.byte[i]]
		}
		switch end := w.t.end[i]; {
		case code == 0, code < 0 && !w.visit(i):
			i = end
		case code < 0:
			i++
		default:
			w.go1(i, code, l)
			i++
		}
	}
	for len(w.levels) > 0 {
		w.close()
	}
}

// open begins the level of the heads that lie in heads from lo on.
func (w *walker) open(end, lo, turns int32) {
	if len(w.heads)-int(lo) == 1 {
		h := w.heads[lo]
		w.heads = w.heads[:lo]
		w.open1(end, turns, h)
		return
	}
	l := walkLevel{end: end, turns: turns, many: true, lo: lo, nodes: int32(len(w.nodes)), outer: -1}
	for _, h := range w.heads[lo:] {
		if w.ends(h) {
			l.outer = int32(len(w.outers))
			w.outers = append(w.outers, outer{leaves: true})
			break
		}
	}
	l.outers = int32(len(w.outers))
	w.levels = append(w.levels, l)
}

// open1 is open for one head.
func (w *walker) open1(end, turns int32, h head) {
	l := walkLevel{end: end, turns: turns, one: h, lo: int32(len(w.heads)), nodes: int32(len(w.nodes)), outer: -1}
	l.row = w.row(h.state)
	if pop := w.g.states[h.state].pop; pop != never && (w.pure || w.pops(h)) {
		l.outer = w.below(h)
	}
	l.outers = int32(len(w.outers))
	w.levels = append(w.levels, l)
}

// below finds what can happen after the frame of h.
func (w *walker) below(h head) int32 {
	if n := len(w.levels); n > 0 {
		if p := &w.levels[n-1]; !p.many && p.outer >= 0 && p.one.below == h.below {
			return p.outer
		}
	}
	o := outer{below: h.below}
	for {
		if h.below < 0 {
			o.leaves = true
			break
		}
		n := &w.nodes[h.below]
		h = head{n.frame, n.below}
		st := &w.g.states[h.state]
		for _, s := range w.g.spans[st.first : st.first+st.n] {
			o.bytes.add(s.lo, s.hi)
		}
		if !w.pops(h) {
			break
		}
	}
	w.outers = append(w.outers, o)
	return int32(len(w.outers) - 1)
}

func (w *walker) close() {
	l := &w.levels[len(w.levels)-1]
	w.heads = w.heads[:l.lo]
	w.levels = w.levels[:len(w.levels)-1]
	if n := len(w.levels); n > 0 {
		p := &w.levels[n-1]
		w.nodes, w.outers = w.nodes[:p.nodes], w.outers[:p.outers]
	}
}

// go1 follows a simple action of the one head to node i.
func (w *walker) go1(i, code int32, l *walkLevel) {
	h := head{frame{code>>1 - 1, l.one.turn}, l.one.below}
	turns := l.turns + code&1
	w.found(i, turns, h.state)
	if end := w.t.end[i]; end > i+1 {
		w.open1(end, turns, h)
	}
}

// visit follows the byte of node i where it is not simple, and tells whether
// to go on below it.
func (w *walker) visit(i int32) bool {
	l := &w.levels[len(w.levels)-1]
	b := w.t.byte[i]
	outside := false
	if l.outer >= 0 {
		o := &w.outers[l.outer]
		if o.leaves && w.follow.has(b) {
			w.leaves = append(w.leaves, leave{i, l.turns})
		}
		outside = o.bytes.has(b)
	}
	from := len(w.heads)
	if !l.many {
		code := int32(0)
		if l.row != nil {
			code = l.row[b]
		} else {
			code = w.code(l.one.state, b)
		}
		if code >= 0 && !outside {
			if code > 0 {
				w.go1(i, code, l)
			}
			return code > 0
		}
		w.heads = w.step(w.heads, from, l.one, b)
		w.steps++
	} else {
		for _, h := range w.heads[l.lo:from] {
			w.heads = w.step(w.heads, from, h, b)
		}
		w.steps += from - int(l.lo)
	}
	n := len(w.heads) - from
	if w.steps > maxSteps || n > maxHeads {
		w.failed = true
		return false
	}
	if n == 0 {
		return false
	}
	w.found(i, 0, w.heads[from].state)
	if w.t.end[i] > i+1 {
		w.open(w.t.end[i], int32(from), 0)
		return true
	}
	w.heads, w.nodes = w.heads[:from], w.nodes[:l.nodes]
	return true
}

// found notes node i if a token ends there.
func (w *walker) found(i, turns, state int32) {
	if w.t.tok[i] == w.t.tok[i+1] {
		return
	}
	if w.pure && state != w.bounds && (turns > 0 || w.levels[0].one.state == w.bounds) {
		turns++ // the turn that has begun must be allowed too
	}
	w.note(i, turns)
}

// code is one entry of a row.
func (w *walker) code(s int32, b byte) int32 {
	a := w.g.find(s, b)
	if len(a) == 0 {
		return 0
	}
	if x := &a[0]; len(a) == 1 && x.n == 0 && x.keep {
		switch {
		case w.pure:
			return 2*x.next.state + 2 + x.next.turn
		case x.guard == always && x.next.turn == 0:
			return 2*x.next.state + 2
		}
	}
	return -1
}

// row makes the row of a state in a long walk.
func (w *walker) row(s int32) *row {
	if w.rows == nil {
		return nil
	}
	r := w.rows[s]
	if r == nil {
		r = new(row)
		st := &w.g.states[s]
		for _, p := range w.g.spans[st.first : st.first+st.n] {
			c := w.code(s, p.lo)
			for b := int(p.lo); b <= int(p.hi); b++ {
				r[b] = c
			}
		}
		w.rows[s] = r
	}
	return r
}
