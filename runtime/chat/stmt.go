package chat

import (
	"errors"
	"fmt"
	"strings"
)

// ctrl is how a statement ended.
type ctrl uint8

const (
	ctrlBreak ctrl = 1 + iota
	ctrlContinue
)

type stmt interface {
	exec(m *machine) (ctrl, error)
}

type dataStmt string

func (s dataStmt) exec(m *machine) (ctrl, error) { return 0, m.write(string(s)) }

type jumpStmt ctrl

func (s jumpStmt) exec(*machine) (ctrl, error) { return ctrl(s), nil }

type printStmt struct {
	span
	e expr
}

func (s *printStmt) exec(m *machine) (ctrl, error) {
	v, err := m.eval(s.e)
	if err != nil {
		return 0, err
	}
	if str, ok := v.(string); ok {
		err = m.write(str)
	} else {
		m.out, err = m.appendStr(m.out, v)
		if err == nil {
			err = m.write("")
		}
	}
	return 0, m.t.fail(s.span, err)
}

type branch struct {
	span
	test expr
	body []stmt
}

type ifStmt struct {
	branches []branch
	orElse   []stmt
}

func (s *ifStmt) exec(m *machine) (ctrl, error) {
	for i := range s.branches {
		b := &s.branches[i]
		v, err := m.eval(b.test)
		if err != nil {
			return 0, err
		}
		if truth(v) {
			return m.run(b.body)
		}
	}
	return m.run(s.orElse)
}

// target is what a value is assigned to: a slot, an attribute of a namespace,
// or parts that take the elements of a sequence.
type target struct {
	span
	slot  int
	ns    *nameExpr
	attr  string
	parts []target
}

func (m *machine) assign(t *target, v any) error {
	switch {
	case t.parts != nil:
		return m.t.fail(t.span, m.unpack(t, v))
	case t.ns != nil:
		return m.t.fail(t.span, m.setAttr(t, v))
	}
	m.frame.slots[t.slot] = v
	return nil
}

func (m *machine) unpack(t *target, v any) error {
	items, err := m.iterate(v)
	if err != nil {
		return err
	}
	if len(items) != len(t.parts) {
		return fmt.Errorf("cannot unpack %d values into %d names", len(items), len(t.parts))
	}
	for i := range t.parts {
		if err := m.assign(&t.parts[i], items[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) setAttr(t *target, v any) error {
	ns, ok := m.lookup(t.ns).(*namespace)
	if !ok {
		return errors.New("cannot assign an attribute on an object that is no namespace")
	}
	if strings.HasPrefix(t.attr, "_") {
		return fmt.Errorf("namespace attribute %q begins with an underscore", t.attr)
	}
	if err := m.elems(1); err != nil {
		return err
	}
	return ns.d.Set(t.attr, v)
}

type setStmt struct {
	span
	target target
	e      expr
}

func (s *setStmt) exec(m *machine) (ctrl, error) {
	v, err := m.eval(s.e)
	if err != nil {
		return 0, err
	}
	return 0, m.assign(&s.target, v)
}

// setBlock is {% set x %}…{% endset %}.
type setBlock struct {
	span
	target  target
	filters expr // nil or a chain on blockText
	scope   *scope
	body    []stmt
}

func (s *setBlock) exec(m *machine) (ctrl, error) {
	m.frame.clear(s.scope)
	text, c, err := m.capture(s.body)
	if err != nil || c != 0 {
		return c, err
	}
	v, err := m.filterText(s.filters, text)
	if err != nil {
		return 0, err
	}
	return 0, m.assign(&s.target, v)
}

// filterText runs a chain of filters on the text of a block.
func (m *machine) filterText(chain expr, text string) (any, error) {
	if chain == nil {
		return text, nil
	}
	saved := m.block
	m.block = text
	v, err := m.eval(chain)
	m.block = saved
	return v, err
}

// filterStmt is {% filter f %}…{% endfilter %}.
type filterStmt struct {
	span
	filters expr
	scope   *scope
	body    []stmt
}

func (s *filterStmt) exec(m *machine) (ctrl, error) {
	m.frame.clear(s.scope)
	text, c, err := m.capture(s.body)
	if err != nil || c != 0 {
		return c, err
	}
	v, err := m.filterText(s.filters, text)
	if err != nil {
		return 0, err
	}
	m.out, err = m.appendStr(m.out, v)
	if err == nil {
		err = m.write("")
	}
	return 0, m.t.fail(s.span, err)
}

type withStmt struct {
	span
	targets []target
	values  []expr
	scope   *scope
	body    []stmt
}

func (s *withStmt) exec(m *machine) (ctrl, error) {
	vals := make([]any, len(s.values))
	for i, e := range s.values {
		v, err := m.eval(e)
		if err != nil {
			return 0, err
		}
		vals[i] = v
	}
	m.frame.clear(s.scope)
	for i := range s.targets {
		if err := m.assign(&s.targets[i], vals[i]); err != nil {
			return 0, err
		}
	}
	return m.run(s.body)
}

// scopeStmt is a block whose settings do not leak: {% generation %}.
type scopeStmt struct {
	scope *scope
	body  []stmt
}

func (s *scopeStmt) exec(m *machine) (ctrl, error) {
	m.frame.clear(s.scope)
	return m.run(s.body)
}
