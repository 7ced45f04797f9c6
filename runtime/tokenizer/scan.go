package tokenizer

import "unicode/utf8"

// The pre-tokenizers that nearly every byte-level model uses, scanned by hand.
// The patterns are compared as text; one that is not here goes to regexp2.
const (
	patternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	patternQwen = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternLama = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	patternGPT4 = `'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s` // Llama-3's, but for white space at the end
	patternCLIP = `'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+`                                                             // only what matches is kept
)

// scanner cuts text into words by one of the patterns above.
type scanner struct {
	classes *classTable
	pattern string
	digits  int // \p{N}{1,digits}
}

func newScanner(pattern string) *scanner {
	s := &scanner{classes: classes(), pattern: pattern, digits: 1}
	if pattern == patternLama || pattern == patternGPT4 {
		s.digits = 3
	}
	return s
}

// next returns the end of the word that begins at s[i]; i < len(s). A word
// takes at least one character. CLIP's white space comes out as words too.
func (sc *scanner) next(s string, i int) int {
	switch sc.pattern {
	case patternGPT2:
		return sc.gpt2(s, i)
	case patternCLIP:
		return sc.clip(s, i)
	}
	return sc.qwen(s, i)
}

// at returns the classes and the size of the character at s[i].
func (sc *scanner) at(s string, i int) (class uint8, size int) {
	if c := s[i]; c < utf8.RuneSelf {
		return sc.classes.class[c], 1 // the first block is code points 0..255
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return sc.classes.of(r), n
}

// run returns the end of the run of characters from s[i] whose classes in mask
// are none (want false) or any (want true).
func (sc *scanner) run(s string, i int, mask uint8, want bool) int {
	for i < len(s) {
		c, n := sc.at(s, i)
		if (c&mask != 0) != want {
			break
		}
		i += n
	}
	return i
}

// qwen scans Qwen2's, Llama-3's and GPT-4's pattern.
func (sc *scanner) qwen(s string, i int) int {
	c, n := sc.at(s, i)
	if c&classL != 0 {
		return sc.run(s, i+n, classL, true)
	}
	if c&classN != 0 {
		i += n
		for k := 1; k < sc.digits && i < len(s); k++ {
			c, n := sc.at(s, i)
			if c&classN == 0 {
				break
			}
			i += n
		}
		return i
	}
	first := s[i]
	if first == '\'' {
		if e := contraction(s, i, true); e > i {
			return e
		}
	}
	// [^\r\n\p{L}\p{N}]?\p{L}+ with the first part present
	if first != '\r' && first != '\n' && i+n < len(s) {
		if c, m := sc.at(s, i+n); c&classL != 0 {
			return sc.run(s, i+n+m, classL, true)
		}
	}
	if e := sc.symbols(s, i, c, n); e > i {
		for e < len(s) && (s[e] == '\r' || s[e] == '\n') {
			e++
		}
		return e
	}
	return sc.spaces(s, i, true)
}

// gpt2 scans GPT-2's pattern.
func (sc *scanner) gpt2(s string, i int) int {
	if s[i] == '\'' {
		if e := contraction(s, i, false); e > i {
			return e
		}
	}
	c, n := sc.at(s, i)
	j := i
	if s[i] == ' ' && i+1 < len(s) {
		j = i + 1
		c, n = sc.at(s, j)
	}
	switch {
	case c&classL != 0:
		return sc.run(s, j+n, classL, true)
	case c&classN != 0:
		return sc.run(s, j+n, classN, true)
	case c&classS == 0:
		return sc.run(s, j+n, classL|classN|classS, false)
	}
	return sc.spaces(s, i, false)
}

// clip scans CLIP's pattern; white space comes out in runs.
func (sc *scanner) clip(s string, i int) int {
	if s[i] == '\'' {
		if e := contraction(s, i, false); e > i {
			return e
		}
	}
	c, n := sc.at(s, i)
	switch {
	case c&classS != 0:
		return sc.run(s, i+n, classS, true)
	case c&classL != 0:
		return sc.run(s, i+n, classL, true)
	case c&classN != 0:
		return i + n
	}
	return sc.run(s, i+n, classL|classN|classS, false)
}

// symbols matches ` ?[^\s\p{L}\p{N}]+` at s[i], whose first character has class
// c and size n; it returns i where that does not match.
func (sc *scanner) symbols(s string, i int, c uint8, n int) int {
	j := i
	if s[i] == ' ' {
		if j++; j == len(s) {
			return i
		}
		c, n = sc.at(s, j)
	}
	if c&(classS|classL|classN) != 0 {
		return i
	}
	return sc.run(s, j+n, classL|classN|classS, false)
}

// spaces matches white space from s[i]: `\s*[\r\n]+` (lines), then `\s+(?!\S)`,
// which leaves the last character to the word that follows, then `\s+`.
func (sc *scanner) spaces(s string, i int, lines bool) int {
	end, last, newline := i, i, -1 // last: start of the run's last character
	for end < len(s) {
		c, n := sc.at(s, end)
		if c&classS == 0 {
			break
		}
		if lines && (s[end] == '\r' || s[end] == '\n') {
			newline = end
		}
		last = end
		end += n
	}
	switch {
	case end == len(s) && sc.pattern == patternGPT4:
		return end
	case newline >= 0:
		return newline + 1
	case end < len(s) && last > i:
		return last
	}
	return end
}

// contraction matches 's 't 're 've 'm 'll 'd at s[i] == '\”; it returns i where
// none is there. Without regard to case, U+017F is an s too.
func contraction(s string, i int, anyCase bool) int {
	if i+1 >= len(s) {
		return i
	}
	a, b := s[i+1], byte(0)
	if i+2 < len(s) {
		b = s[i+2]
	}
	if anyCase {
		if a == 0xc5 && b == 0xbf {
			return i + 3
		}
		a, b = lowerASCII(a), lowerASCII(b)
	}
	switch {
	case a == 's', a == 't', a == 'm', a == 'd':
		return i + 2
	case a == 'r' && b == 'e', a == 'v' && b == 'e', a == 'l' && b == 'l':
		return i + 3
	}
	return i
}

func lowerASCII(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
