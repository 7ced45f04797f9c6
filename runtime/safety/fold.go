package safety

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Bounds of the scanner: what it holds must not grow with the text.
const (
	mostIgnored = 16 // characters without width in a row; the others are dropped
	mostSegment = 64 // bytes of one normalisation segment
)

// ignorable are the characters that show nothing: they would hide a word from the
// automaton and are no reason to refuse one. Most are Unicode's default ignorable.
var ignorable = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00AD, 0x00AD, 1}, {0x034F, 0x034F, 1}, {0x061C, 0x061C, 1}, {0x115F, 0x1160, 1}, {0x17B4, 0x17B5, 1}, {0x180B, 0x180F, 1},
		{0x200B, 0x200F, 1}, {0x202A, 0x202E, 1}, {0x2060, 0x206F, 1}, {0x3164, 0x3164, 1}, {0xFE00, 0xFE0F, 1}, {0xFEFF, 0xFEFF, 1},
		{0xFFA0, 0xFFA0, 1}, {0xFFF0, 0xFFFB, 1},
	},
	R32:         []unicode.Range32{{0x1BCA0, 0x1BCA3, 1}, {0x1D173, 0x1D17A, 1}, {0xE0000, 0xE0FFF, 1}},
	LatinOffset: 1,
}

// foldRune is a character without its case: final sigma is sigma, dotless i is i.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	return unicode.ToLower(unicode.ToUpper(r))
}

// appendFolded appends the folded characters of a segment that holds no ignorable ones.
func appendFolded(dst []rune, segment string) []rune {
	if len(segment) == 1 {
		return append(dst, foldRune(rune(segment[0])))
	}
	for _, r := range norm.NFKC.String(segment) {
		switch {
		case r == 'ß' || r == 'ẞ':
			dst = append(dst, 's', 's')
		case unicode.Is(ignorable, r): // the stream-safe mark of the normaliser, fillers
		default:
			dst = append(dst, foldRune(r))
		}
	}
	return dst
}

// appendLower appends a segment's characters as Python's lower() has them, but for the
// sigma at a word's end, which becomes σ here.
func appendLower(dst []rune, segment string) []rune {
	for _, r := range segment {
		if r == 'İ' {
			dst = append(dst, 'i', '\u0307')
			continue
		}
		dst = append(dst, unicode.ToLower(r))
	}
	return dst
}

// segmenter cuts text into normalisation segments: a character that begins one and all
// that may combine with it. Characters without width stay with what is before them.
type segmenter struct {
	plain   bool   // compatibility: one character is one segment, nothing is ignored
	partial []byte // of a character that is not complete
	orig    []byte // of the segment that is being filled, ignorable characters and all
	clean   []byte // the same without them
	ignored int    // in a row
}

// write takes bytes and gives complete segments: how they stood there, and without
// characters that have no width. Both are valid during the call.
func (s *segmenter) write(text string, give func(orig, clean []byte)) {
	for len(text) > 0 {
		if len(s.partial) > 0 {
			s.partial = append(s.partial, text[0])
			text = text[1:]
			s.decode(false, give)
			continue
		}
		if !utf8.FullRuneInString(text) {
			s.partial = append(s.partial, text...)
			return
		}
		r, n := utf8.DecodeRuneInString(text)
		s.add(r, text[:n], give)
		text = text[n:]
	}
}

// decode takes the characters that are complete of what was held of one; all, at the
// end. Bytes that are none stay as they are.
func (s *segmenter) decode(all bool, give func(orig, clean []byte)) {
	for len(s.partial) > 0 && (all || utf8.FullRune(s.partial)) {
		r, n := utf8.DecodeRune(s.partial)
		s.add(r, string(s.partial[:n]), give)
		s.partial = append(s.partial[:0], s.partial[n:]...)
	}
}

func (s *segmenter) add(r rune, text string, give func(orig, clean []byte)) {
	if r >= utf8.RuneSelf && !s.plain && unicode.Is(ignorable, r) {
		if s.ignored++; s.ignored <= mostIgnored {
			s.orig = append(s.orig, text...)
		}
		return
	}
	s.ignored = 0
	if len(s.clean) > 0 && (s.plain || r < utf8.RuneSelf || len(s.clean)+len(text) > mostSegment || norm.NFKC.PropertiesString(text).BoundaryBefore()) {
		s.end(give)
	}
	s.orig, s.clean = append(s.orig, text...), append(s.clean, text...)
}

func (s *segmenter) end(give func(orig, clean []byte)) {
	if len(s.orig) > 0 {
		give(s.orig, s.clean)
	}
	s.orig, s.clean = s.orig[:0], s.clean[:0]
}

// close gives what is left.
func (s *segmenter) close(give func(orig, clean []byte)) {
	s.decode(true, give)
	s.end(give)
	s.ignored = 0
}

// Fold is a text as topics are looked for in it.
func Fold(text string) string {
	var s segmenter
	var out []rune
	give := func(_, clean []byte) { out = appendFolded(out, string(clean)) }
	s.write(text, give)
	s.close(give)
	return string(out)
}
