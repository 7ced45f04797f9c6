package chat

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// percentFormat is s % v.
func (m *machine) percentFormat(s string, v any) (any, error) {
	vals := []any{v}
	if t, ok := v.(*List); ok && t.kind == kindTuple {
		vals = t.items
	}
	d, _ := v.(*Dict)
	used := 0
	var out []byte
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			break
		}
		out = append(out, s[:i]...)
		s = s[i+1:]
		var arg any = unset
		if d != nil && strings.HasPrefix(s, "(") {
			key, rest, _ := strings.Cut(s[1:], ")")
			s = rest
			got, ok := d.Get(key)
			if !ok {
				return nil, fmt.Errorf("no key %q", key)
			}
			arg = got
		}
		n := strings.IndexFunc(s, func(r rune) bool { return strings.ContainsRune("sdifFeEgGxXocr%ua", r) })
		if n < 0 {
			return nil, errors.New("incomplete format")
		}
		verb := s[n]
		if verb == '%' {
			out = append(out, '%')
			s = s[n+1:]
			continue
		}
		if arg == unset {
			if used >= len(vals) {
				return nil, errors.New("not enough arguments for format string")
			}
			arg = vals[used]
			used++
		}
		piece, err := m.percentField(s[:n], verb, arg)
		if err != nil {
			return nil, err
		}
		if err := m.grow(int64(len(piece))); err != nil {
			return nil, err
		}
		out = append(out, piece...)
		s = s[n+1:]
	}
	if used < len(vals) && d == nil && !(used == 0 && len(vals) == 1 && isSequence(v)) {
		return nil, errors.New("not all arguments converted during string formatting")
	}
	out = append(out, s...)
	return string(out), m.grow(int64(len(out)))
}

func isSequence(v any) bool {
	_, ok := v.(*List)
	return ok
}

func (m *machine) percentField(flags string, verb byte, arg any) (string, error) {
	left := strings.Contains(flags, "-")
	spec := strings.ReplaceAll(flags, "-", "")
	switch verb {
	case 'i', 'u':
		verb = 'd'
	case 's', 'r', 'a':
		var s string
		var err error
		if verb == 's' {
			s, err = m.str(arg)
		} else {
			var b []byte
			b, err = m.appendRepr(nil, arg)
			s = string(b)
		}
		if err != nil {
			return "", err
		}
		arg, verb = s, 's'
	}
	if f, isFloat := arg.(float64); isFloat && strings.IndexByte("dxXo", verb) >= 0 {
		n, ok := wholeFloat(math.Trunc(f))
		if !ok || verb != 'd' {
			return "", fmt.Errorf("%%%c format: an integer is required, not float", verb)
		}
		arg = n
	}
	f, err := parseSpec(spec + string(verb))
	if err != nil {
		return "", err
	}
	if f.align == 0 {
		f.align = '>'
	}
	if left {
		f.align, f.fill = '<', " "
	}
	return m.format(arg, f)
}
