package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// splitArgs reads (sep=None, maxsplit=-1).
func splitArgs(a *args) (sep string, bySpace bool, limit int64, err error) {
	v, err := a.bind(0, "sep", "maxsplit")
	if err != nil {
		return "", false, 0, err
	}
	limit = -1
	if v[1] != unset {
		n, ok := integer(v[1])
		if !ok {
			return "", false, 0, fmt.Errorf("%q object cannot be interpreted as an integer", typeName(v[1]))
		}
		limit = n
	}
	if v[0] == unset || v[0] == nil {
		return "", true, limit, nil
	}
	sep, ok := text(v[0])
	switch {
	case !ok:
		return "", false, 0, fmt.Errorf("must be str or None, not %s", typeName(v[0]))
	case sep == "":
		return "", false, 0, errors.New("empty separator")
	}
	return sep, false, limit, nil
}

func strSplit(m *machine, recv any, a *args) (any, error) {
	sep, bySpace, limit, err := splitArgs(a)
	if err != nil {
		return nil, err
	}
	s := str0(recv)
	if err := m.scan(len(s)); err != nil {
		return nil, err
	}
	var out []any
	for limit < 0 || int64(len(out)) < limit {
		var piece string
		ok := false
		if bySpace {
			s = strings.TrimLeftFunc(s, isSpace)
			if s == "" {
				break
			}
			at := strings.IndexFunc(s, isSpace)
			if at < 0 {
				break
			}
			piece, s, ok = s[:at], s[at:], true
		} else {
			piece, s, ok = strings.Cut(s, sep)
			if !ok {
				s = piece
				break
			}
		}
		if err := m.elems(2); err != nil {
			return nil, err
		}
		out = append(out, like(recv, piece))
	}
	if bySpace {
		s = strings.TrimLeftFunc(s, isSpace)
	}
	if s != "" || !bySpace {
		out = append(out, like(recv, s))
	}
	return NewList(out...), nil
}

func strRSplit(m *machine, recv any, a *args) (any, error) {
	sep, bySpace, limit, err := splitArgs(a)
	if err != nil {
		return nil, err
	}
	s := str0(recv)
	if err := m.elems(1 + len(s)/16); err != nil {
		return nil, err
	}
	var out []any
	for limit < 0 || int64(len(out)) < limit {
		if bySpace {
			s = strings.TrimRightFunc(s, isSpace)
		}
		at, n := 0, 0
		if bySpace {
			at = strings.LastIndexFunc(s, isSpace)
			if at >= 0 {
				n = runeLen(s[at:])
			}
		} else {
			at, n = strings.LastIndex(s, sep), len(sep)
		}
		if at < 0 {
			break
		}
		if err := m.elems(2); err != nil {
			return nil, err
		}
		out = append(out, like(recv, s[at+n:]))
		s = s[:at]
	}
	if bySpace {
		s = strings.TrimRightFunc(s, isSpace)
	}
	if s != "" || !bySpace {
		out = append(out, like(recv, s))
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return NewList(out...), nil
}

func runeLen(s string) int {
	_, n := utf8.DecodeRuneInString(s)
	return n
}

// lineEnd returns where the first line of s ends and where the next begins,
// by Python's idea of line boundaries.
func lineEnd(s string) (end, next int) {
	for i, r := range s {
		switch {
		case r == '\r' && strings.HasPrefix(s[i:], "\r\n"):
			return i, i + 2
		case r == '\n' || r == '\r' || r == '\v' || r == '\f' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029:
			return i, i + utf8.RuneLen(r)
		}
	}
	return len(s), len(s)
}

func strSplitLines(m *machine, recv any, a *args) (any, error) {
	v, err := a.bind(0, "keepends")
	if err != nil {
		return nil, err
	}
	keep := v[0] != unset && truth(v[0])
	lines, err := m.splitLines(str0(recv), keep)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(lines))
	for i, s := range lines {
		out[i] = like(recv, s)
	}
	return NewList(out...), nil
}

func (m *machine) splitLines(s string, keep bool) ([]string, error) {
	var out []string
	for s != "" {
		end, next := lineEnd(s)
		if keep {
			end = next
		}
		if err := m.elems(2 + next/32); err != nil {
			return nil, err
		}
		out = append(out, s[:end])
		s = s[next:]
	}
	return out, nil
}

