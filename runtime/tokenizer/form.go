package tokenizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// form is a Unicode normalization form. x/text's is made safe for streams: it
// puts U+034F after 30 marks in a row, which no tokenizer does; so text with
// such runs is normalized here, slowly. The reference's forms are of an older
// Unicode than x/text's: a character they do not know stays as it is and keeps
// apart what is around it.
type form struct{ f norm.Form }

// maxMarks is the longest run of marks that x/text leaves as it is; a character
// may decompose into several.
const maxMarks = 12

func (f form) apply(s string) string {
	if f.f.QuickSpanString(s) == len(s) {
		return s // and then so are the parts between unknown characters
	}
	var out []byte
	from := 0
	for i, r := range s {
		if r >= formInert[0].lo && inertForm(r) {
			out = append(out, f.known(s[from:i])...)
			out = utf8.AppendRune(out, r)
			from = i + utf8.RuneLen(r)
		}
	}
	if out == nil {
		return f.known(s)
	}
	return string(append(out, f.known(s[from:])...))
}

// inertForm reports whether the reference's forms do not know r.
func inertForm(r rune) bool {
	_, ok := slices.BinarySearchFunc(formInert[:], r, func(in runeRange, r rune) int {
		switch {
		case in.hi < r:
			return -1
		case in.lo > r:
			return 1
		}
		return 0
	})
	return ok
}

// known normalizes text without unknown characters.
func (f form) known(s string) string {
	if !longMarks(s) {
		return f.f.String(s)
	}
	d := norm.NFD
	if f.f == norm.NFKC || f.f == norm.NFKD {
		d = norm.NFKD
	}
	rs := decompose(s, d)
	if f.f == norm.NFC || f.f == norm.NFKC {
		rs = compose(rs)
	}
	out := make([]byte, 0, len(s))
	for _, r := range rs {
		out = utf8.AppendRune(out, r.r)
	}
	return string(out)
}

// longMarks reports whether s holds more than maxMarks marks in a row.
func longMarks(s string) bool {
	t, n := classes(), 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			n = 0
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		if t.of(r)&classM == 0 && !(r >= 0x1160 && r <= 0x11ff) { // marks, and Hangul's vowels and finals
			n = 0
			continue
		}
		if n++; n > maxMarks {
			return true
		}
	}
	return false
}

// mark is a character with its canonical combining class.
type mark struct {
	r   rune
	ccc uint8
}

// decompose returns the decomposition of s in canonical order.
func decompose(s string, f norm.Form) []mark {
	out := make([]mark, 0, len(s))
	for len(s) > 0 {
		p := f.PropertiesString(s)
		n := p.Size()
		if n == 0 {
			break
		}
		part := string(p.Decomposition())
		if part == "" {
			part = s[:n]
		}
		if r, _ := utf8.DecodeRuneInString(s); r >= 0xac00 && r <= 0xd7a3 { // Hangul has no table
			part = f.String(s[:n])
		}
		for i, r := range part {
			out = append(out, mark{r, f.PropertiesString(part[i:]).CCC()})
		}
		s = s[n:]
	}
	for i := 0; i < len(out); {
		j := i
		for j < len(out) && out[j].ccc != 0 {
			j++
		}
		slices.SortStableFunc(out[i:j], func(a, b mark) int { return int(a.ccc) - int(b.ccc) })
		i = j + 1
	}
	return out
}

// compose joins every starter with the marks after it that are not blocked.
func compose(in []mark) []mark {
	out := in[:0]
	starter, last := -1, uint8(0) // place of the last starter; class of what follows it
	for _, m := range in {
		if starter >= 0 && (starter == len(out)-1 || last < m.ccc && last != 0) {
			if r, ok := composePair(out[starter].r, m.r); ok {
				out[starter].r = r
				continue
			}
		}
		if m.ccc == 0 {
			starter = len(out)
		}
		last = m.ccc
		out = append(out, m)
	}
	return out
}

// composePair returns the primary composite of a and b.
func composePair(a, b rune) (rune, bool) {
	var buf [2 * utf8.UTFMax]byte
	p := utf8.AppendRune(utf8.AppendRune(buf[:0], a), b)
	s := norm.NFC.Bytes(p)
	r, n := utf8.DecodeRune(s)
	return r, n == len(s)
}
