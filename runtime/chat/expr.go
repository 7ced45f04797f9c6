package chat

import (
	"errors"
	"fmt"
)

// expr is a node that has a value.
type expr interface {
	eval(m *machine) (any, error)
	at() span
}

func (s span) at() span { return s }

type constExpr struct {
	span
	v any
}

func (e *constExpr) eval(*machine) (any, error) { return e.v, nil }

type nameExpr struct {
	span
	name  string
	scope *scope
	refs  []ref
}

func (e *nameExpr) eval(m *machine) (any, error) { return m.lookup(e), nil }

// blockExpr is the text of the enclosing filter or set block.
type blockExpr struct{ span }

var blockText expr = &blockExpr{span{lo: -1}}

func (*blockExpr) eval(m *machine) (any, error) { return m.block, nil }

type listExpr struct {
	span
	items []expr
	kind  listKind
}

func (e *listExpr) eval(m *machine) (any, error) {
	if err := m.elems(len(e.items)); err != nil {
		return nil, err
	}
	out := make([]any, len(e.items))
	for i, x := range e.items {
		v, err := m.eval(x)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return &List{items: out, kind: e.kind}, nil
}

type dictExpr struct {
	span
	keys, vals []expr
}

func (e *dictExpr) eval(m *machine) (any, error) {
	if err := m.elems(4 * len(e.keys)); err != nil {
		return nil, err
	}
	d := NewDict()
	for i := range e.keys {
		k, err := m.eval(e.keys[i])
		if err != nil {
			return nil, err
		}
		v, err := m.eval(e.vals[i])
		if err != nil {
			return nil, err
		}
		if err := d.Set(k, v); err != nil {
			return nil, err
		}
	}
	return d, nil
}

type condExpr struct {
	span
	test, then, orElse expr
}

func (e *condExpr) eval(m *machine) (any, error) {
	v, err := m.eval(e.test)
	if err != nil {
		return nil, err
	}
	switch {
	case truth(v):
		return m.eval(e.then)
	case e.orElse != nil:
		return m.eval(e.orElse)
	}
	return &undefined{hint: "the inline if-expression evaluated to false and no else section was defined"}, nil
}

type andExpr struct {
	span
	a, b expr
}

func (e *andExpr) eval(m *machine) (any, error) {
	v, err := m.eval(e.a)
	if err != nil || !truth(v) {
		return v, err
	}
	return m.eval(e.b)
}

type orExpr struct {
	span
	a, b expr
}

func (e *orExpr) eval(m *machine) (any, error) {
	v, err := m.eval(e.a)
	if err != nil || truth(v) {
		return v, err
	}
	return m.eval(e.b)
}

type notExpr struct {
	span
	e expr
}

func (e *notExpr) eval(m *machine) (any, error) {
	v, err := m.eval(e.e)
	return !truth(v), err
}

type signExpr struct {
	span
	neg bool
	e   expr
}

func (e *signExpr) eval(m *machine) (any, error) {
	v, err := m.eval(e.e)
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*undefined); ok {
		return nil, errors.New(u.reason())
	}
	if n, ok := integer(v); ok {
		if e.neg {
			return intOp(tokSub, 0, n)
		}
		return n, nil
	}
	f, ok := v.(float64)
	if !ok {
		return nil, fmt.Errorf("bad operand type for unary sign: %q", typeName(v))
	}
	if e.neg {
		f = -f
	}
	return f, nil
}

type binaryExpr struct {
	span
	op   tokenKind
	a, b expr
}

func (e *binaryExpr) eval(m *machine) (any, error) {
	a, err := m.eval(e.a)
	if err != nil {
		return nil, err
	}
	b, err := m.eval(e.b)
	if err != nil {
		return nil, err
	}
	return m.binary(e.op, a, b)
}

type concatExpr struct {
	span
	parts []expr
}

func (e *concatExpr) eval(m *machine) (any, error) {
	var out []byte
	for _, x := range e.parts {
		v, err := m.eval(x)
		if err != nil {
			return nil, err
		}
		n := len(out)
		if out, err = m.appendStr(out, v); err != nil {
			return nil, err
		}
		if err := m.grow(int64(len(out) - n)); err != nil {
			return nil, err
		}
	}
	return string(out), nil
}

const (
	opIn tokenKind = 200 + iota
	opNotIn
)

type compareOp struct {
	kind tokenKind
	b    expr
}

type compareExpr struct {
	span
	a   expr
	ops []compareOp
}

func (e *compareExpr) eval(m *machine) (any, error) {
	a, err := m.eval(e.a)
	if err != nil {
		return nil, err
	}
	for _, op := range e.ops {
		b, err := m.eval(op.b)
		if err != nil {
			return nil, err
		}
		ok, err := m.compare(op.kind, a, b)
		if err != nil || !ok {
			return false, err
		}
		a = b
	}
	return true, nil
}

func (m *machine) compare(op tokenKind, a, b any) (bool, error) {
	switch op {
	case tokEq:
		return m.equal(a, b)
	case tokNe:
		ok, err := m.equal(a, b)
		return !ok, err
	case opIn:
		return m.contains(b, a)
	case opNotIn:
		ok, err := m.contains(b, a)
		return !ok, err
	}
	if isNaN(a) || isNaN(b) {
		return false, nil
	}
	c, err := m.order(a, b)
	if err != nil {
		return false, err
	}
	switch op {
	case tokLt:
		return c < 0, nil
	case tokLe:
		return c <= 0, nil
	case tokGt:
		return c > 0, nil
	}
	return c >= 0, nil
}

func isNaN(v any) bool {
	f, ok := v.(float64)
	return ok && f != f
}
