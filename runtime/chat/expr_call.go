package chat

import (
	"errors"
	"fmt"
)

// args are the evaluated arguments of a call.
type args struct {
	pos []any
	kw  []namedArg
}

type namedArg struct {
	name string
	v    any
}

// named removes and returns the keyword argument.
func (a *args) named(name string) (any, bool) {
	for i, k := range a.kw {
		if k.name == name {
			a.kw = append(a.kw[:i:i], a.kw[i+1:]...)
			return k.v, true
		}
	}
	return nil, false
}

// bind puts positional and keyword arguments into the order of names; missing
// ones are unset. Names after the first required ones are optional.
func (a *args) bind(required int, names ...string) ([]any, error) {
	if len(a.pos) > len(names) {
		return nil, fmt.Errorf("takes at most %d arguments, got %d", len(names), len(a.pos))
	}
	out := make([]any, len(names))
	for i, n := range names {
		out[i] = unset
		v, given := a.named(n)
		switch {
		case i < len(a.pos) && given:
			return nil, fmt.Errorf("argument %q is given twice", n)
		case i < len(a.pos):
			out[i] = a.pos[i]
		case given:
			out[i] = v
		case i < required:
			return nil, fmt.Errorf("argument %q is missing", n)
		}
	}
	if len(a.kw) > 0 {
		return nil, fmt.Errorf("unexpected argument %q", a.kw[0].name)
	}
	return out, nil
}

// argList is the source of a call's arguments.
type argList struct {
	pos            []expr
	names          []string
	named          []expr
	star, starStar expr
}

func (l *argList) eval(m *machine) (*args, error) {
	a := &args{}
	if n := len(l.pos); n > 0 {
		a.pos = make([]any, n)
		for i, e := range l.pos {
			v, err := m.eval(e)
			if err != nil {
				return nil, err
			}
			a.pos[i] = v
		}
	}
	for i, e := range l.named {
		v, err := m.eval(e)
		if err != nil {
			return nil, err
		}
		a.kw = append(a.kw, namedArg{l.names[i], v})
	}
	if l.star != nil || l.starStar != nil {
		return a, l.spread(m, a)
	}
	return a, nil
}

func (l *argList) spread(m *machine, a *args) error {
	if l.star != nil {
		v, err := m.eval(l.star)
		if err != nil {
			return err
		}
		items, err := m.iterate(v)
		if err != nil {
			return err
		}
		a.pos = append(a.pos, items...)
	}
	if l.starStar == nil {
		return nil
	}
	v, err := m.eval(l.starStar)
	if err != nil {
		return err
	}
	d, ok := v.(*Dict)
	if !ok {
		return fmt.Errorf("argument after ** must be a mapping, not %s", typeName(v))
	}
	for _, e := range d.entries {
		name, ok := text(e.key)
		if !ok {
			return errors.New("keywords must be strings")
		}
		if err := m.elems(4); err != nil {
			return err
		}
		a.kw = append(a.kw, namedArg{name, e.val})
	}
	return nil
}

type callExpr struct {
	span
	fn   expr
	args argList
}

func (e *callExpr) eval(m *machine) (any, error) { return e.evalWith(m, nil) }

// evalWith calls with an additional caller, for call blocks.
func (e *callExpr) evalWith(m *machine, caller *macro) (any, error) {
	fn, err := e.callee(m)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(m)
	if err != nil {
		return nil, err
	}
	if caller != nil {
		a.kw = append(a.kw, namedArg{"caller", caller})
	}
	return m.call(fn, a)
}

// callee evaluates what is called; a method of a value is found without
// making an object of it first.
func (e *callExpr) callee(m *machine) (any, error) {
	at, ok := e.fn.(*attrExpr)
	if !ok {
		return m.eval(e.fn)
	}
	v, err := m.eval(at.e)
	if err != nil {
		return nil, err
	}
	f, err := m.attribute(v, at.name, at.key)
	return f, m.t.fail(at.span, err)
}

func (m *machine) call(fn any, a *args) (any, error) {
	c, ok := fn.(callable)
	if !ok {
		if u, ok := fn.(*undefined); ok {
			return nil, errors.New(u.reason())
		}
		return nil, fmt.Errorf("%q object is not callable", typeName(fn))
	}
	if err := m.enter(); err != nil {
		return nil, err
	}
	v, err := c.call(m, a)
	m.leave()
	return v, err
}

type filterExpr struct {
	span
	e    expr
	name string
	fn   filterFunc
	args argList
}

func (e *filterExpr) eval(m *machine) (any, error) {
	if e.fn == nil {
		return nil, fmt.Errorf("no filter named %q", e.name)
	}
	v, err := m.eval(e.e)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(m)
	if err != nil {
		return nil, err
	}
	out, err := e.fn(m, v, a)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return out, nil
}

type testExpr struct {
	span
	e    expr
	name string
	not  bool
	fn   testFunc
	args argList
}

func (e *testExpr) eval(m *machine) (any, error) {
	if e.fn == nil {
		return nil, fmt.Errorf("no test named %q", e.name)
	}
	v, err := m.eval(e.e)
	if err != nil {
		return nil, err
	}
	a, err := e.args.eval(m)
	if err != nil {
		return nil, err
	}
	ok, err := e.fn(m, v, a)
	if err != nil {
		return nil, fmt.Errorf("is %s: %w", e.name, err)
	}
	return ok != e.not, nil
}
