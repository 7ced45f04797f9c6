package tokenizer

import "strings"

// endings is the decoder of CLIP: in the text that the bytes make, every
// end-of-word mark is a space, and white space at both ends goes. Text is held
// back while it may be the start of a mark or the white space at the end.
type endings struct {
	mark  string
	hold  []byte
	wrote bool
}

// append takes b and appends what is certain.
func (e *endings) append(dst, b []byte) []byte {
	e.hold = append(e.hold, b...)
	text := strings.ReplaceAll(string(e.hold), e.mark, " ")
	keep := 0 // bytes at the end that may begin a mark
	for k := min(len(e.mark)-1, len(text)); k > 0; k-- {
		if strings.HasSuffix(text, e.mark[:k]) {
			keep = k
			break
		}
	}
	done := text[:len(text)-keep]
	if !e.wrote {
		done = done[pySpaceEnd(done):]
	}
	end := pySpaceStart(done)
	dst = append(dst, done[:end]...)
	e.wrote = e.wrote || end > 0
	e.hold = append(append(e.hold[:0], done[end:]...), text[len(text)-keep:]...)
	return dst
}

// flush appends what is left.
func (e *endings) flush(dst []byte) []byte {
	s := string(e.hold)
	if !e.wrote {
		s = s[pySpaceEnd(s):]
	}
	e.hold = e.hold[:0]
	return append(dst, s[:pySpaceStart(s)]...)
}

// pySpaceEnd returns the end of the white space that begins s, as Python's strip
// sees it: with the separators U+001C to U+001F.
func pySpaceEnd(s string) int {
	i := spaceAfter(s, 0)
	for i < len(s) && s[i] >= 0x1c && s[i] <= 0x1f {
		i = spaceAfter(s, i+1)
	}
	return i
}

// pySpaceStart returns the start of the white space that ends s.
func pySpaceStart(s string) int {
	i := spaceBefore(s, len(s))
	for i > 0 && s[i-1] >= 0x1c && s[i-1] <= 0x1f {
		i = spaceBefore(s, i-1)
	}
	return i
}
