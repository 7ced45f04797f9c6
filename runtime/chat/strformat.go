package chat

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// formatSpec is [[fill]align][sign][#][0][width][,][.precision][type], what
// str.format and % share.
type formatSpec struct {
	fill  string
	align byte // < > ^ = or 0
	sign  byte
	alt   bool
	width int64
	comma byte
	prec  int // -1 none
	verb  byte
}

const maxWidth = 1 << 16

func parseSpec(s string) (formatSpec, error) {
	f := formatSpec{fill: " ", prec: -1}
	if n := runeLen(s); n > 0 && n < len(s) && strings.IndexByte("<>^=", s[n]) >= 0 {
		f.fill, f.align, s = s[:n], s[n], s[n+1:]
	} else if s != "" && strings.IndexByte("<>^=", s[0]) >= 0 {
		f.align, s = s[0], s[1:]
	}
	cut := func(set string) byte {
		if s != "" && strings.IndexByte(set, s[0]) >= 0 {
			c := s[0]
			s = s[1:]
			return c
		}
		return 0
	}
	f.sign = cut("+- ")
	f.alt = cut("#") != 0
	if cut("0") != 0 && f.align == 0 {
		f.fill, f.align = "0", '='
	}
	num := func() (int64, error) {
		n := digits(s, func(c byte) bool { return c >= '0' && c <= '9' })
		v, err := strconv.ParseInt("0"+s[:n], 10, 64)
		s = s[n:]
		if err != nil || v > maxWidth {
			return 0, fmt.Errorf("width or precision beyond %d", maxWidth)
		}
		return v, nil
	}
	var err error
	if f.width, err = num(); err != nil {
		return f, err
	}
	f.comma = cut(",_")
	if cut(".") != 0 {
		p, err := num()
		if err != nil {
			return f, err
		}
		f.prec = int(p)
	}
	f.verb = cut("sdfFeEgGxXobcn%")
	if s != "" {
		return f, fmt.Errorf("invalid format specifier %q", s)
	}
	return f, nil
}

// format is Python's format(v, spec).
func (m *machine) format(v any, f formatSpec) (string, error) {
	if s, ok := text(v); ok {
		if f.verb != 0 && f.verb != 's' {
			return "", fmt.Errorf("unknown format code %q for a string", f.verb)
		}
		if f.prec >= 0 {
			n := int64(f.prec)
			var err error
			if s, err = m.sliceText(s, [3]*int64{1: &n}); err != nil {
				return "", err
			}
		}
		return m.aligned(s, f, '<')
	}
	if _, isBool := v.(bool); isBool && f.verb == 0 || f.verb == 0 && f.prec < 0 && !isNumber(v) {
		s, err := m.str(v)
		if err != nil {
			return "", err
		}
		return m.aligned(s, f, '<')
	}
	s, err := formatNumber(v, f)
	if err != nil {
		return "", err
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	} else if f.sign == '+' || f.sign == ' ' {
		sign = string(f.sign)
	}
	if f.comma != 0 {
		s = group(s, f.comma)
	}
	if f.align == '=' {
		n := f.width - int64(len(sign)+len(s))
		pad, err := m.repeatText(f.fill, n)
		return sign + pad + s, err
	}
	return m.aligned(sign+s, f, '>')
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64, bigInt, bool:
		return true
	}
	return false
}

func (m *machine) aligned(s string, f formatSpec, natural byte) (string, error) {
	align := f.align
	if align == 0 || align == '=' {
		align = natural
	}
	total := max(0, f.width-int64(utf8.RuneCountInString(s)))
	left := map[byte]int64{'<': 0, '>': total, '^': total / 2}[align]
	a, err := m.repeatText(f.fill, left)
	if err != nil {
		return "", err
	}
	b, err := m.repeatText(f.fill, total-left)
	return a + s + b, err
}

func formatNumber(v any, f formatSpec) (string, error) {
	if b, ok := v.(bigInt); ok && strings.IndexByte("\x00dn", f.verb) >= 0 {
		return string(b), nil
	}
	n, isInt := integer(v)
	if isInt {
		if base := map[byte]int{0: 10, 'd': 10, 'n': 10, 'x': 16, 'X': 16, 'o': 8, 'b': 2}[f.verb]; base != 0 && f.prec < 0 {
			return formatInt(n, base, f), nil
		}
		if f.verb == 'c' {
			if n < 0 || n > utf8.MaxRune {
				return "", errors.New("%c arg not in range(0x110000)")
			}
			return string(rune(n)), nil
		}
	}
	x, ok := number(v)
	if !ok {
		return "", fmt.Errorf("unsupported format for %s", typeName(v))
	}
	prec := f.prec
	switch f.verb {
	case 'f', 'F', 'e', 'E', '%':
		if prec < 0 {
			prec = 6
		}
		verb := f.verb
		if verb == '%' {
			return strconv.FormatFloat(x*100, 'f', prec, 64) + "%", nil
		}
		return special(x, strconv.FormatFloat(x, verb|0x20, prec, 64), verb), nil
	case 'g', 'G', 'n':
		return special(x, generalFloat(x, prec), f.verb), nil
	case 0:
		if prec < 0 {
			return floatRepr(x), nil
		}
		return generalFloat(x, prec), nil
	}
	return "", fmt.Errorf("unknown format code %q for %s", f.verb, typeName(v))
}

