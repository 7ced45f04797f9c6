package chat

import "fmt"

// testFunc computes v is name(a).
type testFunc func(m *machine, v any, a *args) (bool, error)

var tests = map[string]testFunc{
	"defined":     func(_ *machine, v any, a *args) (bool, error) { return !isUndefined(v), noArgs(a) },
	"undefined":   func(_ *machine, v any, a *args) (bool, error) { return isUndefined(v), noArgs(a) },
	"none":        func(_ *machine, v any, a *args) (bool, error) { return v == nil, noArgs(a) },
	"true":        func(_ *machine, v any, a *args) (bool, error) { return v == true, noArgs(a) },
	"false":       func(_ *machine, v any, a *args) (bool, error) { return v == false, noArgs(a) },
	"boolean":     kindTest(func(v any) bool { _, ok := v.(bool); return ok }),
	"integer":     kindTest(isInteger),
	"float":       kindTest(func(v any) bool { _, ok := v.(float64); return ok }),
	"number":      kindTest(isNumber),
	"string":      kindTest(func(v any) bool { _, ok := text(v); return ok }),
	"mapping":     kindTest(func(v any) bool { _, ok := v.(*Dict); return ok }),
	"iterable":    kindTest(isIterable),
	"sequence":    kindTest(isSized),
	"callable":    kindTest(func(v any) bool { _, ok := v.(callable); return ok }),
	"escaped":     kindTest(func(v any) bool { _, ok := v.(markup); return ok }),
	"lower":       caseTest(isLower),
	"upper":       caseTest(isUpper),
	"odd":         remainder(func(n int64) bool { return n%2 != 0 }),
	"even":        remainder(func(n int64) bool { return n%2 == 0 }),
	"divisibleby": testDivisible,
	"in":          testIn,
	"sameas":      testSame,
	"filter":      func(m *machine, v any, a *args) (bool, error) { s, _ := text(v); return m.filters[s] != nil, noArgs(a) },
	"test":        func(m *machine, v any, a *args) (bool, error) { s, _ := text(v); return m.tests[s] != nil, noArgs(a) },
	"==":          comparison(tokEq),
	"eq":          comparison(tokEq),
	"equalto":     comparison(tokEq),
	"!=":          comparison(tokNe),
	"ne":          comparison(tokNe),
	"<":           comparison(tokLt),
	"lt":          comparison(tokLt),
	"lessthan":    comparison(tokLt),
	"<=":          comparison(tokLe),
	"le":          comparison(tokLe),
	">":           comparison(tokGt),
	"gt":          comparison(tokGt),
	"greaterthan": comparison(tokGt),
	">=":          comparison(tokGe),
	"ge":          comparison(tokGe),
}

func isUndefined(v any) bool { _, ok := v.(*undefined); return ok }

func isInteger(v any) bool {
	switch v.(type) {
	case int64, bigInt:
		return true
	}
	return false
}

func isIterable(v any) bool {
	switch v.(type) {
	case string, markup, *List, *Dict, *view, *rangeVal, *undefined, *loopVal:
		return true
	}
	return false
}

// isSized: it has a length and can be indexed.
func isSized(v any) bool {
	switch x := v.(type) {
	case string, markup, *Dict, *rangeVal, *undefined:
		return true
	case *List:
		return x.kind != kindGenerator
	}
	return false
}

func kindTest(is func(any) bool) testFunc {
	return func(_ *machine, v any, a *args) (bool, error) { return is(v), noArgs(a) }
}

func caseTest(is func(string) bool) testFunc {
	return func(m *machine, v any, a *args) (bool, error) {
		s, err := m.str(v)
		if err != nil {
			return false, err
		}
		return is(s), m.scan(len(s))
	}
}

func remainder(is func(int64) bool) testFunc {
	return func(_ *machine, v any, a *args) (bool, error) {
		n, ok := integer(v)
		if f, isFloat := v.(float64); isFloat {
			n, ok = wholeFloat(f)
			if !ok {
				return false, nil
			}
		}
		if !ok {
			return false, fmt.Errorf("a number is required, not %s", typeName(v))
		}
		return is(n), noArgs(a)
	}
}

func testDivisible(m *machine, v any, a *args) (bool, error) {
	p, err := a.bind(1, "num")
	if err != nil {
		return false, err
	}
	r, err := m.binary(tokMod, v, p[0])
	if err != nil {
		return false, err
	}
	return m.equal(r, int64(0))
}

func testIn(m *machine, v any, a *args) (bool, error) {
	p, err := a.bind(1, "seq")
	if err != nil {
		return false, err
	}
	return m.contains(p[0], v)
}

// testSame is Python's identity: containers by address, scalars by type and
// value.
func testSame(_ *machine, v any, a *args) (bool, error) {
	p, err := a.bind(1, "other")
	if err != nil {
		return false, err
	}
	if _, isFunc := v.(builtin); isFunc {
		return false, nil
	}
	if _, isFunc := v.(goFunc); isFunc {
		return false, nil
	}
	return v == p[0], nil
}

func comparison(op tokenKind) testFunc {
	return func(m *machine, v any, a *args) (bool, error) {
		p, err := a.bind(1, "other")
		if err != nil {
			return false, err
		}
		return m.compare(op, v, p[0])
	}
}
