package safety

// scanner is the one way that text goes through segments, windows and the automaton.
type scanner struct {
	p      *Compiled
	window func(text string) // a window is complete
	found  func(topic int32) // a topic ends here

	segments segmenter
	cut      cutter
	open     []byte // the window that is being filled
	state    int32  // of the automaton
	folded   int    // characters that the automaton has seen
	runes    []rune // scratch
}

func (s *scanner) write(text string) {
	s.segments.plain = s.p.compat
	s.segments.write(text, s.segment)
}

// segment takes one: a window may end before it.
func (s *scanner) segment(orig, clean []byte) {
	if s.cut.before(orig, clean) {
		s.endWindow()
	}
	s.open = append(s.open, orig...)
	if s.runes = s.runes[:0]; s.p.compat {
		s.runes = appendLower(s.runes, string(clean))
	} else {
		s.runes = appendFolded(s.runes, string(clean))
	}
	for _, r := range s.runes {
		s.folded++
		s.state = s.p.automaton.step(s.state, r)
		if t := s.p.automaton.topic[s.state]; t >= 0 {
			s.found(t)
		}
	}
}

func (s *scanner) endWindow() {
	if len(s.open) > 0 {
		s.window(string(s.open))
	}
	s.open = s.open[:0]
}

// close takes the end of the text.
func (s *scanner) close() {
	s.segments.close(s.segment)
	s.endWindow()
}

// begun is how many characters the automaton had seen when what may become a topic
// began.
func (s *scanner) begun() int { return s.folded - int(s.p.automaton.depth[s.state]) }