func special(x float64, s string, verb byte) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		s = floatRepr(x)
	}
	if verb < 'a' {
		s = strings.ToUpper(s)
	}
	return s
}

func formatInt(n int64, base int, f formatSpec) string {
	s := strconv.FormatInt(n, base)
	if f.verb == 'X' {
		s = strings.ToUpper(s)
	}
	if p := map[byte]string{'x': "0x", 'X': "0X", 'o': "0o", 'b': "0b"}[f.verb]; f.alt && p != "" {
		if n < 0 {
			return "-" + p + s[1:]
		}
		return p + s
	}
	return s
}

// generalFloat is %g: prec significant digits without trailing zeros.
func generalFloat(x float64, prec int) string {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return floatRepr(x)
	}
	if prec < 0 {
		prec = 6
	}
	prec = max(prec, 1)
	e := strconv.FormatFloat(x, 'e', prec-1, 64)
	at := strings.IndexByte(e, 'e')
	exp, _ := strconv.Atoi(e[at+1:])
	if exp < -4 || exp >= prec {
		mant := e[:at]
		if strings.Contains(mant, ".") {
			mant = strings.TrimRight(strings.TrimRight(mant, "0"), ".")
		}
		return mant + e[at:]
	}
	s := strconv.FormatFloat(x, 'f', prec-1-exp, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// group puts sep between groups of three digits of the integer part.
func group(s string, sep byte) string {
	n := digits(s, func(c byte) bool { return c >= '0' && c <= '9' })
	var b []byte
	for i := range n {
		if i > 0 && (n-i)%3 == 0 {
			b = append(b, sep)
		}
		b = append(b, s[i])
	}
	return string(b) + s[n:]
}

// strFormat is str.format: {} {0} {name} {0.attr[key]!r:spec}.
func strFormat(m *machine, recv any, a *args) (any, error) {
	s := str0(recv)
	var out []byte
	auto := 0
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			out = append(out, s...)
			break
		}
		out = append(out, s[:i]...)
		if i+1 < len(s) && s[i+1] == s[i] {
			out = append(out, s[i])
			s = s[i+2:]
			continue
		}
		if s[i] == '}' {
			return nil, errors.New("single '}' encountered in format string")
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, errors.New("expected '}' before end of string")
		}
		piece, err := m.formatField(s[i+1:i+end], a, &auto)
		if err != nil {
			return nil, err
		}
		if _, mark := recv.(markup); mark {
			piece = escapeHTML(piece)
		}
		if err := m.grow(int64(len(piece))); err != nil {
			return nil, err
		}
		out = append(out, piece...)
		s = s[i+end+1:]
	}
	return like(recv, string(out)), m.grow(int64(len(out)))
}

func (m *machine) formatField(field string, a *args, auto *int) (string, error) {
	field, spec, _ := strings.Cut(field, ":")
	field, conv, hasConv := strings.Cut(field, "!")
	n := strings.IndexAny(field, ".[")
	if n < 0 {
		n = len(field)
	}
	v, err := a.field(field[:n], auto)
	if err != nil {
		return "", err
	}
	if v, err = m.fieldPath(v, field[n:]); err != nil {
		return "", err
	}
	if hasConv {
		switch conv {
		case "s":
			v, err = m.str(v)
		case "r", "a":
			var b []byte
			b, err = m.appendRepr(nil, v)
			v = string(b)
		default:
			err = fmt.Errorf("unknown conversion %q", conv)
		}
		if err != nil {
			return "", err
		}
	}
	f, err := parseSpec(spec)
	if err != nil {
		return "", err
	}
	return m.format(v, f)
}

func (a *args) field(name string, auto *int) (any, error) {
	n, err := strconv.Atoi(name)
	if name == "" {
		n, err = *auto, nil
		*auto++
	}
	if err == nil {
		if n < 0 || n >= len(a.pos) {
			return nil, fmt.Errorf("replacement index %d out of range", n)
		}
		return a.pos[n], nil
	}
	for _, k := range a.kw {
		if k.name == name {
			return k.v, nil
		}
	}
	return nil, fmt.Errorf("no argument %q", name)
}

// fieldPath follows .attr and [key] behind a field's name.
func (m *machine) fieldPath(v any, path string) (any, error) {
	for path != "" {
		var err error
		if path[0] == '[' {
			key, rest, ok := strings.Cut(path[1:], "]")
			if !ok {
				return nil, errors.New("missing ']' in format string")
			}
			path = rest
			if n, convErr := strconv.ParseInt(key, 10, 64); convErr == nil {
				v, err = m.item(v, n)
			} else {
				v, err = m.item(v, key)
			}
		} else {
			n := strings.IndexAny(path[1:], ".[") + 1
			if n == 0 {
				n = len(path)
			}
			v, err = m.attribute(v, path[1:n], path[1:n])
			path = path[n:]
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}
