package grammar

// stack holds the frames that wait below the ones on top, as a tree: the
// readings of an ambiguous text share what they have in common. nodes grow at
// the end only, so a walk that went down a path cuts them off again.
type stack struct {
	g     *Grammar
	nodes []stackNode
}

type stackNode struct {
	frame
	below int32 // -1: none
}

// head is one reading of the text: where it is, above the frames that wait.
type head struct {
	frame
	below int32
}

// step appends to out the heads that follow h after a byte, those left out
// that are there already. out[from:] are this step's.
func (s *stack) step(out []head, from int, h head, b byte) []head {
	for {
		st := &s.g.states[h.state]
		f := &s.g.frames[st.frame]
		for _, a := range s.g.find(h.state, b) {
			if a.guard == always || a.guard.more(h.turn, f) {
				out = s.put(out, from, s.take(h, &a))
			}
		}
		if h.below < 0 || st.pop != always && !st.pop.enough(h.turn, f) {
			return out
		}
		n := &s.nodes[h.below]
		h = head{n.frame, n.below}
	}
}

// take applies an action.
func (s *stack) take(h head, a *action) head {
	turn := h.turn
	if !a.keep {
		turn = 0
	}
	below := h.below
	for _, p := range s.g.pushes[a.push : a.push+a.n] {
		p.turn = s.turns(p.state, turn+p.turn)
		turn = 0
		s.nodes = append(s.nodes, stackNode{p, below})
		below = int32(len(s.nodes) - 1)
	}
	return head{frame{a.next.state, s.turns(a.next.state, turn+a.next.turn)}, below}
}

// turns counts no further than makes a difference.
func (s *stack) turns(state, turn int32) int32 {
	switch {
	case turn < 0:
		return unknown
	case turn == 0:
		return 0
	}
	if f := &s.g.frames[s.g.states[state].frame]; f.max == maxTurns {
		return min(turn, f.min)
	}
	return turn
}

func (s *stack) put(out []head, from int, h head) []head {
	for _, o := range out[from:] {
		if o.frame == h.frame && s.same(o.below, h.below) {
			return out
		}
	}
	return append(out, h)
}

// same tells whether two stacks hold the same frames.
func (s *stack) same(a, b int32) bool {
	for a != b {
		if a < 0 || b < 0 || s.nodes[a].frame != s.nodes[b].frame {
			return false
		}
		a, b = s.nodes[a].below, s.nodes[b].below
	}
	return true
}

// ends tells whether the text may end at h.
func (s *stack) ends(h head) bool {
	for s.pops(h) {
		if h.below < 0 {
			return true
		}
		n := &s.nodes[h.below]
		h = head{n.frame, n.below}
	}
	return false
}

// pops tells whether the frame of h may end.
func (s *stack) pops(h head) bool {
	st := &s.g.states[h.state]
	return st.pop.enough(h.turn, &s.g.frames[st.frame])
}

// goesOn tells whether a byte may come in the frame of h.
func (s *stack) goesOn(h head) bool {
	st := &s.g.states[h.state]
	f := &s.g.frames[st.frame]
	for _, p := range s.g.spans[st.first : st.first+st.n] {
		for _, a := range s.g.actions[p.first : p.first+p.n] {
			if a.guard.more(h.turn, f) {
				return true
			}
		}
	}
	return false
}
