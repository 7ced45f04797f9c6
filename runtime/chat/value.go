package chat

import (
	"fmt"
	"math"
	"strconv"
)

// A value inside a template is one of these dynamic types:
//
//	nil          None
//	bool, int64, float64, string
//	bigInt       an integer outside int64: printed and compared, not computed with
//	markup       a string that |safe or |escape has marked
//	*undefined   a name or key that is not there
//	*List        list, tuple or generator
//	*Dict        dict, in insertion order
//	*view        dict.items(), keys(), values()
//	*rangeVal    range(...)
//	*namespace, *loopVal, *cycler, *joiner
//	callable     macros, methods, functions
type bigInt string

type markup string

// undefined remembers why a value is missing, for the error text: a hint, the
// name of a variable, or the owner's type and the key it lacks.
type undefined struct {
	hint  string
	name  string
	owner string
	key   any
}

func (u *undefined) reason() string {
	switch {
	case u.hint != "":
		return u.hint
	case u.owner != "":
		return fmt.Sprintf("%s has no attribute %s", u.owner, quoteKey(u.key))
	}
	return fmt.Sprintf("%.80q is undefined", u.name)
}

func missing(v, key any) *undefined {
	if v == nil {
		return &undefined{owner: "None", key: key}
	}
	return &undefined{owner: typeName(v) + " object", key: key}
}

func quoteKey(k any) string {
	switch x := k.(type) {
	case string:
		return fmt.Sprintf("'%.60s'", x)
	case int64, float64, bool:
		return fmt.Sprint(x)
	}
	return "of type " + typeName(k)
}

// namespace is the only object whose attributes a template may set.
type namespace struct {
	d *Dict
}

// view is a live window on a dict: kind is 'i', 'k' or 'v'.
type view struct {
	d    *Dict
	kind byte
}

// callable is anything a template can call.
type callable interface {
	call(m *machine, a *args) (any, error)
	label() string
}

// truth is Python's bool(v).
func truth(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case int64:
		return x != 0
	case float64:
		return x != 0
	case string:
		return x != ""
	case markup:
		return x != ""
	case *undefined:
		return false
	case *List:
		return x.kind == kindGenerator || len(x.items) > 0
	case *Dict:
		return x.Len() > 0
	case *view:
		return x.d.Len() > 0
	case *rangeVal:
		return x.len() > 0
	}
	return true
}

// typeName is the Python name of v's type, for error texts.
func typeName(v any) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, bigInt:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case *undefined:
		return "Undefined"
	case *List:
		return [...]string{"list", "tuple", "generator"}[x.kind]
	case *Dict:
		return "dict"
	case *view:
		return map[byte]string{'i': "dict_items", 'k': "dict_keys", 'v': "dict_values"}[x.kind]
	case *rangeVal:
		return "range"
	case *namespace:
		return "Namespace"
	case *loopVal:
		return "LoopContext"
	case *macro:
		return "Macro"
	}
	return "function"
}

// text returns v's characters if v is a string of either sort.
func text(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case markup:
		return string(x), true
	}
	return "", false
}

// number returns v as a float when it is a number or a bool.
func number(v any) (float64, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	case bigInt:
		f, err := strconv.ParseFloat(string(x), 64)
		return f, err == nil
	}
	return 0, false
}

// integer returns v as an int64 when it is an int or a bool.
func integer(v any) (int64, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case int64:
		return x, true
	}
	return 0, false
}

// wholeFloat reports whether f is an integer that int64 holds exactly.
func wholeFloat(f float64) (int64, bool) {
	if f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}
