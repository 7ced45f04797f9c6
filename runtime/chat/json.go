package chat

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseJSON reads one JSON value and keeps the order of object keys: objects
// become *Dict, arrays *List, integers int64, other numbers float64. Integers
// outside int64 keep their digits.
func ParseJSON(data []byte) (any, error) {
	p := jsonReader{s: string(data)}
	p.space()
	v, err := p.value(0)
	if err == nil {
		if p.space(); p.i < len(p.s) {
			err = errors.New("text after the value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("chat: json at byte %d: %w", p.i, err)
	}
	return v, nil
}

const maxJSONDepth = 128

type jsonReader struct {
	s string
	i int
}

func (p *jsonReader) space() {
	for p.i < len(p.s) && strings.IndexByte(" \t\r\n", p.s[p.i]) >= 0 {
		p.i++
	}
}

// next reports whether c is the next character after white space, and if so
// moves behind it.
func (p *jsonReader) next(c byte) bool {
	p.space()
	if p.i < len(p.s) && p.s[p.i] == c {
		p.i++
		return true
	}
	return false
}

func (p *jsonReader) value(depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("nested deeper than %d: %w", maxJSONDepth, ErrLimit)
	}
	if p.i >= len(p.s) {
		return nil, errors.New("value expected")
	}
	switch c := p.s[p.i]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.str()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, w := range []struct {
		name string
		v    any
	}{{"true", true}, {"false", false}, {"null", nil}} {
		if strings.HasPrefix(p.s[p.i:], w.name) {
			p.i += len(w.name)
			return w.v, nil
		}
	}
	return nil, fmt.Errorf("unexpected %q", p.s[p.i])
}

func (p *jsonReader) object(depth int) (any, error) {
	p.i++
	d := NewDict()
	if p.next('}') {
		return d, nil
	}
	for {
		if p.space(); p.i >= len(p.s) || p.s[p.i] != '"' {
			return nil, errors.New("string expected as key")
		}
		k, err := p.str()
		if err != nil {
			return nil, err
		}
		if !p.next(':') {
			return nil, errors.New("colon expected")
		}
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if err := d.Set(k, v); err != nil {
			return nil, err
		}
		if p.next('}') {
			return d, nil
		}
		if !p.next(',') {
			return nil, errors.New("comma or } expected")
		}
	}
}

func (p *jsonReader) array(depth int) (any, error) {
	p.i++
	l := &List{}
	if p.next(']') {
		return l, nil
	}
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l.Append(v)
		if p.next(']') {
			return l, nil
		}
		if !p.next(',') {
			return nil, errors.New("comma or ] expected")
		}
	}
}

func (p *jsonReader) number() (any, error) {
	start := p.i
	digit := func() int {
		n := p.i
		for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
			p.i++
		}
		return p.i - n
	}
	if p.s[p.i] == '-' {
		p.i++
	}
	first := p.i
	if n := digit(); n == 0 || n > 1 && p.s[first] == '0' {
		return nil, errors.New("bad number")
	}
	whole := true
	if p.i < len(p.s) && p.s[p.i] == '.' {
		whole = false
		p.i++
		if digit() == 0 {
			return nil, errors.New("bad number")
		}
	}
	if p.i < len(p.s) && p.s[p.i]|0x20 == 'e' {
		whole = false
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		if digit() == 0 {
			return nil, errors.New("bad number")
		}
	}
	s := p.s[start:p.i]
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		return bigInt(s), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errors.New("bad number")
	}
	return f, nil
}

func (p *jsonReader) str() (string, error) {
	p.i++
	start := p.i
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '"':
			p.i++
			return p.s[start : p.i-1], nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", errors.New("control character in a string")
		}
		p.i++
	}
	return "", errors.New("string is not closed")
}

var jsonEscapes = map[byte]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escaped finishes a string that has at least one backslash.
func (p *jsonReader) escaped(start int) (string, error) {
	b := []byte(p.s[start:p.i])
	for p.i < len(p.s) {
		c := p.s[p.i]
		switch {
		case c == '"':
			p.i++
			return string(b), nil
		case c < 0x20:
			return "", errors.New("control character in a string")
		case c != '\\':
			b = append(b, c)
			p.i++
			continue
		}
		if p.i+1 >= len(p.s) {
			break
		}
		c = p.s[p.i+1]
		if e, ok := jsonEscapes[c]; ok {
			b = append(b, e)
			p.i += 2
			continue
		}
		if c != 'u' {
			return "", fmt.Errorf("bad escape \\%c", c)
		}
		r, ok := p.unicode()
		if !ok {
			return "", errors.New("bad \\u escape")
		}
		b = utf8.AppendRune(b, r)
	}
	return "", errors.New("string is not closed")
}

// unicode reads \uXXXX, or two of them that form a surrogate pair.
func (p *jsonReader) unicode() (rune, bool) {
	r, ok := p.hex4(p.i + 2)
	if !ok {
		return 0, false
	}
	p.i += 6
	if r < 0xD800 || r > 0xDFFF {
		return r, true
	}
	if r < 0xDC00 && strings.HasPrefix(p.s[p.i:], `\u`) {
		if low, ok := p.hex4(p.i + 2); ok && low >= 0xDC00 && low <= 0xDFFF {
			p.i += 6
			return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000, true
		}
	}
	return utf8.RuneError, true
}

func (p *jsonReader) hex4(at int) (rune, bool) {
	if at+4 > len(p.s) {
		return 0, false
	}
	v, err := strconv.ParseUint(p.s[at:at+4], 16, 16)
	return rune(v), err == nil && p.s[at] != '+'
}