func strReplace(m *machine, recv any, a *args) (any, error) {
	v, err := a.bind(2, "old", "new", "count")
	if err != nil {
		return nil, err
	}
	old, ok := text(v[0])
	repl, ok2 := text(v[1])
	if !ok || !ok2 {
		return nil, errors.New("arguments must be str")
	}
	n := int64(-1)
	if v[2] != unset {
		if n, ok = integer(v[2]); !ok {
			return nil, errors.New("count must be an integer")
		}
	}
	if _, mark := recv.(markup); mark {
		if _, safe := v[1].(markup); !safe {
			repl = escapeHTML(repl)
		}
	}
	out, err := m.replace(str0(recv), old, repl, n)
	return like(recv, out), err
}

// replace replaces the first n occurrences, all if n is negative.
func (m *machine) replace(s, old, repl string, n int64) (string, error) {
	if err := m.scan(len(s)); err != nil {
		return "", err
	}
	hits := int64(strings.Count(s, old))
	if n >= 0 {
		hits = min(hits, n)
	}
	if hits == 0 {
		return s, nil
	}
	if d := int64(len(repl)); d > 0 && hits > m.memory/d {
		return "", m.grow(m.memory + 1)
	}
	if err := m.grow(int64(len(s)) + hits*int64(len(repl))); err != nil {
		return "", err
	}
	return strings.Replace(s, old, repl, int(hits)), nil
}

func strJoin(m *machine, recv any, a *args) (any, error) {
	v, err := a.bind(1, "iterable")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v[0])
	if err != nil {
		return nil, err
	}
	for i, x := range items {
		if _, ok := text(x); !ok {
			return nil, fmt.Errorf("sequence item %d: expected str, %s found", i, typeName(x))
		}
	}
	if _, mark := recv.(markup); mark {
		return m.joinEscaped(items, recv)
	}
	out, err := m.joinText(items, str0(recv))
	return out, err
}

// joinText joins the printed items.
func (m *machine) joinText(items []any, sep string) (string, error) {
	var out []byte
	for i, x := range items {
		n := len(out)
		if i > 0 {
			out = append(out, sep...)
		}
		var err error
		if out, err = m.appendStr(out, x); err != nil {
			return "", err
		}
		if err := m.grow(int64(2 * (len(out) - n))); err != nil {
			return "", err
		}
	}
	return string(out), m.step(len(items))
}

// joinEscaped joins to markup: what is no markup is escaped, sep too.
func (m *machine) joinEscaped(items []any, sep any) (any, error) {
	parts := make([]any, 0, 2*len(items))
	for i, x := range items {
		if i > 0 {
			parts = append(parts, sep)
		}
		parts = append(parts, x)
	}
	if err := m.elems(len(parts)); err != nil {
		return nil, err
	}
	return m.joinMarkup(parts)
}

// wideUpper are the common letters whose capital is two letters.
var wideUpper = strings.NewReplacer("ß", "SS", "ﬀ", "FF", "ﬁ", "FI", "ﬂ", "FL", "ﬃ", "FFI", "ﬄ", "FFL", "ﬅ", "ST", "ﬆ", "ST")

func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return wideUpper.Replace(strings.ToUpper(s))
}

// titleCase is str.title: the first letter after a character without case is
// large, the others small.
func titleCase(s string) string {
	prev := false
	return strings.Map(func(r rune) rune {
		cased := unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
		out := unicode.ToLower(r)
		if cased && !prev {
			out = unicode.ToTitle(r)
		}
		prev = cased
		return out
	}, s)
}

func capitalize(s string) string {
	if s == "" {
		return s
	}
	n := runeLen(s)
	r, _ := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError {
		return s[:n] + strings.ToLower(s[n:])
	}
	return string(unicode.ToTitle(r)) + strings.ToLower(s[n:])
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

func isUpper(s string) bool {
	cased := false
	for _, r := range s {
		if unicode.IsLower(r) || unicode.IsTitle(r) {
			return false
		}
		cased = cased || unicode.IsUpper(r)
	}
	return cased
}

func isLower(s string) bool {
	cased := false
	for _, r := range s {
		if unicode.IsUpper(r) || unicode.IsTitle(r) {
			return false
		}
		cased = cased || unicode.IsLower(r)
	}
	return cased
}
