package grammar

import (
	"regexp"
	"testing"
)

// match tells whether the automaton accepts s.
func (a *runeDFA) match(s string) bool {
	at := 0
next:
	for _, r := range s {
		for _, e := range a.edges[at] {
			if r >= e.lo && r <= e.hi {
				at = e.to
				continue next
			}
		}
		return false
	}
	return a.accept[at]
}

// FuzzPattern compares the automaton of a pattern with package regexp, for
// strings without the line ends that only ECMAScript's dot leaves out.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"", "a", "^a", "a$", "^$", "^a*$", "a|^b", "(?i)k", "(?s).b", ".", "[^a]", "^(ab|a)(c|bcd)$", "x$|y", "^(?:^a)b$", "a$b", `\d{2,3}`, `[\x{65e5}-\x{672c}]`, "(?i:straße)"} {
		for _, s := range []string{"", "a", "b", "ab", "aab", "abcd", "K", "\u212a", "日本", "xy", "12", "STRASSE", "\n"} {
			f.Add(p, s)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		d, err := patternDFA(pattern, 500)
		if err != nil {
			return
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range text {
			if r == '\r' || r == 0x2028 || r == 0x2029 || r == 0xfffd {
				return
			}
		}
		if got, want := d.match(text), re.MatchString(text); got != want {
			t.Errorf("%q on %q: got %t, want %t", pattern, text, got, want)
		}
	})
}
