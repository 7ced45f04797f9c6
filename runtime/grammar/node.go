package grammar

// A front end turns its text into rules whose right sides are trees of nodes;
// the compiler turns the trees into byte automata.

type kind uint8

const (
	kBytes  kind = iota // lit, as it is; "" matches the empty text
	kClass              // one code point of ranges, as UTF-8
	kSeq                // sub, one after the other
	kAlt                // one of sub; none: nothing matches
	kRepeat             // sub[0], min to max times; max < 0: without bound
	kRef                // the rule with this index
	kGraph              // a path through graph
)

// node is one node of a right side. A node may have several parents; the
// compiler never changes it.
type node struct {
	kind     kind
	lit      string
	ranges   []runeRange // ascending, disjoint, without surrogates
	sub      []*node
	min, max int
	rule     int
	graph    *graph
}

// runeRange is the code points lo to hi.
type runeRange struct{ lo, hi rune }

// graph is an automaton whose edges carry nodes. State 0 is the start.
type graph struct {
	accept []bool
	edges  []graphEdge
}

type graphEdge struct {
	from, to int
	label    *node
}

// rule is a named right side.
type rule struct {
	name   string
	body   *node
	shared bool // never copied into the rules that name it, so that its states exist once
}

var empty = &node{kind: kBytes}

func lit(s string) *node             { return &node{kind: kBytes, lit: s} }
func ref(rule int) *node             { return &node{kind: kRef, rule: rule} }
func class(r ...runeRange) *node     { return &node{kind: kClass, ranges: r} }
func repeat(n *node, a, b int) *node { return &node{kind: kRepeat, sub: []*node{n}, min: a, max: b} }

func seq(sub ...*node) *node {
	if len(sub) == 1 {
		return sub[0]
	}
	return &node{kind: kSeq, sub: sub}
}

func alt(sub ...*node) *node {
	if len(sub) == 1 {
		return sub[0]
	}
	return &node{kind: kAlt, sub: sub}
}

// nullable tells whether n matches the empty text, given which rules do.
func (n *node) nullable(rules []bool) bool {
	switch n.kind {
	case kBytes:
		return n.lit == ""
	case kSeq:
		for _, s := range n.sub {
			if !s.nullable(rules) {
				return false
			}
		}
		return true
	case kAlt:
		for _, s := range n.sub {
			if s.nullable(rules) {
				return true
			}
		}
	case kRepeat:
		return n.min == 0 || n.sub[0].nullable(rules)
	case kRef:
		return rules[n.rule]
	case kGraph:
		return n.graph.nullable(rules)
	}
	return false
}

func (g *graph) nullable(rules []bool) bool {
	seen := make([]bool, len(g.accept))
	todo := []int{0}
	seen[0] = true
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if g.accept[s] {
			return true
		}
		for _, e := range g.edges {
			if e.from == s && !seen[e.to] && e.label.nullable(rules) {
				seen[e.to] = true
				todo = append(todo, e.to)
			}
		}
	}
	return false
}

// each calls f for every node below n and n itself; shared nodes come more
// than once.
func (n *node) each(f func(*node)) {
	f(n)
	for _, s := range n.sub {
		s.each(f)
	}
	if n.graph != nil {
		for _, e := range n.graph.edges {
			e.label.each(f)
		}
	}
}
func (g *graph) state(accept bool) int {
	g.accept = append(g.accept, accept)
	return len(g.accept) - 1
}

func (g *graph) edge(from, to int, label *node) {
	g.edges = append(g.edges, graphEdge{from, to, label})
}

func graphNode(g *graph) *node { return &node{kind: kGraph, graph: g} }
