package chat

import (
	"errors"
	"fmt"
)

type param struct {
	name string
	slot int
	def  expr
}

// macroDef is the static part of a macro or call block. The slots of caller,
// varargs and kwargs are -1 where the body does not mention them.
type macroDef struct {
	span
	name   string
	fn     function
	scope  *scope
	params []param
	body   []stmt

	caller, varargs, kwargs int
}

// macro is a macroDef with the variables around its definition.
type macro struct {
	def *macroDef
	env *frame
}

func (f *macro) label() string { return f.def.name }

func (f *macro) call(m *machine, a *args) (any, error) {
	saved := m.frame
	m.frame = newFrame(&f.def.fn, f.env)
	defer func() { m.frame = saved }()
	if err := m.elems(f.def.fn.slots); err != nil {
		return nil, err
	}
	if err := f.bind(m, a); err != nil {
		var placed *Error
		if errors.As(err, &placed) { // a default's own error
			return nil, err
		}
		return nil, fmt.Errorf("macro %q: %w", f.def.name, err)
	}
	s, _, err := m.capture(f.def.body)
	return s, err
}

func (f *macro) bind(m *machine, a *args) error {
	d, slots := f.def, m.frame.slots
	if d.caller >= 0 {
		slots[d.caller] = &undefined{hint: "no caller defined"}
	}
	if c, given := a.named("caller"); given {
		if d.caller < 0 {
			return fmt.Errorf("takes no caller")
		}
		slots[d.caller] = c
	}
	for i, p := range d.params {
		v, given := a.named(p.name)
		if i < len(a.pos) {
			if given {
				return fmt.Errorf("argument %q is given twice", p.name)
			}
			v, given = a.pos[i], true
		}
		if given {
			slots[p.slot] = v
		}
	}
	if err := f.rest(m, a); err != nil {
		return err
	}
	for _, p := range d.params {
		if slots[p.slot] != unset {
			continue
		}
		if p.def == nil {
			slots[p.slot] = &undefined{hint: fmt.Sprintf("parameter %q was not provided", p.name)}
			continue
		}
		v, err := m.eval(p.def)
		if err != nil {
			return err
		}
		slots[p.slot] = v
	}
	return nil
}

// rest stores the arguments that no parameter takes.
func (f *macro) rest(m *machine, a *args) error {
	d, slots := f.def, m.frame.slots
	extra := a.pos[min(len(d.params), len(a.pos)):]
	switch {
	case d.varargs >= 0:
		slots[d.varargs] = tuple(extra...)
	case len(extra) > 0:
		return fmt.Errorf("takes at most %d arguments, got %d", len(d.params), len(a.pos))
	}
	switch {
	case d.kwargs >= 0:
		kw := NewDict()
		for _, k := range a.kw {
			if err := kw.Set(k.name, k.v); err != nil {
				return err
			}
		}
		slots[d.kwargs] = kw
	case len(a.kw) > 0:
		return fmt.Errorf("takes no argument %q", a.kw[0].name)
	}
	return nil
}

type macroStmt struct {
	slot int
	def  *macroDef
}

func (s *macroStmt) exec(m *machine) (ctrl, error) {
	m.frame.slots[s.slot] = &macro{s.def, m.frame}
	return 0, nil
}

// callStmt is {% call f(…) %}body{% endcall %}: f gets the body as caller.
type callStmt struct {
	span
	def  *macroDef
	call *callExpr
}

func (s *callStmt) exec(m *machine) (ctrl, error) {
	v, err := s.call.evalWith(m, &macro{s.def, m.frame})
	if err == nil {
		m.out, err = m.appendStr(m.out, v)
	}
	if err == nil {
		err = m.write("")
	}
	return 0, m.t.fail(s.span, err)
}
