package grammar

import "math"

// maxTurns stands for a loop without bound.
const maxTurns = math.MaxInt32

// compiler turns rules into the states of a Grammar.
type compiler struct {
	rules  []rule
	limits Limits
	info   []ruleInfo
	sizes  map[*node]int
	null   []bool        // by rule: matches the empty text
	loops  map[*node]int // counted repetition -> its rule
	built  []int         // rules in the order in which their automata are numbered
	number map[int]int   // rule -> place in built
	states []state
	frames []frameInfo // by place in built
	work   int         // what determinizing has cost, see determinize
}

// ruleInfo decides whether a rule is copied into those that name it.
type ruleInfo struct {
	visited, onPath, back bool // back: some path from it leads to it again
	uses                  int
	size                  int
	wide                  bool // it repeats a large class: one shared copy of these states saves masks
	inline                bool
}

// state is a state of the automaton of one rule.
type state struct {
	edges  []edge
	calls  []call
	accept bool // the rule may end here
}

type edge struct {
	lo, hi byte
	inc    bool // it ends one turn of a counted loop
	to     int32
}

// frameInfo is what a rule became.
type frameInfo struct {
	name     string
	start, n int32 // its states
	loop     bool  // its turns are counted: start is passed once a turn
	min, max int32 // turns; max is maxTurns without bound
}

// inlineUpTo is the size up to which a rule of several uses is copied.
const (
	inlineUpTo   = 64
	inlineSingle = 4096
)

// measure walks the rules below i and decides which are copied.
func (c *compiler) measure(i int) {
	in := &c.info[i]
	in.visited, in.onPath = true, true
	c.rules[i].body.each(func(n *node) {
		switch {
		case n.kind == kRef:
			c.info[n.rule].uses++
			if r := &c.info[n.rule]; r.onPath {
				r.back = true
			} else if !r.visited {
				c.measure(n.rule)
			}
		case n.kind == kRepeat && (n.max < 0 || n.max > 16) && n.sub[0].wide():
			c.info[i].wide = true
		}
	})
	c.info[i].onPath = false
}

// wide tells whether n begins with a class of many characters.
func (n *node) wide() bool {
	switch n.kind {
	case kClass:
		count := 0
		for _, r := range n.ranges {
			count += int(r.hi-r.lo) + 1
		}
		return count >= 64
	case kSeq:
		return len(n.sub) > 0 && n.sub[0].wide()
	case kAlt:
		for _, s := range n.sub {
			if s.wide() {
				return true
			}
		}
	case kRepeat:
		return n.sub[0].wide()
	}
	return false
}

// choose decides about rule i after those it names.
func (c *compiler) choose(i int) {
	in := &c.info[i]
	if in.size != 0 {
		return
	}
	in.size = 1 // what a call counts, for a rule that calls itself
	c.rules[i].body.each(func(n *node) {
		if n.kind == kRef {
			c.choose(n.rule)
		}
	})
	in.size = max(1, c.size(c.rules[i].body))
	in.inline = !in.back && !in.wide && !c.rules[i].shared && (in.size <= inlineUpTo || in.uses <= 1 && in.size <= inlineSingle)
}

// size estimates the states of n.
func (c *compiler) size(n *node) int {
	if v, ok := c.sizes[n]; ok {
		return v
	}
	v := 0
	switch n.kind {
	case kBytes:
		v = len(n.lit)
	case kClass:
		v = 1
		if len(n.ranges) > 0 && n.ranges[len(n.ranges)-1].hi > 0x7f {
			v = 8
		}
	case kSeq, kAlt:
		for _, s := range n.sub {
			v = capped(v + c.size(s))
		}
	case kRepeat:
		v = capped(max(1, n.min, n.max) * c.size(n.sub[0]))
	case kRef:
		v = 1
		if c.info[n.rule].inline {
			v = c.info[n.rule].size
		}
	case kGraph:
		v = len(n.graph.accept)
		for _, e := range n.graph.edges {
			v = capped(v + c.size(e.label))
		}
	}
	c.sizes[n] = v
	return v
}

func capped(n int) int { return min(n, 1<<24) }

