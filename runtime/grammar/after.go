package grammar

// after is a trie of what tokens write after they have left a frame. Its ids
// number id and turns.
type after struct {
	trie
	id    []int32
	turns []int32 // of a pure loop that were ended before
}

// maxAfter bounds the tokens, by place of leaving, of one after.
const maxAfter = 1 << 18

// keepSteps bounds the steps that are spent on leaving tokens out of one after.
const keepSteps = 1 << 16

// keeper collects the tokens that leave a frame. The real stack is looked at
// for each mask, but the states that can wait below the frame at all, with
// whatever is below them, leave most tokens out for good.
type keeper struct {
	stack
	t     *trie
	frame *linkedFrame
	mask  []uint64 // tokens that are allowed as they are; nil: none
	heads []head
	steps int

	a     *after
	turns int32
	text  []byte // what the nodes below a leave spell, from there on
	base  uint16 // length of the string above the leave
	arena []byte
	rest  []byteRange // of arena, by number
}

type byteRange struct{ from, to int }

// newAfter makes the after of a state whose entry is e.
func newAfter(g *Grammar, f *linkedFrame, t *trie, e *entry) (*after, error) {
	k := &keeper{stack: stack{g: g}, t: t, frame: f, a: &after{}}
	if !f.pure {
		k.mask = e.mask
	}
	for _, s := range f.back {
		turn := int32(0)
		if g.frames[g.states[s].frame].loop {
			turn = unknown
		}
		k.heads = append(k.heads, head{frame{s, turn}, -1})
	}
	for _, l := range e.leaves {
		k.turns, k.base = l.turns, t.up[l.node]
		if len(k.heads) == 0 && !k.all(l.node) || len(k.heads) > 0 && !k.node(l.node, 0) {
			return nil, &LimitError{"tokens that may leave a rule", maxAfter}
		}
	}
	if len(k.a.id) == 0 {
		return nil, nil
	}
	ids := make([]int32, len(k.a.id))
	for i := range ids {
		ids[i] = int32(i)
	}
	k.a.trie = *newTrie(func(i int32) []byte { return k.arena[k.rest[i].from:k.rest[i].to] }, ids)
	return k.a, nil
}

// node keeps of node i and those below it what heads[lo:] let pass. It returns
// false if there are too many tokens.
func (k *keeper) node(i int32, lo int) bool {
	t := k.t
	b := t.byte[i]
	from, nodes := len(k.heads), len(k.nodes)
	for _, h := range k.heads[lo:from] {
		if k.beyond(h, b) || k.steps > keepSteps {
			return k.all(i)
		}
		k.steps++
		k.heads = k.step(k.heads, from, h, b)
	}
	n, ok := len(k.heads)-from, true
	switch {
	case n > maxHeads:
		ok = k.all(i)
	case n > 0:
		ok = k.keep(i)
		for j := i + 1; j < t.end[i] && ok; j = t.end[j] {
			ok = k.node(j, from)
		}
	}
	k.heads, k.nodes = k.heads[:from], k.nodes[:nodes]
	return ok
}

// beyond tells whether b may come after all that is known to be below.
func (k *keeper) beyond(h head, b byte) bool {
	for k.pops(h) {
		if h.below < 0 {
			return k.g.frames[k.g.states[h.state].frame].follow.has(b)
		}
		n := &k.nodes[h.below]
		h = head{n.frame, n.below}
	}
	return false
}

// all keeps node i and those below it.
func (k *keeper) all(i int32) bool {
	for j := i; j < k.t.end[i]; j++ {
		if !k.keep(j) {
			return false
		}
	}
	return true
}

// keep adds the tokens of node i, the nodes above which came before it.
func (k *keeper) keep(i int32) bool {
	t, a := k.t, k.a
	k.text = append(k.text[:t.up[i]-k.base], t.byte[i])
	for _, id := range t.ids[t.tok[i]:t.tok[i+1]] {
		if k.mask != nil && k.mask[id>>6]>>(id&63)&1 != 0 {
			continue // allowed as it is
		}
		if len(a.id) == maxAfter {
			return false
		}
		k.arena = append(k.arena, k.text...)
		a.id, a.turns = append(a.id, id), append(a.turns, k.turns)
		k.rest = append(k.rest, byteRange{len(k.arena) - len(k.text), len(k.arena)})
	}
	return true
}
