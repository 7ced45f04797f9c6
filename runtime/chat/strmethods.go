package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// strMethods are the methods of str. Lengths and positions count characters.
var strMethods = map[string]methodFunc{
	"strip":        stripper(strings.TrimFunc, strings.Trim),
	"lstrip":       stripper(strings.TrimLeftFunc, strings.TrimLeft),
	"rstrip":       stripper(strings.TrimRightFunc, strings.TrimRight),
	"split":        strSplit,
	"rsplit":       strRSplit,
	"splitlines":   strSplitLines,
	"startswith":   affix(strings.HasPrefix),
	"endswith":     affix(strings.HasSuffix),
	"replace":      strReplace,
	"join":         strJoin,
	"upper":        mapText(upper),
	"lower":        mapText(strings.ToLower),
	"casefold":     mapText(strings.ToLower),
	"title":        mapText(titleCase),
	"capitalize":   mapText(capitalize),
	"swapcase":     mapText(swapCase),
	"find":         finder(strings.Index, false),
	"rfind":        finder(strings.LastIndex, false),
	"index":        finder(strings.Index, true),
	"rindex":       finder(strings.LastIndex, true),
	"count":        strCount,
	"format":       strFormat,
	"partition":    partition(strings.Index, true),
	"rpartition":   partition(strings.LastIndex, false),
	"removeprefix": remover(strings.TrimPrefix),
	"removesuffix": remover(strings.TrimSuffix),
	"isdigit":      each(unicode.IsDigit),
	"isdecimal":    each(unicode.IsDigit),
	"isnumeric":    each(unicode.IsNumber),
	"isalpha":      each(unicode.IsLetter),
	"isalnum":      each(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
	"isspace":      each(isSpace),
	"isupper":      cased(isUpper),
	"islower":      cased(isLower),
	"zfill":        strZFill,
	"ljust":        justify(0),
	"rjust":        justify(2),
	"center":       justify(1),
}

func str0(recv any) string {
	s, _ := text(recv)
	return s
}

func noArgs(a *args) error {
	_, err := a.bind(0)
	return err
}

// like gives out the type of recv: a method of markup returns markup.
func like(recv any, out string) any {
	if _, mark := recv.(markup); mark {
		return markup(out)
	}
	return out
}

func mapText(f func(string) string) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		s := str0(recv)
		if err := m.grow(2 * int64(len(s))); err != nil {
			return nil, err
		}
		return like(recv, f(s)), noArgs(a)
	}
}

func stripper(space func(string, func(rune) bool) string, chars func(string, string) string) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		v, err := a.bind(0, "chars")
		if err != nil {
			return nil, err
		}
		s := str0(recv)
		if v[0] == unset || v[0] == nil {
			return like(recv, space(s, isSpace)), m.scan(len(s))
		}
		cut, ok := text(v[0])
		if !ok {
			return nil, fmt.Errorf("arg must be None or str, not %s", typeName(v[0]))
		}
		if err := m.scan(len(s) * (1 + len(cut)/64)); err != nil {
			return nil, err
		}
		return like(recv, chars(s, cut)), nil
	}
}

func affix(has func(s, part string) bool) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		v, err := a.bind(1, "prefix", "start", "end")
		if err != nil {
			return nil, err
		}
		s, err := m.window(str0(recv), v[1], v[2])
		if err != nil {
			return nil, err
		}
		if err := m.scan(len(s)); err != nil {
			return nil, err
		}
		options := []any{v[0]}
		if t, ok := v[0].(*List); ok && t.kind == kindTuple {
			options = t.items
		}
		for _, o := range options {
			part, ok := text(o)
			if !ok {
				return nil, fmt.Errorf("arg must be str or a tuple of str, not %s", typeName(o))
			}
			if has(s, part) {
				return true, nil
			}
		}
		return false, m.step(len(options))
	}
}

// window is s[start:end]; unset and None mean the whole.
func (m *machine) window(s string, start, end any) (string, error) {
	var part [3]*int64
	for i, v := range []any{start, end} {
		if v == unset || v == nil {
			continue
		}
		n, ok := integer(v)
		if !ok {
			return "", errors.New("slice indices must be integers or None")
		}
		part[i] = &n
	}
	if part[0] == nil && part[1] == nil {
		return s, nil
	}
	return m.sliceText(s, part)
}

