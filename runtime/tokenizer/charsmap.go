package tokenizer

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// charsmap is SentencePiece's precompiled normalizer: a double-array trie from
// strings to offsets into a block of NUL-terminated replacements.
//
//	offset 0       uint32  bytes of the trie
//	offset 4       uint32  units of the trie
//	after it               replacements
type charsmap struct {
	units []uint32
	text  []byte
}

func parseCharsmap(b []byte) (*charsmap, error) {
	if len(b) < 4 {
		return nil, fieldErr("precompiled_charsmap", "%d bytes", len(b))
	}
	n := uint64(binary.LittleEndian.Uint32(b))
	if n%4 != 0 || n == 0 || n > uint64(len(b)-4) {
		return nil, fieldErr("precompiled_charsmap", "a trie of %d bytes in %d", n, len(b))
	}
	m := &charsmap{units: make([]uint32, n/4), text: b[4+n:]}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(b[4+4*i:])
	}
	return m, nil
}

// find returns the replacement of the shortest key that begins s.
func (m *charsmap) find(s string) (string, bool) {
	unit := m.units[0]
	pos := offsetOf(unit)
	for i := range len(s) {
		c := s[i]
		if c == 0 {
			break
		}
		if pos ^= uint32(c); uint64(pos) >= uint64(len(m.units)) {
			break
		}
		unit = m.units[pos]
		if unit&(1<<31|0xff) != uint32(c) { // label
			break
		}
		pos ^= offsetOf(unit)
		if unit>>8&1 == 0 { // no leaf
			continue
		}
		if uint64(pos) >= uint64(len(m.units)) {
			break
		}
		at := uint64(m.units[pos] &^ (1 << 31))
		if at > uint64(len(m.text)) {
			break
		}
		out := m.text[at:]
		if end := bytes.IndexByte(out, 0); end >= 0 {
			out = out[:end]
		}
		return string(out), true
	}
	return "", false
}

// offsetOf is where a unit's children are, relative to it.
func offsetOf(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }

// maxCluster is the longest grapheme cluster that is looked up as a whole.
const maxCluster = 6

// apply normalizes s. A cluster of fewer than six bytes is looked up as a whole,
// and then the shortest key that begins it stands for all of it; so the
// reference has it. Everything else goes character by character.
func (m *charsmap) apply(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for len(s) > 0 {
		n := cluster(s)
		if n < maxCluster {
			if to, ok := m.find(s[:n]); ok {
				b.WriteString(to)
				s = s[n:]
				continue
			}
		}
		for part := s[:n]; part != ""; {
			_, k := utf8.DecodeRuneInString(part)
			if to, ok := m.find(part[:k]); ok {
				b.WriteString(to)
			} else {
				b.WriteString(part[:k])
			}
			part = part[k:]
		}
		s = s[n:]
	}
	return b.String()
}

// cluster returns the size of the extended grapheme cluster that begins s, as
// far as clusters of fewer than six bytes need it: CR LF, and a character with
// the marks after it. (Hangul syllables and flags are longer and come out the
// same one by one.)
func cluster(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r == '\r' && len(s) > 1 && s[1] == '\n' {
		return 2
	}
	t := classes()
	if r == 0x2028 || r == 0x2029 || t.of(r)&classC != 0 && !prepends(r) && r != 0x200c && r != 0x200d {
		return n
	}
	pre := prepends(r)
	for n < len(s) {
		next, k := utf8.DecodeRuneInString(s[n:])
		switch {
		case extends(t, next):
		case pre && t.of(next)&classC == 0 && next != 0x2028 && next != 0x2029:
		default:
			return n
		}
		pre = pre && prepends(next)
		n += k
	}
	return n
}

// extends reports whether r joins the cluster before it.
func extends(t *classTable, r rune) bool {
	return r >= 0x300 && (t.of(r)&classM != 0 || r == 0x200c || r == 0x200d || r == 0xff9e || r == 0xff9f ||
		r >= 0x1f3fb && r <= 0x1f3ff || r == 0x0e33 || r == 0x0eb3)
}

// prepends reports whether r joins the cluster after it.
func prepends(r rune) bool {
	return r >= 0x600 && r <= 0x605 || r == 0x6dd || r == 0x70f || r == 0x890 || r == 0x891 || r == 0x8e2 || r == 0xd4e
}
