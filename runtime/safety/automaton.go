package safety

// automaton finds topics in a stream of characters (Aho and Corasick, 1975). State 0 is
// the root; a state's depth is the length of what of a topic it has seen.
type automaton struct {
	next  map[edge]int32
	fail  []int32
	depth []int32
	under []int32 // a topic that begins so
	topic []int32 // first in order of those that end here, or end a suffix of it; -1: none
}

type edge struct {
	state int32
	r     rune
}

// newAutomaton takes topics in order; empty ones are in no text.
func newAutomaton(topics [][]rune) *automaton {
	a := &automaton{next: map[edge]int32{}, fail: []int32{0}, depth: []int32{0}, under: []int32{-1}, topic: []int32{-1}}
	type child struct {
		edge
		state int32
	}
	var order []child // by depth, once sorted below
	for i, t := range topics {
		at := int32(0)
		for _, r := range t {
			e := edge{at, r}
			to, ok := a.next[e]
			if !ok {
				to = int32(len(a.fail))
				a.next[e] = to
				a.fail, a.depth = append(a.fail, 0), append(a.depth, a.depth[at]+1)
				a.under, a.topic = append(a.under, int32(i)), append(a.topic, -1)
				order = append(order, child{e, to})
			}
			at = to
		}
		if at != 0 && a.topic[at] < 0 {
			a.topic[at] = int32(i)
		}
	}
	byDepth := make([][]child, 1)
	for _, c := range order {
		d := int(a.depth[c.state])
		for len(byDepth) <= d {
			byDepth = append(byDepth, nil)
		}
		byDepth[d] = append(byDepth[d], c)
	}
	for _, level := range byDepth {
		for _, c := range level {
			if c.edge.state != 0 {
				a.fail[c.state] = a.step(a.fail[c.edge.state], c.r)
			}
			if f := a.topic[a.fail[c.state]]; f >= 0 && (a.topic[c.state] < 0 || f < a.topic[c.state]) {
				a.topic[c.state] = f
			}
		}
	}
	return a
}

// step is the state after one more character.
func (a *automaton) step(at int32, r rune) int32 {
	for {
		if to, ok := a.next[edge{at, r}]; ok {
			return to
		}
		if at == 0 {
			return 0
		}
		at = a.fail[at]
	}
}
