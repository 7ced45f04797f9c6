package chat

import (
	"fmt"
	"math"
	"math/big"
	"strings"
)

// equal is Python's a == b.
func (m *machine) equal(a, b any) (bool, error) {
	if err := m.step(1); err != nil {
		return false, err
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case string, markup:
		s, _ := text(a)
		t, ok := text(b)
		if ok && len(s) == len(t) {
			return s == t, m.scan(len(s))
		}
		return false, nil
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	case bool, int64, float64, bigInt:
		c, ok := compareNumbers(a, b)
		return ok && c == 0, nil
	case *List:
		y, ok := b.(*List)
		if !ok || x.kind != y.kind || len(x.items) != len(y.items) {
			return false, nil
		}
		return x == y || m.equalItems(x.items, y.items), m.overrun()
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		return x == y || m.equalDicts(x, y), m.overrun()
	case *rangeVal:
		y, ok := b.(*rangeVal)
		return ok && x.len() == y.len() && (x.len() == 0 || x.start == y.start && (x.len() == 1 || x.step == y.step)), nil
	case *view:
		y, ok := b.(*view)
		return ok && *x == *y, nil
	}
	return a == b, nil
}

// overrun reports a limit that a helper without an error result ran into.
func (m *machine) overrun() error {
	err := m.pending
	m.pending = nil
	return err
}

func (m *machine) equalItems(x, y []any) bool {
	if m.pending = m.enter(); m.pending != nil {
		m.leave()
		return false
	}
	defer m.leave()
	for i := range x {
		ok, err := m.equal(x[i], y[i])
		if m.pending = err; err != nil || !ok {
			return false
		}
	}
	return true
}

func (m *machine) equalDicts(x, y *Dict) bool {
	if m.pending = m.enter(); m.pending != nil {
		m.leave()
		return false
	}
	defer m.leave()
	for _, e := range x.entries {
		v, ok := y.Get(e.key)
		if !ok {
			return false
		}
		ok, err := m.equal(e.val, v)
		if m.pending = err; err != nil || !ok {
			return false
		}
	}
	return true
}

// compareNumbers orders two numbers; ok is false when one is none or a NaN.
func compareNumbers(a, b any) (order int, ok bool) {
	x, aInt := integer(a)
	y, bInt := integer(b)
	if aInt && bInt {
		switch {
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	fa, okA := number(a)
	fb, okB := number(b)
	if !okA || !okB || math.IsNaN(fa) || math.IsNaN(fb) {
		return 0, false
	}
	if math.IsInf(fa, 0) || math.IsInf(fb, 0) {
		switch {
		case fa < fb:
			return -1, true
		case fa > fb:
			return 1, true
		}
		return 0, true
	}
	return exact(a, fa).Cmp(exact(b, fb)), true
}

// exact is v without the rounding that a float64 brings to large integers.
func exact(v any, f float64) *big.Rat {
	r := new(big.Rat)
	switch x := v.(type) {
	case int64:
		return r.SetInt64(x)
	case bigInt:
		if _, ok := r.SetString(string(x)); ok {
			return r
		}
	}
	return r.SetFloat64(f)
}

// order is -1, 0 or 1 as a is less than, equal to or greater than b; types
// that Python does not order are an error.
func (m *machine) order(a, b any) (int, error) {
	if err := m.step(1); err != nil {
		return 0, err
	}
	if c, ok := compareNumbers(a, b); ok {
		return c, nil
	}
	if s, ok := text(a); ok {
		if t, ok := text(b); ok {
			return strings.Compare(s, t), m.scan(min(len(s), len(t)))
		}
	}
	x, okX := a.(*List)
	y, okY := b.(*List)
	if okX && okY && x.kind == y.kind && x.kind != kindGenerator {
		return m.orderLists(x.items, y.items)
	}
	for _, v := range []any{a, b} {
		if u, ok := v.(*undefined); ok {
			return 0, fmt.Errorf("%s", u.reason())
		}
	}
	return 0, fmt.Errorf("no order between %q and %q", typeName(a), typeName(b))
}

func (m *machine) orderLists(x, y []any) (int, error) {
	if err := m.enter(); err != nil {
		return 0, err
	}
	defer m.leave()
	for i := range min(len(x), len(y)) {
		same, err := m.equal(x[i], y[i])
		if err != nil {
			return 0, err
		}
		if !same {
			return m.order(x[i], y[i])
		}
	}
	return len(x) - len(y), nil
}

// contains is Python's needle in hay.
func (m *machine) contains(hay, needle any) (bool, error) {
	switch x := hay.(type) {
	case string, markup:
		s, _ := text(hay)
		t, ok := text(needle)
		if !ok {
			return false, fmt.Errorf("'in <string>' requires string as left operand, not %s", typeName(needle))
		}
		return strings.Contains(s, t), m.scan(len(s))
	case *Dict:
		if _, err := hashKey(needle); err != nil {
			return false, err
		}
		_, ok := x.Get(needle)
		return ok, nil
	case *namespace:
		return false, fmt.Errorf("argument of type 'Namespace' is not iterable")
	case nil, bool, int64, float64:
		return false, fmt.Errorf("argument of type %q is not iterable", typeName(hay))
	}
	items, err := m.iterate(hay)
	if err != nil {
		return false, err
	}
	for _, v := range items {
		same, err := m.sameItem(v, needle)
		if same || err != nil {
			return same, err
		}
	}
	return false, nil
}
