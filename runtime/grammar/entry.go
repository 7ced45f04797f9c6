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
	upTo  [][]uint64
	long  []turned // tokens of more than bucketTurns turns, fewest first
	turns int32    // the most turns of a token
	after *after   // tokens that leave the frame
}

// turned is a token and its turns in a loop.
type turned struct{ id, turns int32 }

// bucketTurns is up to how many turns tokens are sorted into masks.
const bucketTurns = 16

// after is a trie of what tokens write after they have left a frame. Its ids
// number id and turns.
type after struct {
	trie
	id    []int32
	turns []int32 // of a pure loop that were ended before
}

// maxAfter bounds the tokens, by place of leaving, of one after.
const maxAfter = 1 << 18

func (e *entry) bytes() int {
	n := 256 + 8*len(e.mask)*(1+len(e.upTo)) + 8*len(e.long)
	if a := e.after; a != nil {
		n += 11*len(a.byte) + 4*len(a.ids) + 8*len(a.id)
	}
	return n
}

// entryOf returns the entry of a head's state, made if it is not in the cache.
func (v *Vocabulary) entryOf(g *Grammar, h head) (*entry, error) {
	f := &g.frames[g.states[h.state].frame]
	k := key{frame: f.sum, state: h.state - f.start}
	if f.loop && !f.pure {
		reach := int32(v.trie.depth + 1)
		k.lo, k.hi = min(max(f.min-h.turn, 0), reach), min(f.max-h.turn, reach)
	}
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
	if w.failed {
		return nil, &LimitError{"readings of a text at once", maxHeads}
	}
	e := &entry{mask: make([]uint64, v.words)}
	e.take(t, sc.reach, f)
	err := e.leave(w, f.pure)
	clear(sc.reach)
	clear(sc.row)
	v.walks.Put(sc)
	return e, err
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

// leave collects the tokens that leave the frame, by what they write then.
func (e *entry) leave(w *walker, pure bool) error {
	a := &after{}
	t := w.t
	var arena, text []byte // what the nodes below a leave spell, from there on
	var rest []byteRange   // of arena, by number
	var open []int32       // the ends of the nodes that text spells
	for _, l := range w.long.leaves {
		text, open = text[:0], open[:0]
		for i := l.node; i < t.end[l.node]; i++ {
			for len(open) > 0 && i >= open[len(open)-1] {
				open = open[:len(open)-1]
			}
			text, open = append(text[:len(open)], t.byte[i]), append(open, t.end[i])
			r := byteRange{len(arena), len(arena) + len(text)}
			for _, id := range t.ids[t.tok[i]:t.tok[i+1]] {
				if !pure && e.mask[id>>6]>>(id&63)&1 != 0 {
					continue // allowed as it is
				}
				if len(a.id) == maxAfter {
					return &LimitError{"tokens that may leave a rule", maxAfter}
				}
				if len(arena) < r.to {
					arena = append(arena, text...)
				}
				a.id, a.turns = append(a.id, id), append(a.turns, l.turns)
				rest = append(rest, r)
			}
		}
	}
	if len(a.id) == 0 {
		return nil
	}
	ids := make([]int32, len(a.id))
	for i := range ids {
		ids[i] = int32(i)
	}
	a.trie = *newTrie(func(i int32) []byte { return arena[rest[i].from:rest[i].to] }, ids)
	e.after = a
	return nil
}

type byteRange struct{ from, to int }
