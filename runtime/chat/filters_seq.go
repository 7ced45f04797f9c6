package chat

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"
)

// length is Python's len(v), for generators too.
func (m *machine) length(v any) (int, error) {
	switch x := v.(type) {
	case string, markup:
		s, _ := text(v)
		return utf8.RuneCountInString(s), m.scan(len(s))
	case *List:
		return len(x.items), nil
	case *Dict:
		return x.Len(), nil
	case *view:
		return x.d.Len(), nil
	case *rangeVal:
		return x.len(), nil
	case *undefined:
		return 0, nil
	case *loopVal:
		return len(x.items), nil
	}
	return 0, fmt.Errorf("object of type %q has no len()", typeName(v))
}

// getter makes a function that reads an attribute by its dotted path ("a.b.0"
// or an integer), the identity if attr is unset. When fallback is not nil it
// replaces what is undefined.
func (m *machine) getter(attr any, fallback *any) (func(any) (any, error), error) {
	if attr == unset || attr == nil {
		return func(v any) (any, error) { return v, nil }, nil
	}
	var path []any
	if n, ok := integer(attr); ok {
		path = []any{n}
	} else {
		s, ok := text(attr)
		if !ok {
			return nil, fmt.Errorf("attribute must be a string or an integer, not %s", typeName(attr))
		}
		if len(s) > maxWord {
			return nil, fmt.Errorf("attribute path of %d bytes: %w", len(s), ErrLimit)
		}
		for _, part := range strings.Split(s, ".") {
			if n, ok := toInt(part, 10); ok && digits(part, isDigitOrUnderscore) == len(part) {
				path = append(path, n)
			} else {
				path = append(path, part)
			}
		}
	}
	return func(v any) (any, error) {
		for _, key := range path {
			if err := m.step(1); err != nil {
				return nil, err
			}
			var err error
			if v, err = m.item(v, key); err != nil {
				return nil, err
			}
			if _, undef := v.(*undefined); undef && fallback != nil {
				v = *fallback
			}
		}
		return v, nil
	}, nil
}

// foldCase makes strings compare without case unless sensitive is true.
func foldCase(v, sensitive any) any {
	if s, ok := text(v); ok && (sensitive == unset || !truth(sensitive)) {
		return strings.ToLower(s)
	}
	return v
}

type keyed struct {
	key, v any
}

// keysOf pairs every item with what it is sorted by.
func (m *machine) keysOf(items []any, attr, sensitive any) ([]keyed, error) {
	get, err := m.getter(attr, nil)
	if err != nil {
		return nil, err
	}
	if err := m.elems(3 * len(items)); err != nil {
		return nil, err
	}
	out := make([]keyed, len(items))
	for i, v := range items {
		k, err := get(v)
		if err != nil {
			return nil, err
		}
		if s, ok := text(k); ok {
			if err := m.grow(int64(len(s))); err != nil {
				return nil, err
			}
		}
		out[i] = keyed{foldCase(k, sensitive), v}
	}
	return out, nil
}

// sortKeyed sorts in place, stable; reverse keeps the order of equal ones.
func (m *machine) sortKeyed(items []keyed, reverse bool) error {
	var failed error
	less := func(a, b keyed) bool {
		if failed != nil {
			return false
		}
		if m.t.dialect == HuggingFaceJS && a.key == nil && b.key == nil {
			return false
		}
		if _, u := a.key.(*undefined); u && m.t.dialect == HuggingFaceJS {
			return false
		}
		c, err := m.order(a.key, b.key)
		failed = err
		return c < 0
	}
	sort.SliceStable(items, func(i, j int) bool {
		if reverse {
			return less(items[j], items[i])
		}
		return less(items[i], items[j])
	})
	return failed
}

func values(items []keyed) []any {
	out := make([]any, len(items))
	for i, k := range items {
		out[i] = k.v
	}
	return out
}

func filterSort(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "reverse", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	if s, ok := text(p[2]); ok && strings.Contains(s, ",") {
		return nil, errors.New("sorting by several attributes is not supported")
	}
	ks, err := m.keysOf(items, p[2], p[1])
	if err != nil {
		return nil, err
	}
	if err := m.sortKeyed(ks, p[0] != unset && truth(p[0])); err != nil {
		return nil, err
	}
	return NewList(values(ks)...), nil
}