func finder(find func(s, sub string) int, mustFind bool) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		v, err := a.bind(1, "sub", "start", "end")
		if err != nil {
			return nil, err
		}
		sub, ok := text(v[0])
		if !ok {
			return nil, fmt.Errorf("must be str, not %s", typeName(v[0]))
		}
		whole := str0(recv)
		s, err := m.window(whole, v[1], v[2])
		if err != nil {
			return nil, err
		}
		if err := m.scan(len(whole)); err != nil {
			return nil, err
		}
		at := find(s, sub)
		if at < 0 {
			if mustFind {
				return nil, errors.New("substring not found")
			}
			return int64(-1), nil
		}
		return int64(utf8.RuneCountInString(s[:at])) + windowStart(whole, v[1]), nil
	}
}

func windowStart(s string, start any) int64 {
	n, ok := integer(start)
	if !ok {
		return 0
	}
	length := int64(utf8.RuneCountInString(s))
	if n < 0 {
		n += length
	}
	return max(0, min(n, length))
}

func strCount(m *machine, recv any, a *args) (any, error) {
	v, err := a.bind(1, "sub", "start", "end")
	if err != nil {
		return nil, err
	}
	sub, ok := text(v[0])
	if !ok {
		return nil, fmt.Errorf("must be str, not %s", typeName(v[0]))
	}
	s, err := m.window(str0(recv), v[1], v[2])
	if err != nil {
		return nil, err
	}
	return int64(strings.Count(s, sub)), m.scan(len(s))
}

func partition(find func(s, sub string) int, first bool) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		v, err := a.bind(1, "sep")
		if err != nil {
			return nil, err
		}
		s, sep := str0(recv), str0(v[0])
		if sep == "" {
			return nil, errors.New("empty separator")
		}
		if err := m.elems(3 + len(s)/32); err != nil {
			return nil, err
		}
		at := find(s, sep)
		switch {
		case at >= 0:
			return tuple(s[:at], sep, s[at+len(sep):]), nil
		case first:
			return tuple(s, "", ""), nil
		}
		return tuple("", "", s), nil
	}
}

func remover(trim func(s, part string) string) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		v, err := a.bind(1, "affix")
		if err != nil {
			return nil, err
		}
		if err := m.scan(len(str0(recv))); err != nil {
			return nil, err
		}
		return like(recv, trim(str0(recv), str0(v[0]))), nil
	}
}

// each is a test on every character of a string that is not empty.
func each(is func(rune) bool) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		s := str0(recv)
		if err := m.scan(len(s)); err != nil {
			return nil, err
		}
		for _, r := range s {
			if !is(r) {
				return false, noArgs(a)
			}
		}
		return s != "", noArgs(a)
	}
}

func cased(is func(string) bool) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		s := str0(recv)
		if err := m.scan(len(s)); err != nil {
			return nil, err
		}
		return is(s), noArgs(a)
	}
}

func strZFill(m *machine, recv any, a *args) (any, error) {
	v, err := a.bind(1, "width")
	if err != nil {
		return nil, err
	}
	n, ok := integer(v[0])
	if !ok {
		return nil, errors.New("width must be an integer")
	}
	s := str0(recv)
	if err := m.grow(int64(len(s))); err != nil {
		return nil, err
	}
	pad, err := m.repeatText("0", max(0, n-int64(utf8.RuneCountInString(s))))
	if err != nil {
		return nil, err
	}
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[:1] + pad + s[1:], nil
	}
	return pad + s, nil
}

// justify pads on the right (0), both sides (1) or the left (2).
func justify(side int) methodFunc {
	return func(m *machine, recv any, a *args) (any, error) {
		v, err := a.bind(1, "width", "fillchar")
		if err != nil {
			return nil, err
		}
		n, ok := integer(v[0])
		if !ok {
			return nil, errors.New("width must be an integer")
		}
		fill := " "
		if v[1] != unset {
			fill = str0(v[1])
		}
		if utf8.RuneCountInString(fill) != 1 {
			return nil, errors.New("the fill character must be exactly one character long")
		}
		s := str0(recv)
		return m.pad(s, n, fill, side)
	}
}

func (m *machine) pad(s string, width int64, fill string, side int) (any, error) {
	total := max(0, width-int64(utf8.RuneCountInString(s)))
	left := int64(0)
	switch side {
	case 1:
		left = total/2 + total&width&1
	case 2:
		left = total
	}
	l, err := m.repeatText(fill, left)
	if err != nil {
		return nil, err
	}
	r, err := m.repeatText(fill, total-left)
	if err != nil {
		return nil, err
	}
	return l + s + r, m.grow(int64(len(s)))
}

// repeatText is strings.Repeat within the memory limit.
func (m *machine) repeatText(s string, n int64) (string, error) {
	if n <= 0 || s == "" {
		return "", nil
	}
	if n > m.memory/int64(len(s)) {
		return "", m.grow(m.memory + 1)
	}
	return strings.Repeat(s, int(n)), m.grow(n * int64(len(s)))
}
