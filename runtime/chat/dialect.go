package chat

import (
	"strconv"
)

// Dialect chooses between the two implementations that templates are tested
// with. They differ in what Python and JavaScript themselves do differently.
type Dialect uint8

const (
	// Python is jinja2 as transformers configures it, and the default.
	Python Dialect = iota
	// HuggingFaceJS is the JavaScript package @huggingface/jinja. It prints
	// true, false, null and lists as JSON, joins anything to a string with +,
	// knows the name null, and `in` tells 1 from true.
	HuggingFaceJS
)

// appendJS prints v: nothing for none, JSON for lists and dicts.
func (m *machine) appendJS(b []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case nil, *undefined:
		return b, nil
	case bool:
		return strconv.AppendBool(b, x), nil
	case string:
		return append(b, x...), nil
	case markup:
		return append(b, x...), nil
	case *List, *Dict:
		return m.appendJSValue(b, v)
	}
	return m.appendRepr(b, v)
}

// appendJSValue prints a value inside a list or dict.
func (m *machine) appendJSValue(b []byte, v any) ([]byte, error) {
	w := jsonWriter{m: m, comma: ", ", colon: ": "}
	l, ok := v.(*List)
	if !ok {
		if _, ok := v.(*undefined); ok {
			return append(b, "undefined"...), nil
		}
		return w.value(b, v, 0)
	}
	if err := m.enter(); err != nil {
		return b, err
	}
	defer m.leave()
	b = append(b, '[')
	var err error
	for i, x := range l.items {
		if i > 0 {
			b = append(b, ", "...)
		}
		if err := m.step(1); err != nil {
			return b, err
		}
		if b, err = m.appendJSValue(b, x); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// concatJS is + where one side is a string: both are printed.
func (m *machine) concatJS(a, b any) (any, bool, error) {
	_, okA := text(a)
	_, okB := text(b)
	if !okA && !okB {
		return nil, false, nil
	}
	s, err := m.str(a)
	if err != nil {
		return nil, false, err
	}
	t, err := m.str(b)
	return s + t, true, err
}

// sameItem compares an element for the operator in.
func (m *machine) sameItem(a, b any) (bool, error) {
	if m.t.dialect == HuggingFaceJS {
		_, boolA := a.(bool)
		_, boolB := b.(bool)
		if boolA != boolB {
			return false, nil
		}
	}
	return m.equal(a, b)
}
