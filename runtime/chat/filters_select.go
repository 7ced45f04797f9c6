package chat

import (
	"errors"
	"fmt"
)

// iterateTrue is iterate, but whatever is false has no elements: these filters
// take None for an empty list.
func (m *machine) iterateTrue(v any) ([]any, error) {
	if !truth(v) {
		return nil, nil
	}
	return m.iterate(v)
}

// filterMap is map('filter', args…) or map(attribute='path', default=x).
func filterMap(m *machine, v any, a *args) (any, error) {
	items, err := m.iterateTrue(v)
	if err != nil {
		return nil, err
	}
	apply, err := m.mapper(a)
	if err != nil {
		return nil, err
	}
	if err := m.elems(len(items)); err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, x := range items {
		if out[i], err = apply(x); err != nil {
			return nil, err
		}
	}
	return m.lazy(out), nil
}

func (m *machine) mapper(a *args) (func(any) (any, error), error) {
	if len(a.pos) == 0 {
		attr, ok := a.named("attribute")
		if !ok {
			return nil, errors.New("requires a filter argument")
		}
		var fallback *any
		if d, ok := a.named("default"); ok {
			fallback = &d
		}
		if err := noArgs(a); err != nil {
			return nil, err
		}
		return m.getter(attr, fallback)
	}
	name, _ := text(a.pos[0])
	var f filterFunc
	if len(name) <= maxWord {
		f = m.filters[name]
	}
	if f == nil {
		return nil, fmt.Errorf("no filter named %.60q", name)
	}
	return func(v any) (any, error) {
		if err := m.enter(); err != nil {
			return nil, err
		}
		defer m.leave()
		return f(m, v, a.tail(1))
	}, nil
}

// tail is a copy of the arguments without the first n.
func (a *args) tail(n int) *args {
	return &args{pos: a.pos[n:len(a.pos):len(a.pos)], kw: append([]namedArg{}, a.kw...)}
}

// selector is select, reject (on the item) and selectattr, rejectattr (on an
// attribute); without a test the value's truth decides.
func selector(keep, byAttr bool) filterFunc {
	return func(m *machine, v any, a *args) (any, error) {
		items, err := m.iterateTrue(v)
		if err != nil {
			return nil, err
		}
		get, n := func(x any) (any, error) { return x, nil }, 0
		if byAttr {
			if len(a.pos) == 0 {
				return nil, errors.New("missing the name of the attribute")
			}
			if get, err = m.getter(a.pos[0], nil); err != nil {
				return nil, err
			}
			n = 1
		}
		var test testFunc
		if len(a.pos) > n {
			name, _ := text(a.pos[n])
			if len(name) <= maxWord {
				test = m.tests[name]
			}
			if test == nil {
				return nil, fmt.Errorf("no test named %.60q", name)
			}
			n++
		}
		var out []any
		for _, x := range items {
			if err := m.step(1); err != nil {
				return nil, err
			}
			val, err := get(x)
			if err != nil {
				return nil, err
			}
			ok := truth(val)
			if test != nil {
				if ok, err = test(m, val, a.tail(n)); err != nil {
					return nil, err
				}
			}
			if ok == keep {
				out = append(out, x)
			}
		}
		return m.lazy(out), m.elems(len(out))
	}
}
