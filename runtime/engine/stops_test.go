package engine

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// run pushes pieces and returns the text and whether a stop ended it.
func runStops(texts, pieces []string) (string, bool) {
	s := newStops(texts)
	var b strings.Builder
	for _, p := range pieces {
		t, hit := s.push(p)
		b.WriteString(t)
		if hit {
			return b.String(), true
		}
	}
	b.WriteString(s.flush())
	return b.String(), false
}

func TestStops(t *testing.T) {
	for _, c := range []struct {
		name         string
		stop, pieces []string
		want         string
		hit          bool
	}{
		{"none", nil, []string{"a", "b"}, "ab", false},
		{"empty is ignored", []string{""}, []string{"a"}, "a", false},
		{"inside a piece", []string{"b"}, []string{"abc"}, "a", true},
		{"across pieces", []string{"END"}, []string{"xE", "N", "Dy"}, "x", true},
		{"false alarm", []string{"END"}, []string{"xE", "N", "Ey"}, "xENEy", false},
		{"held at the end", []string{"END"}, []string{"xEN"}, "xEN", false},
		{"overlapping prefix", []string{"aab"}, []string{"a", "a", "a", "b"}, "a", true},
		{"earliest wins", []string{"cd", "bcde"}, []string{"abcde"}, "a", true},
		{"multi-byte", []string{"。中"}, []string{"甲。", "中"}, "甲", true},
	} {
		if got, hit := runStops(c.stop, c.pieces); got != c.want || hit != c.hit {
			t.Errorf("%s: got %q %v, want %q %v", c.name, got, hit, c.want, c.hit)
		}
	}
}

// TestStopsChunking: however a text is cut, nothing of a stop text is shown,
// nothing else is lost, and what is held is never longer than needed.
func TestStopsChunking(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[rng.IntN(2)]
		}
		return string(b)
	}
	for range 3000 {
		stop := []string{word(1 + rng.IntN(4)), word(2 + rng.IntN(5))}
		text := word(rng.IntN(30))
		var pieces []string
		for rest := text; rest != ""; {
			n := 1 + rng.IntN(len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		// One character at a time is the definition: stop as soon as the text
		// ends in a stop text.
		want, ended := text, false
		for i := range len(text) {
			for _, s := range stop {
				if strings.HasSuffix(text[:i+1], s) && (!ended || i+1-len(s) < len(want)) && !ended {
					want, ended = text[:i+1-len(s)], true
				}
			}
			if ended {
				break
			}
		}
		got, hit := runStops(stop, pieces)
		if hit != ended || !hit && got != want || hit && !validCut(text, got, stop) {
			t.Fatalf("stops %q, pieces %q: got %q %v, want %q %v", stop, pieces, got, hit, want, ended)
		}
	}
}

// validCut: got is a beginning of text that holds no stop text and is followed
// by one.
func validCut(text, got string, stop []string) bool {
	rest, ok := strings.CutPrefix(text, got)
	follows := false
	for _, s := range stop {
		if strings.Contains(got, s) {
			return false
		}
		follows = follows || strings.HasPrefix(rest, s)
	}
	return ok && follows
}

// TestStopsWhich: the stop text that was hit is known, the one that begins first.
func TestStopsWhich(t *testing.T) {
	s := newStops([]string{"cd", "bcde"})
	if _, hit := s.push("abcde"); !hit || s.which != "bcde" {
		t.Errorf("got %q, want %q", s.which, "bcde")
	}
}
