package tokenizer

import (
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// TestClasses compares with Go's tables, which are of an older Unicode: only
// code points that were not assigned then may differ.
func TestClasses(t *testing.T) {
	tab, newer := classes(), 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		c := tab.of(r)
		if !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) {
			if c&classC == 0 {
				newer++
			}
			continue
		}
		for _, k := range []struct {
			bit  uint8
			want bool
		}{{classL, unicode.Is(unicode.L, r)}, {classN, unicode.Is(unicode.N, r)}, {classS, unicode.Is(unicode.White_Space, r)},
			{classM, unicode.Is(unicode.M, r)}, {classA, unicode.Is(unicode.Mn, r)}, {classP, unicode.Is(unicode.P, r)},
			{classC, unicode.Is(unicode.C, r)}} {
			if c&k.bit != 0 != k.want && r != 0x1171e { // which Unicode 16 made a spacing mark
				t.Errorf("U+%04X: classes %#x, bit %#x should be %v", r, c, k.bit, k.want)
			}
		}
	}
	if newer < 5000 {
		t.Errorf("only %d code points newer than Go's tables; want Unicode %s", newer, unicodeVersion)
	}
	if tab.of(0x1375a)&classL == 0 { // Egyptian, Unicode 16: the one that Go's tables get wrong
		t.Error("U+1375A should be a letter")
	}
}

// TestForm compares the slow normalization with x/text's on every character,
// alone and with marks around it.
func TestForm(t *testing.T) {
	slow := func(s string, d norm.Form, join bool) string {
		rs := decompose(s, d)
		if join {
			rs = compose(rs)
		}
		out := make([]rune, len(rs))
		for i, m := range rs {
			out[i] = m.r
		}
		return string(out)
	}
	for r := rune(1); r <= 0x2ffff; r++ {
		p := norm.NFKD.PropertiesString(string(r))
		if r >= 0xd800 && r < 0xe000 || p.CCC() == 0 && p.Decomposition() == nil && r%61 != 0 {
			continue
		}
		for _, s := range []string{string(r), "a\u0323" + string(r) + "\u0301\u0323", string(r) + "\u1161\u11a8"} {
			for _, f := range []struct {
				form, d norm.Form
				join    bool
			}{{norm.NFC, norm.NFD, true}, {norm.NFD, norm.NFD, false}, {norm.NFKC, norm.NFKD, true}, {norm.NFKD, norm.NFKD, false}} {
				if got, want := slow(s, f.d, f.join), f.form.String(s); got != want {
					t.Fatalf("form %d of %+q: got %+q, want %+q", f.form, s, got, want)
				}
			}
		}
	}
	marks := "e"
	for range 40 {
		marks += "\u0323\u0301"
	}
	if got, want := (form{norm.NFC}).apply(marks), "\u1eb9"; got[:len(want)] != want || len(got) != len(want)+2*79 {
		t.Errorf("40 marks below and 40 above: got %+q", got)
	}
}

// TestFormInert holds what the reference does with characters newer than its
// forms' tables; the answers are its own.
func TestFormInert(t *testing.T) {
	for _, c := range []struct {
		f        norm.Form
		in, want string
	}{
		{norm.NFC, "\U00011935\U00011930", "\U00011935\U00011930"}, // x/text: U+11938
		{norm.NFD, "\U00011938", "\U00011938"},
		{norm.NFC, "a\u0323\u0898\u0323\u0301", "\u1ea1\u0898\u0323\u0301"},
		{norm.NFD, "a\u0323\u0eba\u0323\u0301", "a\u0323\u0eba\u0323\u0301"},
		{norm.NFKC, "\u32ff\ufb01", "\u32fffi"},
		{norm.NFC, "e\u0301\u0897", "\u00e9\u0897"},
	} {
		if got := (form{c.f}).apply(c.in); got != c.want {
			t.Errorf("form %d of %+q: got %+q, want %+q", c.f, c.in, got, c.want)
		}
	}
}
