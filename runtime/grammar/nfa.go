package grammar

// nfa is the automaton of one right side while it is built: Thompson's
// construction, with calls of other rules as symbols beside the bytes.
type nfa struct {
	c     *compiler
	bytes [][]byteEdge
	calls [][]call
	eps   [][]int32
}

type byteEdge struct {
	lo, hi byte
	to     int32
}

// call is an edge that is passed by a text of another rule.
type call struct {
	rule int32
	ret  int32 // the state after it
	inc  bool  // it ends one turn of a counted loop
}

func (n *nfa) state() int32 {
	if len(n.eps) >= 8*n.c.limits.States {
		panic(&LimitError{"states", n.c.limits.States})
	}
	n.bytes = append(n.bytes, nil)
	n.calls = append(n.calls, nil)
	n.eps = append(n.eps, nil)
	return int32(len(n.eps) - 1)
}

func (n *nfa) jump(from, to int32) { n.eps[from] = append(n.eps[from], to) }

func (n *nfa) step(from int32, lo, hi byte, to int32) {
	n.bytes[from] = append(n.bytes[from], byteEdge{lo, hi, to})
}

// add makes x lead from one state to another.
func (n *nfa) add(x *node, from, to int32) {
	switch x.kind {
	case kBytes:
		if x.lit == "" {
			n.jump(from, to)
			return
		}
		for i := range len(x.lit) {
			next := to
			if i < len(x.lit)-1 {
				next = n.state()
			}
			n.step(from, x.lit[i], x.lit[i], next)
			from = next
		}
	case kClass:
		for _, r := range x.ranges {
			utf8Spans(r.lo, r.hi, func(s []byteSpan) {
				at := from
				for i, b := range s {
					next := to
					if i < len(s)-1 {
						next = n.state()
					}
					n.step(at, b.lo, b.hi, next)
					at = next
				}
			})
		}
	case kSeq:
		if len(x.sub) == 0 {
			n.jump(from, to)
		}
		for i, s := range x.sub {
			next := to
			if i < len(x.sub)-1 {
				next = n.state()
			}
			n.add(s, from, next)
			from = next
		}
	case kAlt:
		for _, s := range x.sub {
			n.add(s, from, to)
		}
	case kRepeat:
		n.repeat(x, from, to)
	case kRef:
		if n.c.info[x.rule].inline {
			n.add(n.c.rules[x.rule].body, from, to)
		} else {
			n.call(from, x.rule, to)
		}
	case kGraph:
		base := int32(len(n.eps))
		for range x.graph.accept {
			n.state()
		}
		n.jump(from, base)
		for s, ok := range x.graph.accept {
			if ok {
				n.jump(base+int32(s), to)
			}
		}
		for _, e := range x.graph.edges {
			n.add(e.label, base+int32(e.from), base+int32(e.to))
		}
	}
}

func (n *nfa) call(from int32, rule int, to int32) {
	n.calls[from] = append(n.calls[from], call{rule: int32(n.c.need(rule)), ret: to})
}

// expandUpTo is the size up to which a counted repetition is written out;
// beyond, it is a rule of its own that counts its turns.
const expandUpTo = 64

func (n *nfa) repeat(x *node, from, to int32) {
	sub := x.sub[0]
	copies := max(x.min, x.max)
	if copies > 1 && !n.c.small(copies, sub) && !n.c.nullableCall(sub) {
		n.call(from, n.c.loop(x), to)
		return
	}
	at := n.state()
	n.jump(from, at)
	for range x.min {
		next := n.state()
		n.add(sub, at, next)
		at = next
	}
	n.jump(at, to)
	if x.max < 0 {
		again := n.state() // a state of its own, so that the loop cannot be entered from behind
		n.jump(at, again)
		back := n.state()
		n.add(sub, again, back)
		n.jump(back, again)
		n.jump(back, to)
		return
	}
	for range x.max - x.min {
		next := n.state()
		n.add(sub, at, next)
		at = next
		n.jump(at, to)
	}
}