// small tells whether copies of n may be written out.
func (c *compiler) small(copies int, n *node) bool { return copies*c.size(n) <= expandUpTo }

// nullableCall tells whether n matches the empty text by way of a rule; turns
// of that kind cannot be counted.
func (c *compiler) nullableCall(n *node) bool {
	if !n.nullable(c.null) {
		return false
	}
	calls := false
	n.each(func(x *node) { calls = calls || x.kind == kRef })
	return calls
}

// loop returns the rule that counts the turns of a repetition.
func (c *compiler) loop(n *node) int {
	i, ok := c.loops[n]
	if !ok {
		i = len(c.rules)
		c.loops[n] = i
		c.rules = append(c.rules, rule{name: "repetition", body: n})
		c.info = append(c.info, ruleInfo{})
	}
	return i
}

// need returns the number of a rule among those built, which puts it in the
// queue.
func (c *compiler) need(rule int) int {
	i, ok := c.number[rule]
	if !ok {
		i = len(c.built)
		c.number[rule] = i
		c.built = append(c.built, rule)
	}
	return i
}

// build makes the states of every rule that root needs.
func (c *compiler) build(root int) {
	c.null = make([]bool, len(c.rules))
	for again := true; again; {
		again = false
		for i := range c.rules {
			if !c.null[i] && c.rules[i].body.nullable(c.null) {
				c.null[i], again = true, true
			}
		}
	}
	c.measure(root)
	c.choose(root)
	c.need(root)
	for i := 0; i < len(c.built); i++ {
		r := c.rules[c.built[i]]
		f := frameInfo{name: r.name, start: int32(len(c.states))}
		body := r.body
		if _, ok := c.loops[body]; ok {
			f.loop, f.min, f.max = true, int32(body.min), maxTurns
			if body.max >= 0 {
				f.max = int32(body.max)
			}
			body = body.sub[0]
			if body.nullable(c.null) {
				f.min = 0
			}
		}
		n := &nfa{c: c}
		from, to := n.state(), n.state()
		n.add(body, from, to)
		local := c.determinize(n, from, to)
		if f.loop {
			local = closeLoop(local)
		}
		f.n = int32(len(local))
		c.number[c.built[i]] = i
		c.frames = append(c.frames, f)
		c.append(local, f.start)
	}
}

// append adds the states of one rule, which are numbered from 0.
func (c *compiler) append(local []state, base int32) {
	if len(c.states)+len(local) > c.limits.States {
		panic(&LimitError{"states", c.limits.States})
	}
	for _, s := range local {
		for i := range s.edges {
			s.edges[i].to += base
		}
		for i := range s.calls {
			s.calls[i].ret += base
		}
		c.states = append(c.states, s)
	}
}

// closeLoop makes a counted loop of the automaton of one turn: the end of a
// turn is the state 0, and the way there counts.
func closeLoop(turn []state) []state {
	// A new state 0 takes the place of the start, which a turn may pass again.
	out := make([]state, 0, len(turn)+1)
	out = append(out, state{edges: append([]edge(nil), turn[0].edges...), calls: append([]call(nil), turn[0].calls...)})
	for _, s := range turn {
		out = append(out, state{edges: s.edges, calls: s.calls})
	}
	goesOn := func(s int32) bool { return len(turn[s].edges)+len(turn[s].calls) > 0 }
	for i := range out {
		var edges []edge
		for _, e := range out[i].edges {
			if turn[e.to].accept {
				edges = append(edges, edge{e.lo, e.hi, true, 0})
			}
			if !turn[e.to].accept || goesOn(e.to) {
				edges = append(edges, edge{e.lo, e.hi, false, e.to + 1})
			}
		}
		var calls []call
		for _, x := range out[i].calls {
			if turn[x.ret].accept {
				calls = append(calls, call{x.rule, 0, true})
			}
			if !turn[x.ret].accept || goesOn(x.ret) {
				calls = append(calls, call{x.rule, x.ret + 1, false})
			}
		}
		out[i].edges, out[i].calls = edges, calls
	}
	out[0].accept = true // from min turns on
	return out
}
