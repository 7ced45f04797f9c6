package chat

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// soft is str(v), but markup stays markup.
func (m *machine) soft(v any) (any, error) {
	switch v.(type) {
	case string, markup:
		return v, nil
	}
	return m.str(v)
}

// methodFilter applies a method of str to the printed value.
func methodFilter(name string) filterFunc {
	f := strMethods[name]
	return func(m *machine, v any, a *args) (any, error) {
		s, err := m.soft(v)
		if err != nil {
			return nil, err
		}
		return f(m, s, a)
	}
}

func textFilter(f func(string) string) filterFunc {
	g := mapText(f)
	return func(m *machine, v any, a *args) (any, error) {
		s, err := m.soft(v)
		if err != nil {
			return nil, err
		}
		return g(m, s, a)
	}
}

func filterString(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	return m.soft(v)
}

// titleWords is the filter title: letters after a blank, a dash or an opening
// bracket are large. (The method title has other rules.)
func titleWords(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		if r == '-' || isSpace(r) || strings.ContainsRune("({[<", r) {
			start = true
			return r
		}
		if start {
			start = false
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func filterJoin(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "d", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	sep := ""
	if p[0] != unset {
		if sep, err = m.str(p[0]); err != nil {
			return nil, err
		}
	}
	if p[1] != unset && p[1] != nil {
		get, err := m.getter(p[1], nil)
		if err != nil {
			return nil, err
		}
		if err := m.elems(len(items)); err != nil {
			return nil, err
		}
		items = append([]any{}, items...)
		for i, x := range items {
			if items[i], err = get(x); err != nil {
				return nil, err
			}
		}
	}
	return m.joinText(items, sep)
}

func filterReplace(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(2, "old", "new", "count")
	if err != nil {
		return nil, err
	}
	var s [3]string
	for i, x := range []any{v, p[0], p[1]} {
		if s[i], err = m.str(x); err != nil {
			return nil, err
		}
	}
	n := int64(-1)
	if p[2] != unset && p[2] != nil {
		ok := false
		if n, ok = integer(p[2]); !ok {
			return nil, errors.New("count must be an integer")
		}
	}
	return m.replace(s[0], s[1], s[2], n)
}

func filterIndent(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "width", "first", "blank")
	if err != nil {
		return nil, err
	}
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	pad := "    "
	if t, ok := text(p[0]); ok {
		pad = t
	} else if p[0] != unset {
		n, ok := integer(p[0])
		if !ok {
			return nil, errors.New("width must be an integer or a string")
		}
		if pad, err = m.repeatText(" ", n); err != nil {
			return nil, err
		}
	}
	blank := p[2] != unset && truth(p[2])
	lines, err := m.splitLines(s+"\n", false)
	if err != nil {
		return nil, err
	}
	if err := m.grow(int64(len(s) + len(lines))); err != nil {
		return nil, err
	}
	var out []byte
	for i, line := range lines {
		if i > 0 {
			out = append(out, '\n')
		}
		if i > 0 && (line != "" || blank) || i == 0 && p[1] != unset && truth(p[1]) {
			if err := m.grow(int64(len(pad))); err != nil {
				return nil, err
			}
			out = append(out, pad...)
		}
		out = append(out, line...)
	}
	return like(v, string(out)), nil
}

func filterCenter(m *machine, v any, a *args) (any, error) {
	if len(a.pos)+len(a.kw) == 0 {
		a = &args{pos: []any{int64(80)}}
	}
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	return strMethods["center"](m, s, a)
}

func filterFormat(m *machine, v any, a *args) (any, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.kw) == 0 {
		return m.percentFormat(s, tuple(a.pos...))
	}
	if len(a.pos) > 0 {
		return nil, errors.New("can't handle positional and keyword arguments at the same time")
	}
	d := NewDict()
	for _, k := range a.kw {
		if err := d.Set(k.name, k.v); err != nil {
			return nil, err
		}
	}
	return m.percentFormat(s, d)
}

func filterTruncate(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "length", "killwords", "end", "leeway")
	if err != nil {
		return nil, err
	}
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	length, leeway, end := int64(255), int64(5), "..."
	if p[0] != unset {
		length, _ = integer(p[0])
	}
	if p[2] != unset {
		end, _ = text(p[2])
	}
	if p[3] != unset && p[3] != nil {
		leeway, _ = integer(p[3])
	}
	room := length - int64(utf8.RuneCountInString(end))
	if room < 0 || leeway < 0 {
		return nil, fmt.Errorf("expected length >= %d, got %d", utf8.RuneCountInString(end), length)
	}
	if err := m.scan(len(s)); err != nil {
		return nil, err
	}
	if int64(utf8.RuneCountInString(s)) <= length+leeway {
		return s, nil
	}
	cut, err := m.sliceText(s, [3]*int64{1: &room})
	if err != nil {
		return nil, err
	}
	if p[1] == unset || !truth(p[1]) {
		if i := strings.LastIndexByte(cut, ' '); i >= 0 {
			cut = cut[:i]
		}
	}
	return cut + end, m.grow(int64(len(cut) + len(end)))
}

func filterWordCount(m *machine, v any, a *args) (any, error) {
	s, err := m.str(v)
	if err != nil {
		return nil, err
	}
	n := int64(len(strings.FieldsFunc(s, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
	})))
	if err := m.grow(16 * n); err != nil {
		return nil, err
	}
	return n, noArgs(a)
}

// filterPprint prints like pprint.pformat for what fits on one line.
func filterPprint(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	if d, ok := v.(*Dict); ok {
		entries := append([]entry{}, d.entries...)
		sort.SliceStable(entries, func(i, j int) bool {
			c, err := m.order(entries[i].key, entries[j].key)
			return err == nil && c < 0
		})
		v = &Dict{entries: entries}
	}
	b, err := m.appendRepr(nil, v)
	if err != nil {
		return nil, err
	}
	if len(b) > 80 {
		return nil, errors.New("a value wider than 80 columns is not supported")
	}
	return string(b), nil
}
