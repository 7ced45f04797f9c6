package grammar

import "slices"

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
// for each mask, but the states that can wait below the frame at all, those that
// can wait below them, and so on, leave most tokens out for good.
type keeper struct {
	stack
	t     *trie
	mask  []uint64 // tokens that are allowed as they are; nil: none
	heads []head
	ended []int32 // frames that ended before the byte that is looked at
	steps int

	a     *after
	turns int32
	text  []byte // what the nodes below a leave spell, from there on
	base  uint16 // length of the string above the leave
	arena []byte
	spans []byteRange // of arena, by number
}

type byteRange struct{ from, to int }

// newAfter makes the after of a state of frame f whose entry is e.
func newAfter(g *Grammar, f int32, t *trie, e *entry) (*after, error) {
	k := &keeper{stack: stack{g: g}, t: t, a: &after{}}
	if !g.frames[f].pure {
		k.mask = e.mask
	}
	for _, l := range e.leaves {
		k.turns, k.base, k.ended = l.turns, t.up[l.node], k.ended[:0]
		ok := k.back(f, t.byte[l.node], 0)
		if ok {
			ok = k.rest(l.node, 0)
		} else {
			ok = k.all(l.node)
		}
		if k.heads = k.heads[:0]; !ok {
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
	k.a.trie = *newTrie(func(i int32) []byte { return k.arena[k.spans[i].from:k.spans[i].to] }, ids)
	return k.a, nil
}

// node keeps of node i and those below it what heads[lo:] let pass. It returns
// false if there are too many tokens.
func (k *keeper) node(i int32, lo int) bool {
	from, nodes := len(k.heads), len(k.nodes)
	k.ended = k.ended[:0]
	known := true
	for _, h := range k.heads[lo:from] {
		known = known && k.advance(h, k.t.byte[i], from)
	}
	ok := false
	if known {
		ok = k.rest(i, from)
	} else {
		ok = k.all(i)
	}
	k.heads, k.nodes = k.heads[:from], k.nodes[:nodes]
	return ok
}

// rest keeps node i, after which heads[lo:] are left, and goes on below.
func (k *keeper) rest(i int32, lo int) bool {
	switch n := len(k.heads) - lo; {
	case n == 0:
		return true
	case n > maxHeads || k.steps > keepSteps:
		return k.all(i)
	}
	ok := k.keep(i)
	for j := i + 1; j < k.t.end[i] && ok; j = k.t.end[j] {
		ok = k.node(j, lo)
	}
	return ok
}

// advance adds to heads[from:] what follows h after a byte. It returns false if
// that is not known.
func (k *keeper) advance(h head, b byte, from int) bool {
	k.steps++
	k.heads = k.step(k.heads, from, h, b)
	for k.pops(h) {
		if h.below < 0 {
			return k.back(k.g.states[h.state].frame, b, from)
		}
		n := &k.nodes[h.below]
		h = head{n.frame, n.below}
	}
	return true
}

// back is advance for all that may wait below a frame that has ended.
func (k *keeper) back(f int32, b byte, from int) bool {
	if slices.Contains(k.ended, f) {
		return true
	}
	k.ended = append(k.ended, f)
	x := &k.g.frames[f]
	if !x.follow.has(b) {
		return true
	}
	if x.crowd {
		return false
	}
	for _, s := range x.back {
		turn := int32(0)
		if k.g.frames[k.g.states[s].frame].loop {
			turn = unknown
		}
		if !k.advance(head{frame{s, turn}, -1}, b, from) {
			return false
		}
	}
	return true
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
		k.spans = append(k.spans, byteRange{len(k.arena) - len(k.text), len(k.arena)})
	}
	return true
}
