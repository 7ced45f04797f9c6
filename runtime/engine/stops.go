package engine

import "strings"

// stops holds back text that may turn out to be the beginning of a stop text,
// also across tokens.
type stops struct {
	texts []string
	held  string // always a proper prefix of one of texts
	hit   bool
	which string // the text that was hit
}

func newStops(texts []string) stops {
	var s stops
	for _, t := range texts {
		if t != "" {
			s.texts = append(s.texts, t)
		}
	}
	return s
}

// push takes the next piece and returns the text that is final, and whether a
// stop text was completed: then the text before it is all there is. Of several
// the one that begins first wins.
func (s *stops) push(piece string) (text string, hit bool) {
	if s.hit || len(s.texts) == 0 {
		return piece, s.hit
	}
	b := s.held + piece
	s.held = ""
	at := -1
	for _, t := range s.texts {
		if i := strings.Index(b, t); i >= 0 && (at < 0 || i < at) {
			at, s.which = i, t
		}
	}
	if at >= 0 {
		s.hit = true
		return b[:at], true
	}
	n := s.tail(b)
	s.held = b[len(b)-n:]
	return b[:len(b)-n], false
}

// tail is the length of the longest end of b that begins a stop text.
func (s *stops) tail(b string) int {
	best := 0
	for _, t := range s.texts {
		for n := min(len(t)-1, len(b)); n > best; n-- {
			if strings.HasPrefix(t, b[len(b)-n:]) {
				best = n
			}
		}
	}
	return best
}

// flush returns what was held back when the text ends without a stop.
func (s *stops) flush() string {
	h := s.held
	s.held = ""
	return h
}
