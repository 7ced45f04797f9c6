package chat

import (
	"errors"
	"fmt"
	"strings"
)

// builtin is a function of the interpreter.
type builtin struct {
	name string
	f    func(m *machine, a *args) (any, error)
}

func (b builtin) call(m *machine, a *args) (any, error) {
	v, err := b.f(m, a)
	if err != nil {
		var raised *RaiseError
		if errors.As(err, &raised) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", b.name, err)
	}
	return v, nil
}

func (b builtin) label() string { return b.name }

// globals are the names that every template sees unless it or the context
// defines them.
var globals = map[string]any{
	"range":           builtin{"range", makeRange},
	"dict":            &dictFunc{},
	"namespace":       builtin{"namespace", makeNamespace},
	"cycler":          builtin{"cycler", makeCycler},
	"joiner":          builtin{"joiner", makeJoiner},
	"raise_exception": builtin{"raise_exception", raiseException},
	"strftime_now":    builtin{"strftime_now", strftimeNow},
}

func raiseException(m *machine, a *args) (any, error) {
	v, err := a.bind(1, "message")
	if err != nil {
		return nil, err
	}
	s, err := m.str(v[0])
	if err != nil {
		return nil, err
	}
	return nil, &RaiseError{Message: s}
}

func strftimeNow(m *machine, a *args) (any, error) {
	v, err := a.bind(1, "format")
	if err != nil {
		return nil, err
	}
	s, ok := text(v[0])
	if !ok {
		return nil, fmt.Errorf("format must be a string, not %s", typeName(v[0]))
	}
	out := strftime(m.now(), s)
	return out, m.grow(int64(len(out)))
}

// dictFunc is the global dict: callable, with fromkeys.
type dictFunc struct{}

func (*dictFunc) label() string { return "dict" }

func (*dictFunc) call(m *machine, a *args) (any, error) {
	d := NewDict()
	return d, m.updateDict(d, a)
}

// updateDict adds the arguments of dict(…) or d.update(…) to d.
func (m *machine) updateDict(d *Dict, a *args) error {
	if len(a.pos) > 1 {
		return fmt.Errorf("expected at most 1 argument, got %d", len(a.pos))
	}
	if len(a.pos) == 1 {
		if err := m.addPairs(d, a.pos[0]); err != nil {
			return err
		}
	}
	for _, k := range a.kw {
		if err := d.Set(k.name, k.v); err != nil {
			return err
		}
	}
	return m.elems(4 * len(a.kw))
}

func (m *machine) addPairs(d *Dict, v any) error {
	if ns, ok := v.(*namespace); ok {
		v = ns.d
	}
	if src, ok := v.(*Dict); ok {
		if err := m.elems(4 * src.Len()); err != nil {
			return err
		}
		for _, e := range src.entries {
			if err := d.Set(e.key, e.val); err != nil {
				return err
			}
		}
		return nil
	}
	items, err := m.iterate(v)
	if err != nil {
		return err
	}
	if err := m.elems(4 * len(items)); err != nil {
		return err
	}
	for i, item := range items {
		pair, err := m.iterate(item)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("element %d has length %d, 2 is required", i, len(pair))
		}
		if err := d.Set(pair[0], pair[1]); err != nil {
			return err
		}
	}
	return nil
}

func fromKeys(m *machine, a *args) (any, error) {
	v, err := a.bind(1, "iterable", "value")
	if err != nil {
		return nil, err
	}
	keys, err := m.iterate(v[0])
	if err != nil {
		return nil, err
	}
	val := v[1]
	if val == unset {
		val = nil
	}
	d := NewDict()
	for _, k := range keys {
		if err := d.Set(k, val); err != nil {
			return nil, err
		}
	}
	return d, m.elems(4 * len(keys))
}

func makeNamespace(m *machine, a *args) (any, error) {
	ns := &namespace{d: NewDict()}
	if err := m.updateDict(ns.d, a); err != nil {
		return nil, err
	}
	for _, e := range ns.d.entries {
		if s, ok := text(e.key); ok && strings.HasPrefix(s, "_") {
			return nil, fmt.Errorf("attribute %q begins with an underscore", s)
		}
	}
	return ns, nil
}

// cycler walks through its items for ever.
type cycler struct {
	items []any
	pos   int
}

func makeCycler(_ *machine, a *args) (any, error) {
	if len(a.pos) == 0 || len(a.kw) > 0 {
		return nil, errors.New("at least one item has to be provided")
	}
	return &cycler{items: append([]any{}, a.pos...)}, nil
}

func (c *cycler) attr(name string) (any, bool) {
	switch name {
	case "current":
		return c.items[c.pos], true
	case "next":
		return builtin{"cycler.next", func(*machine, *args) (any, error) {
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v, nil
		}}, true
	case "reset":
		return builtin{"cycler.reset", func(*machine, *args) (any, error) { c.pos = 0; return nil, nil }}, true
	}
	return nil, false
}

// makeJoiner returns a function that gives "" once, then the separator.
func makeJoiner(_ *machine, a *args) (any, error) {
	v, err := a.bind(0, "sep")
	if err != nil {
		return nil, err
	}
	sep, used := v[0], false
	if sep == unset {
		sep = ", "
	}
	return builtin{"joiner", func(*machine, *args) (any, error) {
		if !used {
			used = true
			return "", nil
		}
		return sep, nil
	}}, nil
}

// method is a function bound to a value.
type method struct {
	name string
	recv any
	f    methodFunc
}

type methodFunc func(m *machine, recv any, a *args) (any, error)

func (f *method) label() string { return f.name }

func (f *method) call(m *machine, a *args) (any, error) {
	v, err := f.f(m, f.recv, a)
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", typeName(f.recv), f.name, err)
	}
	return v, nil
}

// goFunc is a Func from the context.
type goFunc struct{ f Func }

func (f goFunc) label() string { return "function" }

func (f goFunc) call(m *machine, a *args) (any, error) {
	var kw *Dict
	if len(a.kw) > 0 {
		kw = NewDict()
		for _, k := range a.kw {
			if err := kw.Set(k.name, k.v); err != nil {
				return nil, err
			}
		}
	}
	v, err := f.f(a.pos, kw)
	if err != nil {
		return nil, err
	}
	c := converter{}
	v, err = c.value(v)
	if err != nil {
		return nil, err
	}
	return v, m.grow(c.size)
}
