package chat

import (
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// str is Python's str(v): what {{ v }} prints.
func (m *machine) str(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case markup:
		return string(x), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	}
	b, err := m.appendStr(nil, v)
	if err != nil {
		return "", err
	}
	return string(b), m.grow(int64(len(b)))
}

// appendStr appends str(v) to b.
func (m *machine) appendStr(b []byte, v any) ([]byte, error) {
	if m.t.dialect == HuggingFaceJS {
		return m.appendJS(b, v)
	}
	switch x := v.(type) {
	case string:
		return append(b, x...), nil
	case markup:
		return append(b, x...), nil
	case *undefined:
		return b, nil
	}
	return m.appendRepr(b, v)
}

// appendRepr appends Python's repr(v) to b.
func (m *machine) appendRepr(b []byte, v any) ([]byte, error) {
	if err := m.step(1 + len(b)/(1<<16)); err != nil {
		return b, err
	}
	if int64(len(b)) > m.lim.Output {
		return b, fmt.Errorf("printed value longer than %d bytes: %w", m.lim.Output, ErrLimit)
	}
	switch x := v.(type) {
	case nil:
		return append(b, "None"...), nil
	case bool:
		if x {
			return append(b, "True"...), nil
		}
		return append(b, "False"...), nil
	case int64:
		return strconv.AppendInt(b, x, 10), nil
	case bigInt:
		return append(b, x...), nil
	case float64:
		return append(b, floatRepr(x)...), nil
	case string:
		return appendQuoted(b, x), m.scan(len(x))
	case markup:
		b = append(b, "Markup("...)
		return append(appendQuoted(b, string(x)), ')'), m.scan(len(x))
	case *undefined:
		return append(b, "Undefined"...), nil
	case *List:
		return m.appendList(b, x)
	case *Dict:
		return m.appendDict(b, x)
	case *view:
		b = append(append(b, typeName(x)...), '(')
		items, err := m.iterate(x)
		if err == nil {
			b, err = m.appendList(b, NewList(items...))
		}
		return append(b, ')'), err
	case *rangeVal:
		b = fmt.Appendf(b, "range(%d, %d", x.start, x.stop)
		if x.step != 1 {
			b = fmt.Appendf(b, ", %d", x.step)
		}
		return append(b, ')'), nil
	case *namespace:
		b = append(b, "<Namespace "...)
		b, err := m.appendDict(b, x.d)
		return append(b, '>'), err
	case *macro:
		return fmt.Appendf(b, "<Macro '%s'>", x.def.name), nil
	case callable:
		return fmt.Appendf(b, "<function %s>", x.label()), nil
	}
	return fmt.Appendf(b, "<%s object>", typeName(v)), nil
}

func (m *machine) appendList(b []byte, l *List) ([]byte, error) {
	if err := m.enter(); err != nil {
		return b, err
	}
	defer m.leave()
	open, end := byte('['), byte(']')
	switch l.kind {
	case kindTuple:
		open, end = '(', ')'
	case kindGenerator:
		return append(b, "<generator object>"...), nil
	}
	b = append(b, open)
	var err error
	for i, v := range l.items {
		if i > 0 {
			b = append(b, ", "...)
		}
		if b, err = m.appendRepr(b, v); err != nil {
			return b, err
		}
	}
	if l.kind == kindTuple && len(l.items) == 1 {
		b = append(b, ',')
	}
	return append(b, end), nil
}

func (m *machine) appendDict(b []byte, d *Dict) ([]byte, error) {
	if err := m.enter(); err != nil {
		return b, err
	}
	defer m.leave()
	b = append(b, '{')
	var err error
	for i, e := range d.entries {
		if i > 0 {
			b = append(b, ", "...)
		}
		if b, err = m.appendRepr(b, e.key); err != nil {
			return b, err
		}
		b = append(b, ": "...)
		if b, err = m.appendRepr(b, e.val); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// floatRepr is Python's repr of a float: the shortest digits that read back,
// an exponent below 1e-4 and from 1e16.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	for i := range len(s) {
		if s[i] == '.' {
			return s
		}
	}
	return s + ".0"
}

// appendQuoted appends Python's repr of a string.
func appendQuoted(b []byte, s string) []byte {
	quote := byte('\'')
	single, double := false, false
	for i := range len(s) {
		single = single || s[i] == '\''
		double = double || s[i] == '"'
	}
	if single && !double {
		quote = '"'
	}
	b = append(b, quote)
	for i, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\r':
			b = append(b, '\\', 'r')
		case r == '\t':
			b = append(b, '\\', 't')
		case r == utf8.RuneError && s[i] != 0xEF:
			b = fmt.Appendf(b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r < 0x100:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r < 0x10000:
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = fmt.Appendf(b, `\U%08x`, r)
		}
	}
	return append(b, quote)
}