func filterDictSort(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "case_sensitive", "by", "reverse")
	if err != nil {
		return nil, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, fmt.Errorf("a mapping is required, not %s", typeName(v))
	}
	pos := int64(0)
	if p[1] != unset {
		switch by, _ := text(p[1]); by {
		case "key":
		case "value":
			pos = 1
		default:
			return nil, errors.New(`you can only sort by either "key" or "value"`)
		}
	}
	items, err := m.viewItems(&view{d, 'i'})
	if err != nil {
		return nil, err
	}
	ks, err := m.keysOf(items, pos, p[0])
	if err != nil {
		return nil, err
	}
	if err := m.sortKeyed(ks, p[2] != unset && truth(p[2])); err != nil {
		return nil, err
	}
	return NewList(values(ks)...), nil
}

// extreme is max (sign 1) or min (sign -1).
func extreme(sign int) filterFunc {
	return func(m *machine, v any, a *args) (any, error) {
		p, err := a.bind(0, "case_sensitive", "attribute")
		if err != nil {
			return nil, err
		}
		items, err := m.iterate(v)
		if err != nil {
			return nil, err
		}
		ks, err := m.keysOf(items, p[1], p[0])
		if err != nil {
			return nil, err
		}
		if len(ks) == 0 {
			return &undefined{hint: "no aggregated item, sequence was empty"}, nil
		}
		best := ks[0]
		for _, k := range ks[1:] {
			c, err := m.order(k.key, best.key)
			if err != nil {
				return nil, err
			}
			if c*sign > 0 {
				best = k
			}
		}
		return best.v, nil
	}
}

func filterUnique(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	ks, err := m.keysOf(items, p[1], p[0])
	if err != nil {
		return nil, err
	}
	seen := map[any]bool{}
	var out []any
	for _, k := range ks {
		h, err := hashKey(k.key)
		if err != nil {
			return nil, err
		}
		if !seen[h] {
			seen[h] = true
			out = append(out, k.v)
		}
	}
	return m.lazy(out), m.elems(4 * len(items))
}

func filterGroupBy(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(1, "attribute", "default", "case_sensitive")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	var fallback *any
	if p[1] != unset && p[1] != nil {
		fallback = &p[1]
	}
	get, err := m.getter(p[0], fallback)
	if err != nil {
		return nil, err
	}
	if err := m.elems(8 * len(items)); err != nil {
		return nil, err
	}
	ks := make([]keyed, len(items))
	for i, x := range items {
		k, err := get(x)
		if err != nil {
			return nil, err
		}
		ks[i] = keyed{foldCase(k, p[2]), tuple(k, x)}
	}
	if err := m.sortKeyed(ks, false); err != nil {
		return nil, err
	}
	var out []any
	for i := 0; i < len(ks); {
		first := ks[i].v.(*List).items[0]
		group := NewList()
		j := i
		for ; j < len(ks); j++ {
			same, err := m.equal(ks[j].key, ks[i].key)
			if err != nil {
				return nil, err
			}
			if !same {
				break
			}
			group.Append(ks[j].v.(*List).items[1])
		}
		g := tuple(first, group)
		g.group = true
		out = append(out, g)
		i = j
	}
	return NewList(out...), nil
}

func filterBatch(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(1, "linecount", "fill_with")
	if err != nil {
		return nil, err
	}
	n, ok := integer(p[0])
	if !ok || n < 1 {
		return nil, errors.New("linecount must be a positive integer")
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := m.elems(2 * len(items)); err != nil {
		return nil, err
	}
	var out []any
	for len(items) > 0 {
		k := int(min(n, int64(len(items))))
		row := append([]any{}, items[:k]...)
		items = items[k:]
		if p[1] != unset && p[1] != nil {
			for int64(len(row)) < n {
				if err := m.elems(2); err != nil {
					return nil, err
				}
				row = append(row, p[1])
			}
		}
		out = append(out, NewList(row...))
	}
	return m.lazy(out), nil
}

func filterSlice(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(1, "slices", "fill_with")
	if err != nil {
		return nil, err
	}
	n, ok := integer(p[0])
	if !ok || n < 1 || n > maxRange {
		return nil, fmt.Errorf("slices must be an integer from 1 to %d", maxRange)
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := m.elems(2*len(items) + 4*int(n)); err != nil {
		return nil, err
	}
	per, longer := len(items)/int(n), len(items)%int(n)
	var out []any
	for i := range int(n) {
		k := per
		if i < longer {
			k++
		}
		col := append([]any{}, items[:k]...)
		items = items[k:]
		if p[1] != unset && p[1] != nil && i >= longer && longer > 0 {
			col = append(col, p[1])
		}
		out = append(out, NewList(col...))
	}
	return m.lazy(out), nil
}
