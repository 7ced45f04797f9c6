package tokenizer

import (
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads JSON in one pass without building a tree: a tokenizer.json of
// ten megabytes is one object of names and numbers and one list of pairs.
// The first error stays in err; after it every method does nothing.
type jsonReader struct {
	data  []byte
	off   int
	depth int
	err   error
	buf   []byte // unescaped text of the last string
}

// maxJSONDepth bounds the nesting of arrays and objects.
const maxJSONDepth = 64

func (r *jsonReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = &FormatError{Offset: int64(r.off), Err: fmt.Errorf(format, args...)}
	}
}

// space skips white space and returns the byte that follows, 0 at the end.
func (r *jsonReader) space() byte {
	for r.err == nil && r.off < len(r.data) {
		switch c := r.data[r.off]; c {
		case ' ', '\t', '\n', '\r':
			r.off++
		default:
			return c
		}
	}
	return 0
}

// expect takes the byte c.
func (r *jsonReader) expect(c byte) {
	if got := r.space(); r.err == nil && got != c {
		r.fail("want %q, got %s", c, r.here())
		return
	}
	r.off++
}

// here describes the next byte for an error.
func (r *jsonReader) here() string {
	if r.off >= len(r.data) {
		return "the end of the data"
	}
	return fmt.Sprintf("%q", r.data[r.off])
}

// object calls f for every member; f must read the value. The name is valid
// until f returns.
func (r *jsonReader) object(f func(name string)) {
	r.list('{', '}', func() {
		name := r.str()
		r.expect(':')
		if r.err == nil {
			f(name)
		}
	})
}

// array calls f for every element; f must read it.
func (r *jsonReader) array(f func()) { r.list('[', ']', f) }

func (r *jsonReader) list(open, end byte, f func()) {
	if r.expect(open); r.err != nil {
		return
	}
	if r.depth++; r.depth > maxJSONDepth {
		r.fail("nested deeper than %d", maxJSONDepth)
		return
	}
	if r.space() == end {
		r.off++
		r.depth--
		return
	}
	for r.err == nil {
		f()
		if r.space() == ',' {
			r.off++
			continue
		}
		r.expect(end)
		break
	}
	r.depth--
}

// str reads a string. Lone surrogates and invalid UTF-8 become U+FFFD.
func (r *jsonReader) str() string {
	r.expect('"')
	if r.err != nil {
		return ""
	}
	from := r.off
	for r.off < len(r.data) {
		switch c := r.data[r.off]; {
		case c == '"':
			s := r.data[from:r.off]
			r.off++
			return validText(string(s))
		case c == '\\':
			return r.escaped(from)
		case c < 0x20:
			r.fail("control character 0x%02x in a string", c)
			return ""
		}
		r.off++
	}
	r.fail("unfinished string")
	return ""
}

// escaped reads on in a string that began at from and holds an escape here.
func (r *jsonReader) escaped(from int) string {
	r.buf = append(r.buf[:0], r.data[from:r.off]...)
	for r.off < len(r.data) {
		c := r.data[r.off]
		switch {
		case c == '"':
			r.off++
			return validText(string(r.buf))
		case c < 0x20:
			r.fail("control character 0x%02x in a string", c)
			return ""
		case c != '\\':
			r.buf = append(r.buf, c)
			r.off++
		case !r.escape():
			return ""
		}
	}
	r.fail("unfinished string")
	return ""
}

// escape takes one escape sequence.
func (r *jsonReader) escape() bool {
	if r.off+1 >= len(r.data) {
		r.fail("unfinished string")
		return false
	}
	c := r.data[r.off+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return r.unicode()
	default:
		r.fail("unknown escape \\%c", c)
		return false
	}
	r.buf = append(r.buf, c)
	r.off += 2
	return true
}

// unicode takes \uXXXX, and the second half of a surrogate pair with it.
func (r *jsonReader) unicode() bool {
	hi := r.hex4(r.off)
	if hi < 0 {
		r.fail("bad \\u escape")
		return false
	}
	r.off += 6
	if utf16.IsSurrogate(hi) {
		if lo := r.hex4(r.off); lo >= 0 {
			if p := utf16.DecodeRune(hi, lo); p != utf8.RuneError {
				r.off += 6
				r.buf = utf8.AppendRune(r.buf, p)
				return true
			}
		}
		hi = utf8.RuneError
	}
	r.buf = utf8.AppendRune(r.buf, hi)
	return true
}

// hex4 reads \uXXXX at i, -1 where there is none.
func (r *jsonReader) hex4(i int) rune {
	if i+6 > len(r.data) || r.data[i] != '\\' || r.data[i+1] != 'u' {
		return -1
	}
	v := rune(0)
	for _, c := range r.data[i+2 : i+6] {
		h := unhex(c)
		if h < 0 {
			return -1
		}
		v = v<<4 | rune(h)
	}
	return v
}

// id reads a token id: an integer from 0 to 2^31-1.
func (r *jsonReader) id() int32 {
	r.space()
	from, v := r.off, int64(0)
	for r.err == nil && r.off < len(r.data) && r.data[r.off] >= '0' && r.data[r.off] <= '9' {
		if v = v*10 + int64(r.data[r.off]-'0'); v > 1<<31-1 {
			r.fail("token id out of range")
			return 0
		}
		r.off++
	}
	if r.off == from {
		r.fail("want a token id, got %s", r.here())
	}
	return int32(v)
}

// raw skips one value and returns its bytes, unchecked but for their nesting.
func (r *jsonReader) raw() []byte {
	c := r.space()
	from := r.off
	switch c {
	case '{':
		r.object(func(string) { r.raw() })
	case '[':
		r.array(func() { r.raw() })
	case '"':
		r.str()
	default:
		for r.off < len(r.data) {
			switch r.data[r.off] {
			case ',', ']', '}', ' ', '\t', '\n', '\r':
			default:
				r.off++
				continue
			}
			break
		}
		if r.off == from {
			r.fail("want a value, got %s", r.here())
		}
	}
	if r.err != nil {
		return nil
	}
	return r.data[from:r.off:r.off]
}

// end checks that nothing but white space is left.
func (r *jsonReader) end() error {
	if r.space() != 0 {
		r.fail("%s after the end of the value", r.here())
	}
	return r.err
}
