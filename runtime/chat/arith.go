package chat

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
)

var (
	errZeroDivision = errors.New("division by zero")
	errOverflow     = fmt.Errorf("integer result beyond 64 bits: %w", ErrLimit)
)

// binary computes a op b as Python does; op is one of + - * / // % **.
func (m *machine) binary(op tokenKind, a, b any) (any, error) {
	for _, v := range [2]any{a, b} {
		if u, ok := v.(*undefined); ok && (m.t.dialect != HuggingFaceJS || op != tokAdd) {
			return nil, errors.New(u.reason())
		}
	}
	if op == tokMod {
		if s, ok := text(a); ok {
			return m.percentFormat(s, b)
		}
	}
	if x, ok := integer(a); ok {
		if y, ok := integer(b); ok {
			return intOp(op, x, y)
		}
	}
	_, bigA := a.(bigInt)
	_, bigB := b.(bigInt)
	if bigA || bigB {
		return nil, errOverflow
	}
	x, okX := number(a)
	y, okY := number(b)
	if okX && okY {
		return floatOp(op, x, y)
	}
	switch op {
	case tokAdd:
		return m.concat(a, b)
	case tokMul:
		return m.repeat(a, b)
	}
	return nil, badOperands(op, a, b)
}

func badOperands(op tokenKind, a, b any) error {
	return fmt.Errorf("unsupported operand types for %s: %q and %q", op, typeName(a), typeName(b))
}

func intOp(op tokenKind, x, y int64) (any, error) {
	switch op {
	case tokAdd:
		if s := x + y; (s > x) == (y > 0) {
			return s, nil
		}
		return nil, errOverflow
	case tokSub:
		if d := x - y; (d < x) == (y > 0) {
			return d, nil
		}
		return nil, errOverflow
	case tokMul:
		return mulInt(x, y)
	case tokDiv:
		if y == 0 {
			return nil, errZeroDivision
		}
		return float64(x) / float64(y), nil
	case tokFloorDiv, tokMod:
		return floorInt(op, x, y)
	}
	return powInt(x, y)
}

func floorInt(op tokenKind, x, y int64) (any, error) {
	switch y {
	case 0:
		return nil, errZeroDivision
	case -1: // x / -1 overflows for the smallest x
		if op == tokMod {
			return int64(0), nil
		}
		return intOp(tokSub, 0, x)
	}
	q, r := x/y, x%y
	if r != 0 && (r < 0) != (y < 0) {
		q, r = q-1, r+y
	}
	if op == tokMod {
		return r, nil
	}
	return q, nil
}

func mulInt(x, y int64) (any, error) {
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	negative := (x < 0) != (y < 0)
	if hi != 0 || lo > math.MaxInt64 && !(negative && lo == 1<<63) {
		return nil, errOverflow
	}
	if negative {
		return -int64(lo), nil
	}
	return int64(lo), nil
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func powInt(x, y int64) (any, error) {
	if y < 0 {
		return floatOp(tokPow, float64(x), float64(y))
	}
	if x == 0 || x == 1 || x == -1 {
		if y == 0 || x == 1 || x == -1 && y%2 == 0 {
			return int64(1), nil
		}
		return x, nil
	}
	if y > 63 {
		return nil, errOverflow
	}
	var out any = int64(1)
	var err error
	for range y {
		if out, err = mulInt(out.(int64), x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func floatOp(op tokenKind, x, y float64) (any, error) {
	switch op {
	case tokAdd:
		return x + y, nil
	case tokSub:
		return x - y, nil
	case tokMul:
		return x * y, nil
	case tokPow:
		if x == 0 && y < 0 {
			return nil, errZeroDivision
		}
		p := math.Pow(x, y)
		if math.IsNaN(p) && !math.IsNaN(x) && !math.IsNaN(y) {
			return nil, errors.New("a power with a complex result is not supported")
		}
		return p, nil
	}
	if y == 0 {
		return nil, errZeroDivision
	}
	if op == tokDiv {
		return x / y, nil
	}
	mod := math.Mod(x, y)
	div := (x - mod) / y
	if mod != 0 && (mod < 0) != (y < 0) {
		mod, div = mod+y, div-1
	} else if mod == 0 {
		mod = math.Copysign(0, y)
	}
	if op == tokMod {
		return mod, nil
	}
	if div == 0 {
		return math.Copysign(0, x/y), nil
	}
	floor := math.Floor(div)
	if div-floor > 0.5 {
		floor++
	}
	return floor, nil
}

// concat is + on sequences.
func (m *machine) concat(a, b any) (any, error) {
	if m.t.dialect == HuggingFaceJS {
		if v, ok, err := m.concatJS(a, b); ok || err != nil {
			return v, err
		}
	}
	s, okS := text(a)
	t, okT := text(b)
	if okS && okT {
		_, markA := a.(markup)
		_, markB := b.(markup)
		if markA || markB {
			return m.joinMarkup([]any{a, b})
		}
		return s + t, m.grow(int64(len(s) + len(t)))
	}
	x, okX := a.(*List)
	y, okY := b.(*List)
	if okX && okY && x.kind == y.kind && x.kind != kindGenerator {
		out := make([]any, 0, len(x.items)+len(y.items))
		out = append(append(out, x.items...), y.items...)
		return &List{items: out, kind: x.kind}, m.elems(len(out))
	}
	if okS {
		return nil, fmt.Errorf("can only concatenate str (not %q) to str", typeName(b))
	}
	return nil, badOperands(tokAdd, a, b)
}

// repeat is sequence * int.
func (m *machine) repeat(a, b any) (any, error) {
	n, ok := integer(b)
	if !ok {
		a, b = b, a
		if n, ok = integer(b); !ok {
			return nil, badOperands(tokMul, a, b)
		}
	}
	n = max(n, 0)
	if s, ok := text(a); ok {
		out, err := m.repeatText(s, n)
		if _, mark := a.(markup); mark {
			return markup(out), err
		}
		return out, err
	}
	l, ok := a.(*List)
	if !ok || l.kind == kindGenerator {
		return nil, badOperands(tokMul, a, b)
	}
	if len(l.items) == 0 {
		n = 0
	}
	if n > 0 && int64(len(l.items)) > math.MaxInt32/n {
		return nil, m.grow(math.MaxInt64)
	}
	if err := m.elems(int(n) * len(l.items)); err != nil {
		return nil, err
	}
	out := make([]any, 0, int(n)*len(l.items))
	for range n {
		out = append(out, l.items...)
	}
	return &List{items: out, kind: l.kind}, nil
}

// joinMarkup concatenates, escaping every part that is not markup already.
func (m *machine) joinMarkup(parts []any) (any, error) {
	var out []byte
	for _, p := range parts {
		s, err := m.str(p)
		if err != nil {
			return nil, err
		}
		if _, safe := p.(markup); !safe {
			s = escapeHTML(s)
		}
		if err := m.grow(int64(len(s))); err != nil {
			return nil, err
		}
		out = append(out, s...)
	}
	return markup(out), nil
}
