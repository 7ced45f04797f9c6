package grammar

import (
	"slices"
	"unicode/utf8"
)

// byteSpan is the bytes lo to hi.
type byteSpan struct{ lo, hi byte }

// utf8Spans calls f for sequences of byte spans which together are the UTF-8
// of the code points lo to hi, surrogates left out.
func utf8Spans(lo, hi rune, f func([]byteSpan)) {
	switch {
	case lo > hi:
		return
	case lo <= 0xdfff && hi >= 0xd800:
		utf8Spans(lo, 0xd7ff, f)
		utf8Spans(0xe000, hi, f)
		return
	}
	for _, edge := range []rune{0x7f, 0x7ff, 0xffff} { // one length at a time
		if lo <= edge && hi > edge {
			utf8Spans(lo, edge, f)
			utf8Spans(edge+1, hi, f)
			return
		}
	}
	// All bytes after the first that differs must run from 80 to BF.
	for shift := 6; shift <= 18; shift += 6 {
		m := rune(1)<<shift - 1
		if lo > 0x7f && lo&^m != hi&^m {
			if lo&m != 0 {
				utf8Spans(lo, lo|m, f)
				utf8Spans((lo|m)+1, hi, f)
				return
			}
			if hi&m != m {
				utf8Spans(lo, hi&^m-1, f)
				utf8Spans(hi&^m, hi, f)
				return
			}
		}
	}
	var a, b [utf8.UTFMax]byte
	n := utf8.EncodeRune(a[:], lo)
	utf8.EncodeRune(b[:], hi)
	var spans [utf8.UTFMax]byteSpan
	for i := range n {
		spans[i] = byteSpan{a[i], b[i]}
	}
	f(spans[:n])
}

// normalRanges sorts ranges and merges those that touch; surrogates and what
// is no code point go.
func normalRanges(r []runeRange) []runeRange {
	var in []runeRange
	for _, x := range r {
		x.lo, x.hi = max(x.lo, 0), min(x.hi, utf8.MaxRune)
		if x.lo < 0xd800 && x.hi >= 0xd800 {
			in = append(in, runeRange{x.lo, 0xd7ff})
			x.lo = 0xe000
		}
		if x.lo >= 0xd800 && x.lo <= 0xdfff {
			x.lo = 0xe000
		}
		if x.hi >= 0xd800 && x.hi <= 0xdfff {
			x.hi = 0xd7ff
		}
		if x.lo <= x.hi {
			in = append(in, x)
		}
	}
	slices.SortFunc(in, func(a, b runeRange) int { return int(a.lo) - int(b.lo) })
	out := in[:0]
	for _, x := range in {
		if n := len(out); n > 0 && x.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, x.hi)
		} else {
			out = append(out, x)
		}
	}
	return out
}

// otherRanges are the code points outside normal ranges.
func otherRanges(r []runeRange) []runeRange {
	var out []runeRange
	next := rune(0)
	for _, x := range r {
		out = append(out, runeRange{next, x.lo - 1})
		next = x.hi + 1
	}
	return normalRanges(append(out, runeRange{next, utf8.MaxRune}))
}
