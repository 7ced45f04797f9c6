package chat

import (
	"errors"
	"unicode/utf8"
)

// attrExpr is e.name: a method or attribute first, then a key.
type attrExpr struct {
	span
	e    expr
	name string
	key  any // name, boxed once
}

func (e *attrExpr) eval(m *machine) (any, error) {
	v, err := m.eval(e.e)
	if err != nil {
		return nil, err
	}
	return m.attribute(v, e.name, e.key)
}

func (m *machine) attribute(v any, name string, key any) (any, error) {
	switch x := v.(type) {
	case *Dict:
		if f, ok := dictMethods[name]; ok {
			return &method{name, x, f}, nil
		}
		if i := x.find(key); i >= 0 {
			return x.entries[i].val, nil
		}
	case string, markup:
		if f, ok := m.strings[name]; ok {
			return &method{name, v, f}, nil
		}
	case *List:
		if f, ok := listMethods[name]; ok && (x.kind == kindList || name == "count" || name == "index") {
			return &method{name, x, f}, nil
		}
		if x.group && name == "grouper" {
			return x.items[0], nil
		}
		if x.group && name == "list" {
			return x.items[1], nil
		}
	case *namespace:
		if val, ok := x.d.Get(key); ok {
			return val, nil
		}
	case *loopVal:
		if val, ok := x.attr(name); ok {
			return val, nil
		}
	case *macro:
		if name == "name" {
			return x.def.name, nil
		}
	case *cycler:
		if val, ok := x.attr(name); ok {
			return val, nil
		}
	case *dictFunc:
		if name == "fromkeys" {
			return builtin{"fromkeys", fromKeys}, nil
		}
	case *undefined:
		return nil, errors.New(x.reason())
	}
	return missing(v, key), nil
}

// itemExpr is e[key]: a key or index first, then an attribute.
type itemExpr struct {
	span
	e, key expr
}

func (e *itemExpr) eval(m *machine) (any, error) {
	v, err := m.eval(e.e)
	if err != nil {
		return nil, err
	}
	if s, ok := e.key.(*sliceExpr); ok {
		return s.apply(m, v)
	}
	k, err := m.eval(e.key)
	if err != nil {
		return nil, err
	}
	return m.item(v, k)
}

func (m *machine) item(v, k any) (any, error) {
	switch x := v.(type) {
	case *undefined:
		return nil, errors.New(x.reason())
	case *Dict:
		if val, ok := x.Get(k); ok {
			return val, nil
		}
	case *namespace:
		if val, ok := x.d.Get(k); ok {
			return val, nil
		}
	default:
		if s, ok := text(v); ok {
			if err := m.scan(len(s)); err != nil {
				return nil, err
			}
		}
		if n, ok := integer(k); ok {
			if val, ok := m.index(v, n); ok {
				return val, nil
			}
			return missing(v, k), nil
		}
	}
	if name, ok := text(k); ok && len(name) < maxWord {
		return m.attribute(v, name, name)
	}
	return missing(v, k), nil
}

// index is v[n] for sequences; negative n counts from the end.
func (m *machine) index(v any, n int64) (any, bool) {
	switch x := v.(type) {
	case string, markup:
		s, _ := text(v)
		i, ok := wrapIndex(n, utf8.RuneCountInString(s))
		if !ok {
			return nil, false
		}
		c := runeAt(s, i)
		if _, mark := v.(markup); mark {
			return markup(c), true
		}
		return c, true
	case *List:
		if i, ok := wrapIndex(n, len(x.items)); ok {
			return x.items[i], true
		}
	case *rangeVal:
		if i, ok := wrapIndex(n, x.len()); ok {
			return x.at(i), true
		}
	}
	return nil, false
}

func wrapIndex(n int64, length int) (int, bool) {
	if n < 0 {
		n += int64(length)
	}
	return int(n), n >= 0 && n < int64(length)
}

// runeAt is the i-th character of s.
func runeAt(s string, i int) string {
	if isASCII(s) {
		return s[i : i+1]
	}
	for at := range s {
		if i == 0 {
			_, n := utf8.DecodeRuneInString(s[at:])
			return s[at : at+n]
		}
		i--
	}
	return ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
