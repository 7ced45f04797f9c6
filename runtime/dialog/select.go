package dialog

import (
	"cmp"
	"math"
	"slices"
)

// Topic is a run of turns about one thing.
type Topic struct {
	Topic  int
	First  int // place in State.Turns
	N      int
	Tokens int
	Vector []float32 // mean of its turns' vectors
}

// Topics lists the topics in their order.
func (s *State) Topics() []Topic {
	var out []Topic
	for i, t := range s.Turns {
		if i == 0 || t.Topic != s.Turns[i-1].Topic {
			out = append(out, Topic{Topic: t.Topic, First: i, Vector: make([]float32, len(t.Vector))})
		}
		o := &out[len(out)-1]
		o.N, o.Tokens = o.N+1, o.Tokens+t.Tokens
		for k, v := range t.Vector {
			o.Vector[k] += (v - o.Vector[k]) / float32(o.N)
		}
	}
	return out
}

// Recent is the newest turns whose tokens together are at most budget, at least
// the last one: what a window keeps that knows no topics. The result is the places
// in State.Turns, ascending.
func (s *State) Recent(budget int) []int {
	first := len(s.Turns)
	for used := 0; first > 0; first-- {
		if used += s.Turns[first-1].Tokens; used > budget && first < len(s.Turns) {
			break
		}
	}
	return span(first, len(s.Turns)-first)
}

func span(first, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = first + i
	}
	return out
}

// Select is the turns to keep where not all fit: those of the current topic, the
// newest first, then the older topics, the one nearest to the current topic first.
// Of a topic that does not fit whole its newest turns are taken. What is not
// selected is for the caller to leave out of the window or to summarise; it is not
// forgotten, so a topic that comes back brings its turns back.
//
// As long as no topic ends, what Select returns loses old topics only as the
// current one grows: a caller that keeps a prefix cached asks again when a turn
// has Shift set, or when the window is full.
func (s *State) Select(budget int) []int {
	topics := s.Topics()
	if len(topics) == 0 {
		return nil
	}
	now := topics[len(topics)-1]
	slices.SortStableFunc(topics, func(a, b Topic) int {
		return cmp.Compare(s.closeness(b, now), s.closeness(a, now))
	})
	var keep []int
	for _, t := range topics {
		for i := t.First + t.N - 1; i >= t.First; i-- {
			if n := s.Turns[i].Tokens; n <= budget || i == len(s.Turns)-1 {
				keep = append(keep, i)
				budget -= n
				continue
			}
			break
		}
	}
	slices.Sort(keep)
	return keep
}

// closeness is the cosine of a topic with the current one; the current one itself
// is nearest. Of equal ones the newer comes first.
func (s *State) closeness(t, now Topic) float64 {
	if t.Topic == now.Topic {
		return 2
	}
	return Cosine(t.Vector, now.Vector) + 1e-9*float64(t.First)
}

// Cosine of two vectors; 0 where one has no length.
func Cosine(a, b []float32) float64 {
	ab, aa, bb := 0.0, 0.0, 0.0
	for i, x := range a {
		x, y := float64(x), float64(b[i])
		ab, aa, bb = ab+float64(x*y), aa+float64(x*x), bb+float64(y*y)
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}
