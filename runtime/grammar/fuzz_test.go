package grammar

import (
	"strings"
	"testing"
)

// small keeps fuzzing fast.
var small = Limits{Bytes: 4096, Depth: 16, Rules: 50, States: 2000}

// FuzzGBNF reads a grammar and, where it is one, compares the automaton with
// naive matching of a text.
func FuzzGBNF(f *testing.F) {
	for _, c := range texts {
		for _, s := range append(append(c.full, c.prefix...), c.dead...) {
			if len(s) < 100 {
				f.Add(c.gbnf, s)
			}
		}
	}
	v := NewVocabulary(testWords())
	f.Fuzz(func(t *testing.T, gbnf, text string) {
		g, err := ParseGBNF(gbnf, small)
		if err != nil {
			return
		}
		m := v.Matcher(g)
		alive, done := m.AcceptText([]byte(text)) == nil, false
		if alive {
			done = m.Done()
		}
		if len(text) > 40 || strings.Count(gbnf, "{") > 2 {
			return // too much for naive matching
		}
		rules, root, err := gbnfRules(gbnf, small.filled())
		if err != nil {
			t.Fatal(err)
		}
		full, prefix := naiveMatch(rules, root, text)
		if full != done {
			t.Errorf("%q matches: %t, want %t", text, done, full)
		}
		if alive && !prefix || prefix && !alive && productive(rules) {
			t.Errorf("%q begins a match: %t, want %t", text, alive, prefix)
		}
	})
}

// FuzzMask compares masks along a text with trying all tokens.
func FuzzMask(f *testing.F) {
	for _, c := range texts {
		for _, s := range append(c.full, c.prefix...) {
			f.Add(c.gbnf, s)
		}
	}
	words := testWords()
	f.Fuzz(func(t *testing.T, gbnf, text string) {
		g, err := ParseGBNF(gbnf, small)
		if err != nil {
			return
		}
		v := NewVocabulary(words)
		m := v.Matcher(g)
		for i := 0; ; i++ {
			if _, err := m.Allowed(); err != nil {
				return // too ambiguous
			}
			if err := compare(m); err != nil {
				t.Fatalf("after %q: %v", text[:i], err)
			}
			if i == len(text) || i == 30 || m.AcceptText([]byte{text[i]}) != nil {
				return
			}
		}
	})
}
