package tokenizer

import "unicode/utf8"

const replacement = "\uFFFD"

// prefixState looks at the start of b, which is not empty. It returns the length
// of the first character (valid), or of the longest part of one that cannot go
// on (invalid), or 0 when all of b is the start of a character that more bytes
// may finish. This is the maximal-subpart rule of the Unicode standard, section
// 3.9, which UTF-8 decoders of the web follow.
func prefixState(b []byte) (n int, valid bool) {
	c := b[0]
	lo, hi, need := byte(0x80), byte(0xbf), 0
	switch {
	case c < 0x80:
		return 1, true
	case c >= 0xc2 && c <= 0xdf:
		need = 2
	case c >= 0xe0 && c <= 0xef:
		need = 3
		if c == 0xe0 {
			lo = 0xa0
		} else if c == 0xed {
			hi = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		need = 4
		if c == 0xf0 {
			lo = 0x90
		} else if c == 0xf4 {
			hi = 0x8f
		}
	default:
		return 1, false
	}
	for i := 1; i < need; i++ {
		if i == len(b) {
			return 0, false
		}
		if b[i] < lo || b[i] > hi {
			return i, false
		}
		lo, hi = 0x80, 0xbf
	}
	return need, true
}

// appendLossy appends b as UTF-8, U+FFFD for every maximal invalid part. It
// returns how many bytes at the end of b may still become a character; with
// final they are invalid too and rest is 0.
func appendLossy(dst, b []byte, final bool) (out []byte, rest int) {
	for len(b) > 0 {
		n, valid := prefixState(b)
		switch {
		case n == 0 && !final:
			return dst, len(b)
		case n == 0:
			return append(dst, replacement...), 0
		case valid:
			dst = append(dst, b[:n]...)
		default:
			dst = append(dst, replacement...)
		}
		b = b[n:]
	}
	return dst, 0
}

// validText returns s with every maximal invalid part as U+FFFD.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out, _ := appendLossy(make([]byte, 0, len(s)+16), []byte(s), true)
	return string(out)
}
