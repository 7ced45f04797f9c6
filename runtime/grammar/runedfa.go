package grammar

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// runeDFA is a deterministic automaton over code points: what a string may
// hold. State 0 is the start; a code point without an edge is refused.
type runeDFA struct {
	edges  [][]runeEdge // by state: ascending, disjoint
	accept []bool
}

type runeEdge struct {
	runeRange
	to int
}

var anyRune = []runeRange{{0, utf8.MaxRune}}

// anyString accepts everything.
func anyString() *runeDFA {
	return &runeDFA{edges: [][]runeEdge{{{anyRune[0], 0}}}, accept: []bool{true}}
}

// lengths accepts lo to hi code points; hi < 0: no bound.
func lengths(lo, hi int) *runeDFA {
	d := &runeDFA{}
	n := max(lo, hi)
	for i := range n + 1 {
		d.accept = append(d.accept, i >= lo)
		d.edges = append(d.edges, nil)
		if i < n {
			d.edges[i] = []runeEdge{{anyRune[0], i + 1}}
		}
	}
	if hi < 0 {
		d.edges[n] = []runeEdge{{anyRune[0], n}}
	}
	return d
}

// wordSet accepts the given strings.
func wordSet(words []string) *runeDFA {
	d := &runeDFA{edges: [][]runeEdge{nil}, accept: []bool{false}}
	for _, w := range words {
		at := 0
		for _, r := range w {
			i, ok := slices.BinarySearchFunc(d.edges[at], r, func(e runeEdge, r rune) int { return cmp.Compare(e.lo, r) })
			if !ok {
				d.edges[at] = slices.Insert(d.edges[at], i, runeEdge{runeRange{r, r}, len(d.edges)})
				d.edges, d.accept = append(d.edges, nil), append(d.accept, false)
			}
			at = d.edges[at][i].to
		}
		d.accept[at] = true
	}
	return d
}

// and accepts what a and b accept, or with not what a accepts and b does not.
func (a *runeDFA) and(b *runeDFA, not bool, limit int) (*runeDFA, error) {
	type pair struct{ a, b int } // b: -1 when b is past all hope
	index := map[pair]int{{0, 0}: 0}
	todo := []pair{{0, 0}}
	d := &runeDFA{}
	for i := 0; i < len(todo); i++ {
		p := todo[i]
		d.accept = append(d.accept, a.accept[p.a] && (p.b >= 0 && b.accept[p.b]) != not)
		var out []runeEdge
		to := func(r runeRange, p pair) {
			n, ok := index[p]
			if !ok {
				n = len(todo)
				index[p], todo = n, append(todo, p)
			}
			out = append(out, runeEdge{r, n})
		}
		var other []runeEdge
		if p.b >= 0 {
			other = b.edges[p.b]
		}
		for _, e := range a.edges[p.a] {
			lo := e.lo
			for _, o := range other {
				if o.hi < lo || o.lo > e.hi {
					continue
				}
				if not && o.lo > lo {
					to(runeRange{lo, o.lo - 1}, pair{e.to, -1})
				}
				to(runeRange{max(lo, o.lo), min(e.hi, o.hi)}, pair{e.to, o.to})
				lo = o.hi + 1
			}
			if not && lo <= e.hi {
				to(runeRange{lo, e.hi}, pair{e.to, -1})
			}
		}
		d.edges = append(d.edges, out)
		if len(todo) > limit {
			return nil, &LimitError{"states", limit}
		}
	}
	return d.trim(), nil
}

// trim drops edges that lead to no end.
func (a *runeDFA) trim() *runeDFA {
	back := make([][]int, len(a.edges))
	good := make([]bool, len(a.edges))
	var todo []int
	for s, edges := range a.edges {
		for _, e := range edges {
			back[e.to] = append(back[e.to], s)
		}
		if a.accept[s] {
			good[s] = true
			todo = append(todo, s)
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range back[s] {
			if !good[p] {
				good[p] = true
				todo = append(todo, p)
			}
		}
	}
	for s := range a.edges {
		a.edges[s] = slices.DeleteFunc(a.edges[s], func(e runeEdge) bool { return !good[e.to] })
	}
	return a
}

// all tells whether everything is accepted from s on.
func (a *runeDFA) all(s int) bool {
	if !a.accept[s] {
		return false
	}
	next := rune(0)
	for _, e := range a.edges[s] {
		if e.to != s || e.lo != next {
			return false
		}
		next = e.hi + 1
	}
	return next == utf8.MaxRune+1
}
