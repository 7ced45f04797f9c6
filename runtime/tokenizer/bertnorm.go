package tokenizer

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// bertNorm is BERT's normalizer; flags holds c (clean), h (spaces around Han
// characters), a (accents go), l (lower case), applied in this order.
func bertNorm(flags string) func(string) string {
	clean, han := strings.Contains(flags, "c"), strings.Contains(flags, "h")
	accents, lowercase := strings.Contains(flags, "a"), strings.Contains(flags, "l")
	return func(s string) string {
		if clean || han {
			s = bertClean(s, clean, han)
		}
		if accents && !isASCII(s) {
			s = dropClass(bertClasses(), form{norm.NFD}.apply(s), classA)
		}
		if lowercase {
			s = lower(s)
		}
		return s
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// bertClean removes controls, makes all white space a space (clean), and puts
// spaces around Han characters (han).
func bertClean(s string, clean, han bool) string {
	t := bertClasses()
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for _, r := range s {
		space := r == '\t' || r == '\n' || r == '\r'
		switch {
		case clean && !space && (r == 0 || r == utf8.RuneError || t.of(r)&classC != 0):
		case clean && (space || t.of(r)&classS != 0):
			b.WriteByte(' ')
		case han && isHan(r):
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// bertClasses is the class table as BERT's reference sees it: unassigned code
// points are no controls, and see bertRuns.
var bertClasses = sync.OnceValue(func() *classTable {
	t := &classTable{block: classes().block, class: slices.Clone(classes().class)}
	own := make(map[uint16]bool) // blocks that no other part of the table shares
	set := func(lo, hi rune, class uint8) {
		for c := lo; c <= hi; c++ {
			n := t.block[c>>8]
			if !own[n] {
				t.class = append(t.class, t.class[int(n)<<8:int(n)<<8+256]...)
				n = uint16(len(t.class)>>8 - 1)
				own[n], t.block[c>>8] = true, n
			}
			at := int(n)<<8 | int(c&0xff)
			t.class[at] = t.class[at]&^(classA|classP|classC) | class
		}
	}
	for _, r := range unassigned() {
		set(r[0], r[1], 0)
	}
	for _, r := range bertRuns {
		set(r.lo, r.hi, r.class)
	}
	return t
})

// isHan reports whether r is in the blocks that BERT splits into characters.
func isHan(r rune) bool {
	if r < 0x3400 {
		return false
	}
	for _, b := range [...][2]rune{{0x4e00, 0x9fff}, {0x3400, 0x4dbf}, {0x20000, 0x2a6df}, {0x2a700, 0x2b73f},
		{0x2b740, 0x2b81f}, {0x2b920, 0x2ceaf}, {0xf900, 0xfaff}, {0x2f800, 0x2fa1f}} {
		if r >= b[0] && r <= b[1] {
			return true
		}
	}
	return false
}

// bertWords cuts at white space, which goes, and around punctuation.
func bertWords(out []string, piece string, _ bool) []string {
	t := bertClasses()
	from := 0
	flush := func(to int) {
		if to > from {
			out = append(out, piece[from:to])
		}
	}
	for i := 0; i < len(piece); {
		r, n := utf8.DecodeRuneInString(piece[i:])
		switch c := t.of(r); {
		case c&classS != 0:
			flush(i)
			from = i + n
		case c&classP != 0 || r < utf8.RuneSelf && strings.ContainsRune("$+<=>^`|~", r):
			flush(i)
			out = append(out, piece[i:i+n])
			from = i + n
		}
		i += n
	}
	flush(len(piece))
	return out
}

// bertCleanup undoes the spaces before punctuation and English contractions in
// one token of a decoded text.
func bertCleanup(s string) string {
	for _, r := range [...][2]string{{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
		{" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}
