package safety

import (
	"unicode"
	"unicode/utf8"
)

// Bounds of a window.
const (
	MostTokens = 64  // words, CJK characters and other signs, blanks not counted
	mostWindow = 512 // bytes
)

// cutter finds where windows end: at a sentence's end that a blank follows (which begins
// the next window, as it begins the next token), at a line's end, at MostTokens tokens,
// at mostWindow bytes. What it says of a segment depends on that segment and those
// before it only.
type cutter struct {
	tokens int
	bytes  int
	word   bool // the last segment is of a word
	ended  bool // the last signs ended a sentence
	wide   bool // one of them needs no blank behind it
}

// endsSentence knows the signs that end one; the wide ones need no blank behind them.
func endsSentence(r rune) (ends, wide bool) {
	switch r {
	case '.', '!', '?', '…':
		return true, false
	case '。', '！', '？', '｡', '\n':
		return true, true
	}
	return false, false
}

// closing signs belong to the sentence that they stand behind.
func closing(r rune) bool {
	return r == '"' || r == '\'' || unicode.In(r, unicode.Pe, unicode.Pf)
}

// before says whether a window ends before this segment, and takes it into account.
func (c *cutter) before(orig, clean []byte) bool {
	if len(clean) == 0 { // characters without width at the very beginning
		c.bytes += len(orig)
		return false
	}
	r, _ := utf8.DecodeRune(clean)
	blank := unicode.IsSpace(r)
	ends, wide := endsSentence(r)
	single := unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
	word := !single && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r))
	token := !blank && !(word && c.word)
	cut := c.bytes > 0 && (c.ended && !ends && (blank || c.wide && !closing(r)) ||
		token && c.tokens >= MostTokens ||
		c.bytes+len(orig) > mostWindow)
	if cut {
		*c = cutter{}
		token = !blank
	}
	if token {
		c.tokens++
	}
	c.bytes += len(orig)
	switch {
	case ends:
		c.ended, c.wide = true, c.wide || wide
	case c.ended && closing(r):
	default:
		c.ended, c.wide = false, false
	}
	c.word = word
	return cut
}
