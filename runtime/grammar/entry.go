package grammar

import (
	"cmp"
	"slices"
)

// entry is what is known of a state without its stack.
type entry struct {
	mask []uint64 // tokens that stay in the frame, or end where it may end
	// A pure loop with a bound has mask for any number of turns, and
	// upTo[n] for tokens of at most n turns, those in long left out.
	upTo   [][]uint64
	long   []turned // tokens of more than bucketTurns turns, fewest first
	turns  int32    // the most turns of a token
	leaves []leave  // where tokens leave the frame

	after *after // of an entry of its own: tokens that leave the frame
}

// turned is a token and its turns in a loop.
type turned struct{ id, turns int32 }

// bucketTurns is up to how many turns tokens are sorted into masks.
const bucketTurns = 16

func (e *entry) bytes() int {
	n := 256 + 8*len(e.mask)*(1+len(e.upTo)) + 8*len(e.long) + 8*len(e.leaves)
	if a := e.after; a != nil {
		n += 11*len(a.byte) + 8*len(a.ids) + 8*len(a.id)
	}
	return n
}

// key names the masks of a state that need no stack, and the state's limits.
func (v *Vocabulary) key(g *Grammar, h head) key {
	f := &g.frames[g.states[h.state].frame]
	k := key{frame: f.sum, state: h.state - f.start}
	if f.loop && !f.pure {
		reach := int32(v.trie.depth + 1)
		k.lo, k.hi = min(max(f.min-h.turn, 0), reach), min(f.max-h.turn, reach)
	}
	return k
}

// entryOf returns the entry of a head's state, made if it is not in the cache.
func (v *Vocabulary) entryOf(g *Grammar, h head) (*entry, error) {
	k := v.key(g, h)
	if e := v.cache.get(&k); e != nil {
		return e, nil
	}
	e, err := v.newEntry(g, h.frame)
	if err != nil {
		return nil, err
	}
	v.cache.put(&k, e)
	return e, nil
}

// afterOf returns what tokens write after they have left the frame of a head whose entry
// is e; nil: nothing.
func (v *Vocabulary) afterOf(g *Grammar, h head, e *entry) (*after, error) {
	if len(e.leaves) == 0 {
		return nil, nil
	}
	k := v.key(g, h)
	f := g.states[h.state].frame
	k.frame, k.after = g.frames[f].own, true
	if e := v.cache.get(&k); e != nil {
		return e.after, nil
	}
	a, err := newAfter(g, f, v.trie, e)
	if err != nil {
		return nil, err
	}
	v.cache.put(&k, &entry{after: a})
	return a, nil
}

// newEntry walks the whole vocabulary from a state.
func (v *Vocabulary) newEntry(g *Grammar, at frame) (*entry, error) {
	f := &g.frames[g.states[at.state].frame]
	t := v.trie
	sc, _ := v.walks.Get().(*scratch)
	if sc == nil {
		sc = &scratch{make([]uint16, len(t.byte)), make([]*row, t.depth+1), make([]int32, t.depth+1)}
	}
	l := &long{scratch: sc, rows: make([]*row, len(g.states)), follow: f.follow, pure: f.pure, bounds: f.start}
	w := &walker{stack: stack{g: g}, t: t, long: l}
	w.walk([]head{{at, -1}})
	if w.failed != nil {
		return nil, w.failed
	}
	e := &entry{mask: make([]uint64, v.words), leaves: slices.Clip(l.leaves)}
	e.take(t, sc.reach, f)
	clear(sc.reach)
	clear(sc.row)
	v.walks.Put(sc)
	return e, nil
}

// take sorts the tokens that a walk has reached.
func (e *entry) take(t *trie, reach []uint16, f *linkedFrame) {
	if !f.pure || f.max == maxTurns {
		for i, id := range t.ids {
			e.mask[id>>6] |= uint64(min(reach[t.node[i]], 1)) << (id & 63)
		}
		return
	}
	e.upTo = make([][]uint64, bucketTurns+1)
	all := make([]uint64, len(e.upTo)*len(e.mask))
	for i := range e.upTo {
		e.upTo[i], all = all[:len(e.mask):len(e.mask)], all[len(e.mask):]
	}
	for i, id := range t.ids {
		turns := int32(reach[t.node[i]]) - 1
		e.turns = max(e.turns, turns)
		switch {
		case turns < 0:
		case turns <= bucketTurns:
			e.upTo[turns][id>>6] |= 1 << (id & 63)
		default:
			e.long = append(e.long, turned{id, turns})
		}
	}
	e.accumulate()
}

// accumulate makes running unions of the masks by turns.
func (e *entry) accumulate() {
	for n := range e.upTo {
		for i, w := range e.upTo[n] {
			e.mask[i] |= w
			e.upTo[n][i] = e.mask[i]
		}
	}
	slices.SortFunc(e.long, func(a, b turned) int { return cmp.Compare(a.turns, b.turns) })
	for _, x := range e.long {
		e.mask[x.id>>6] |= 1 << (x.id & 63)
	}
}
