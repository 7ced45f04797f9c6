package chat

import (
	"errors"
	"fmt"
)

type forStmt struct {
	span
	target    target
	iter      expr
	test      expr
	scope     *scope
	loopSlot  int
	body      []stmt
	elseScope *scope
	orElse    []stmt
	fn        *function // set when the loop is recursive
}

func (s *forStmt) exec(m *machine) (ctrl, error) {
	v, err := m.eval(s.iter)
	if err != nil {
		return 0, err
	}
	return 0, s.loop(m, v, 0)
}

// loop runs the body over v. depth0 counts recursive calls.
func (s *forStmt) loop(m *machine, v any, depth0 int) error {
	if err := m.enter(); err != nil {
		return m.t.fail(s.span, err)
	}
	defer m.leave()
	items, err := m.iterate(v)
	if err != nil {
		return m.t.fail(s.iter.at(), err)
	}
	if s.fn != nil {
		outer := m.frame
		m.frame = newFrame(s.fn, outer)
		defer func() { m.frame = outer }()
	}
	if s.test != nil {
		if items, err = s.filter(m, items); err != nil {
			return err
		}
	}
	l := &loopVal{stmt: s, items: items, depth0: depth0}
	l.frame = m.frame
	if s.fn != nil {
		l.frame = m.frame.up
	}
	for i, item := range items {
		if m.steps--; m.steps < 0 {
			return m.t.fail(s.span, m.step(0))
		}
		l.index0 = i
		m.frame.clear(s.scope)
		m.frame.slots[s.loopSlot] = l
		if err := m.assign(&s.target, item); err != nil {
			return err
		}
		c, err := m.run(s.body)
		if err != nil {
			return err
		}
		if c == ctrlBreak {
			break
		}
	}
	if len(items) == 0 && s.elseScope != nil {
		if s.fn != nil {
			m.frame = m.frame.up
		}
		m.frame.clear(s.elseScope)
		_, err = m.run(s.orElse)
	}
	return err
}

func (s *forStmt) filter(m *machine, items []any) ([]any, error) {
	var kept []any
	for _, item := range items {
		m.frame.clear(s.scope)
		if err := m.assign(&s.target, item); err != nil {
			return nil, err
		}
		v, err := m.eval(s.test)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			kept = append(kept, item)
		}
	}
	return kept, m.elems(len(kept))
}

// loopVal is the variable loop.
type loopVal struct {
	stmt    *forStmt
	frame   *frame // of the code around the loop
	items   []any
	index0  int
	depth0  int
	changed []any // the last arguments of loop.changed; nil before the first call
}

func (l *loopVal) attr(name string) (any, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.index0 + 1), true
	case "index0":
		return int64(l.index0), true
	case "revindex":
		return int64(n - l.index0), true
	case "revindex0":
		return int64(n - l.index0 - 1), true
	case "first":
		return l.index0 == 0, true
	case "last":
		return l.index0 == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth0 + 1), true
	case "depth0":
		return int64(l.depth0), true
	case "previtem":
		if l.index0 == 0 {
			return &undefined{hint: "there is no previous item"}, true
		}
		return l.items[l.index0-1], true
	case "nextitem":
		if l.index0 >= n-1 {
			return &undefined{hint: "there is no next item"}, true
		}
		return l.items[l.index0+1], true
	case "cycle":
		return builtin{"loop.cycle", l.cycle}, true
	case "changed":
		return builtin{"loop.changed", l.hasChanged}, true
	}
	return nil, false
}

func (l *loopVal) cycle(_ *machine, a *args) (any, error) {
	if len(a.pos) == 0 {
		return nil, errors.New("no items for cycling given")
	}
	return a.pos[l.index0%len(a.pos)], nil
}

func (l *loopVal) hasChanged(m *machine, a *args) (any, error) {
	if l.changed != nil && len(l.changed) == len(a.pos) {
		same, err := m.equal(tuple(l.changed...), tuple(a.pos...))
		if err != nil || same {
			return false, err
		}
	}
	l.changed = append([]any{}, a.pos...)
	return true, nil
}

func (l *loopVal) label() string { return "loop" }

// call is loop(children) of a recursive loop: it returns what the body prints.
func (l *loopVal) call(m *machine, a *args) (any, error) {
	if l.stmt.fn == nil {
		return nil, errors.New("loop called but the loop is not marked recursive")
	}
	if len(a.pos) != 1 || len(a.kw) > 0 {
		return nil, fmt.Errorf("loop takes 1 argument, got %d", len(a.pos)+len(a.kw))
	}
	saved := m.frame
	m.frame = l.frame
	start := len(m.out)
	err := l.stmt.loop(m, a.pos[0], l.depth0+1)
	m.frame = saved
	if err != nil {
		return nil, err
	}
	s := string(m.out[start:])
	m.out = m.out[:start]
	return s, m.grow(int64(len(s)))
}

// iterate returns the elements of v. The slice belongs to v: it is read only.
func (m *machine) iterate(v any) ([]any, error) {
	switch x := v.(type) {
	case *List:
		items := x.items
		if x.kind == kindGenerator && m.t.dialect == Python {
			x.items = nil
		}
		return items[:len(items):len(items)], m.step(1)
	case *Dict:
		return x.Keys(), m.elems(x.Len())
	case *view:
		return m.viewItems(x)
	case *undefined:
		return nil, nil
	case string, markup:
		s, _ := text(v)
		if err := m.elems(len(s)); err != nil {
			return nil, err
		}
		out := make([]any, 0, len(s))
		for i := 0; i < len(s); {
			n := runeLen(s[i:])
			out = append(out, s[i:i+n])
			i += n
		}
		return out, nil
	case *rangeVal:
		n := x.len()
		if err := m.elems(n); err != nil {
			return nil, err
		}
		out := make([]any, n)
		for i := range out {
			out[i] = x.at(i)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%q object is not iterable", typeName(v))
}

func (m *machine) viewItems(v *view) ([]any, error) {
	if err := m.elems(3 * v.d.Len()); err != nil {
		return nil, err
	}
	out := make([]any, v.d.Len())
	for i, e := range v.d.entries {
		switch v.kind {
		case 'k':
			out[i] = e.key
		case 'v':
			out[i] = e.val
		default:
			out[i] = tuple(e.key, e.val)
		}
	}
	return out, nil
}
