package tokenizer

import (
	"testing"
	"unicode"
)

// TestPatternClasses wants expressions to see every character as Unicode 16
// does: the classes are compared with class.go's tables, inside and outside
// brackets.
func TestPatternClasses(t *testing.T) {
	tab := classes()
	class := func(bit uint8) func(rune) bool { return func(r rune) bool { return tab.of(r)&bit != 0 } }
	either := func(a, b func(rune) bool) func(rune) bool { return func(r rune) bool { return a(r) || b(r) } }
	not := func(a func(rune) bool) func(rune) bool { return func(r rune) bool { return !a(r) } }
	symbol := func(r rune) bool { // what no class of the table and no separator is
		return tab.of(r)&(classL|classN|classM|classP|classC) == 0 && !unicode.Is(unicode.Z, r)
	}
	for _, c := range []struct {
		expr string
		want func(rune) bool
	}{
		{`\p{L}`, class(classL)}, {`\pL`, class(classL)}, {`\p{Letter}`, class(classL)}, {`[\p{N}]`, class(classN)},
		{`\P{M}`, not(class(classM))}, {`\p{^M}`, not(class(classM))}, {`[^\p{P}]`, not(class(classP))},
		{`[\P{L}]`, not(class(classL))}, {`[^\P{L}]`, class(classL)}, {`\p{S}`, symbol}, {`[\p{S}\p{P}]`, either(symbol, class(classP))},
		{`[\p{L}\p{M}]`, class(classL | classM)}, {`[]\p{Mn}\]]`, either(class(classA), func(r rune) bool { return r == ']' })},
		{`[\p{L}-[\p{L}]]`, func(rune) bool { return false }},
	} {
		re, err := compilePattern(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		bad := 0
		for r := rune(1); r <= unicode.MaxRune; r++ {
			if r >= 0xd800 && r < 0xe000 || r > 0x3ffff && r < 0xe0000 {
				continue
			}
			got := false
			re.each(string(r), func(int, int) { got = true })
			if got != c.want(r) {
				if bad++; bad < 4 {
					t.Errorf("%s: U+%04X: got %v", c.expr, r, got)
				}
			}
		}
	}
}

func TestPatternWords(t *testing.T) {
	for _, c := range []struct {
		expr, yes, no string
	}{
		{`\w`, "a9_\u00b2\u24b6\U0001f130\u0301\u2160\u00e9\U00010d50", "-. \u00a0\u200d\u2460"},
		{`\p{Han}`, "\u4e2d\u3007\U0002ebf0", "a\u3042"},
		{`[^\p{Han}a]`, "b\u3042", "a\u4e2d\U0002ee5d"},
		{`\d`, "09\u0663\U00010d40", "a\u00b2\u2160"},
		{`[^\W\d]`, "a_", "09-\U00010d40"},
	} {
		re, err := compilePattern(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range []string{c.yes, c.no} {
			for _, r := range text {
				got := false
				re.each(string(r), func(int, int) { got = true })
				if got != (i == 0) {
					t.Errorf("%s: U+%04X: got %v", c.expr, r, got)
				}
			}
		}
	}
}

// TestWriteClasses wants everything else untouched.
func TestWriteClasses(t *testing.T) {
	for _, s := range []string{"", "abc", `\s+`, `[a-z\]]`, `\P{Han}`, `\p{Thai}`, `\\p{L}`, `\p`, `\p{`, `\p{Nonsense}`, `[`, `\`, `a[^`, `\Q\p{L}\E`, `\é`} {
		if got := writeClasses(s); got != s {
			t.Errorf("%q: got %q", s, got)
		}
	}
	if got, want := writeClasses(`a\p{Zl}[\p{Zp}b]\P{Zl}`), "a[\u2028][\u2029b][^\u2028]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
