package grammar

import (
	"errors"
	"fmt"
	"slices"
)

// ErrEnded means that a token came after the end of the text.
var ErrEnded = errors.New("grammar: the text has ended")

// Matcher follows one text through a grammar, token by token. It is for one
// goroutine at a time. Once its buffers have grown, it allocates nothing
// except when a state is met whose masks are not in the vocabulary's cache.
type Matcher struct {
	v     *Vocabulary
	w     walker // its stack holds the frames of heads
	heads []head
	next  [2][]head // scratch of Accept
	live  []int32   // scratch of compact
	sweep int       // compact when there are as many nodes
	mask  []uint64
	valid bool // mask is that of heads
	ended bool
	lo    int32 // the turns that note lets pass
	hi    int32
	after *after
}

// Matcher returns a matcher at the beginning of a text of g.
func (v *Vocabulary) Matcher(g *Grammar) *Matcher {
	v.load()
	m := &Matcher{v: v, heads: []head{{frame{g.root, 0}, -1}}, mask: make([]uint64, v.words), sweep: 1024}
	m.w.g = g
	m.w.note = m.note
	return m
}

// Fork returns an independent matcher in the same state.
func (m *Matcher) Fork() *Matcher {
	c := &Matcher{v: m.v, heads: slices.Clone(m.heads), mask: make([]uint64, m.v.words), sweep: m.sweep, ended: m.ended}
	c.w.stack = stack{g: m.w.g, nodes: slices.Clone(m.w.nodes)}
	c.w.note = c.note
	return c
}

// Allowed returns the tokens that may come next: a bitset by id, least
// significant bit first, valid until the next call of Accept. A token is in it
// if some text of the grammar begins with what was accepted and its bytes;
// a token that ends the text, if it may end here. Tokens that write nothing
// are never in it.
//
// An error, always a *LimitError, means that the grammar is so ambiguous that
// too many readings would have to be followed.
func (m *Matcher) Allowed() ([]uint64, error) {
	if m.valid {
		return m.mask, nil
	}
	clear(m.mask)
	for _, h := range m.heads {
		if m.ended {
			break
		}
		if err := m.head(h); err != nil {
			return nil, err
		}
	}
	if m.Done() {
		for _, id := range m.v.end {
			m.mask[id>>6] |= 1 << (id & 63)
		}
	}
	m.valid = true
	return m.mask, nil
}

// head adds the tokens of one reading.
func (m *Matcher) head(h head) error {
	e, err := m.v.entryOf(m.w.g, h)
	if err != nil {
		return err
	}
	f := &m.w.g.frames[m.w.g.states[h.state].frame]
	m.lo, m.hi = 0, maxTurns
	if f.pure {
		m.lo, m.hi = max(0, f.min-h.turn), f.max
		if f.max < maxTurns {
			m.hi -= h.turn
		}
	}
	e.stay(m.mask, m.hi)
	if h.below < 0 {
		return nil
	}
	a, err := m.v.afterOf(m.w.g, h, e)
	if a == nil || err != nil {
		return err
	}
	n := &m.w.nodes[h.below]
	from := [1]head{{n.frame, n.below}}
	m.w.t, m.after = &a.trie, a
	m.w.walk(from[:])
	if m.w.failed != nil {
		return m.w.failed
	}
	return nil
}

// stay adds the tokens that stay in the frame and end at most turns turns.
func (e *entry) stay(mask []uint64, turns int32) {
	if turns >= e.turns {
		or(mask, e.mask)
		return
	}
	or(mask, e.upTo[min(turns, bucketTurns)])
	for _, x := range e.long {
		if x.turns > turns {
			break
		}
		mask[x.id>>6] |= 1 << (x.id & 63)
	}
}

func or(dst, src []uint64) {
	src = src[:len(dst)]
	for i, x := range src {
		dst[i] |= x
	}
}

// note adds the tokens of a node of after.
func (m *Matcher) note(node int32) {
	a := m.after
	for _, i := range a.ids[a.tok[node]:a.tok[node+1]] {
		if t := a.turns[i]; t >= m.lo && t <= m.hi {
			m.mask[a.id[i]>>6] |= 1 << (a.id[i] & 63)
		}
	}
}

// Accept goes past a token. A token that Allowed leaves out is an error, which
// changes nothing.
func (m *Matcher) Accept(id int32) error {
	switch {
	case id < 0 || int(id) >= m.v.vocab.Len():
		return fmt.Errorf("grammar: token %d is not in 0 to %d", id, m.v.vocab.Len()-1)
	case m.v.vocab.EOG(id):
		if !m.Done() {
			return fmt.Errorf("grammar: token %d ends the text where it may not end", id)
		}
		m.valid, m.ended = m.ended, true
		return nil
	case m.ended:
		return ErrEnded
	case !m.v.text(id):
		return fmt.Errorf("grammar: token %d is no text", id)
	}
	return m.AcceptText(m.v.vocab.Token(id))
}

// AcceptText goes past a text, as Accept does past a token's.
func (m *Matcher) AcceptText(text []byte) error {
	if m.ended && len(text) > 0 {
		return ErrEnded
	}
	nodes := len(m.w.nodes)
	heads := m.heads
	for i, b := range text {
		out := m.next[i&1][:0]
		for _, h := range heads {
			out = m.w.step(out, 0, h, b)
		}
		m.next[i&1] = out[:0]
		if len(out) == 0 || len(out) > maxHeads {
			m.w.nodes = m.w.nodes[:nodes]
			if len(out) > 0 {
				return &LimitError{"readings of a text at once", maxHeads}
			}
			return fmt.Errorf("grammar: %q does not go on here (byte %d)", text, i)
		}
		heads = out
	}
	m.heads = append(m.heads[:0], heads...)
	m.valid = m.valid && len(text) == 0
	if len(m.w.nodes) > m.sweep {
		m.compact()
	}
	return nil
}

// compact drops the stack nodes that no head needs. A node's number is larger
// than that of the one below it.
func (m *Matcher) compact() {
	nodes := m.w.nodes
	m.live = append(m.live[:0], make([]int32, len(nodes))...)
	for _, h := range m.heads {
		for i := h.below; i >= 0 && m.live[i] == 0; i = nodes[i].below {
			m.live[i] = 1
		}
	}
	n := int32(0)
	for i := range nodes {
		if m.live[i] == 0 {
			continue
		}
		m.live[i] = n
		nodes[n] = nodes[i]
		if b := nodes[n].below; b >= 0 {
			nodes[n].below = m.live[b]
		}
		n++
	}
	for i := range m.heads {
		if b := m.heads[i].below; b >= 0 {
			m.heads[i].below = m.live[b]
		}
	}
	m.w.nodes = nodes[:n]
	m.sweep = max(1024, 2*int(n))
}

// Done tells whether the text may end here.
func (m *Matcher) Done() bool {
	for _, h := range m.heads {
		if m.w.ends(h) {
			return true
		}
	}
	return false
}

// Complete tells whether the text has ended or can only end: nothing but an
// end token may come.
func (m *Matcher) Complete() bool {
	if m.ended {
		return true
	}
	for _, h := range m.heads {
		for {
			if m.w.goesOn(h) {
				return false
			}
			if h.below < 0 || !m.w.pops(h) {
				break
			}
			n := &m.w.nodes[h.below]
			h = head{n.frame, n.below}
		}
	}
	return true
}
