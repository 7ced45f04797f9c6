package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// Byte-level BPE files spell every byte as one printable character (GPT-2's
// alphabet): the bytes 0x21..0x7e, 0xa1..0xac and 0xae..0xff stand for
// themselves, the 68 others are U+0100, U+0101, … in byte order.

const alphabetEnd = 0x144 // one past the last character of the alphabet

var (
	byteRune = makeByteRune() // byte -> character
	runeByte = makeRuneByte() // character below alphabetEnd -> byte, -1 = none
)

func makeByteRune() (t [256]rune) {
	next := rune(0x100)
	for b := range 256 {
		switch {
		case b >= 0x21 && b <= 0x7e, b >= 0xa1 && b <= 0xac, b >= 0xae:
			t[b] = rune(b)
		default:
			t[b] = next
			next++
		}
	}
	return t
}

func makeRuneByte() (t [alphabetEnd]int16) {
	for i := range t {
		t[i] = -1
	}
	for b, r := range byteRune {
		t[r] = int16(b)
	}
	return t
}

// appendUnspelled appends the bytes that s spells. ok is false, and dst is
// returned unchanged, when s holds a character outside the alphabet.
func appendUnspelled(dst []byte, s string) (out []byte, ok bool) {
	n := len(dst)
	out = slices.Grow(dst, len(s))[:n+len(s)]
	for i := 0; i < len(s); {
		c := s[i]
		if c-0x21 <= 0x7e-0x21 {
			out[n] = c
			n++
			i++
			continue
		}
		// Every other character of the alphabet has two bytes: C2..C5 80..BF.
		if c < 0xc2 || c > 0xc5 || i+1 == len(s) || s[i+1]&0xc0 != 0x80 {
			return dst, false
		}
		r := int(c&0x1f)<<6 | int(s[i+1]&0x3f)
		if r >= alphabetEnd || runeByte[r] < 0 {
			return dst, false
		}
		out[n] = byte(runeByte[r])
		n++
		i += 2
	}
	return out[:n], true
}

// appendSpelled appends the alphabet's spelling of raw.
func appendSpelled(dst, raw []byte) []byte {
	for _, b := range raw {
		dst = utf8.AppendRune(dst, byteRune[b])
	}
	return dst
}
