package chat

import (
	"errors"
	"fmt"
	"math"
)

// sliceExpr is start:stop:step inside a subscript.
type sliceExpr struct {
	span
	part [3]expr
}

func (e *sliceExpr) eval(*machine) (any, error) {
	return nil, errors.New("a slice is not a key")
}

func (e *sliceExpr) apply(m *machine, v any) (any, error) {
	var part [3]*int64
	for i, x := range e.part {
		if x == nil {
			continue
		}
		p, err := m.eval(x)
		if err != nil {
			return nil, err
		}
		if p == nil {
			continue
		}
		n, ok := integer(p)
		if !ok {
			return nil, fmt.Errorf("slice indices must be integers or None, not %q", typeName(p))
		}
		part[i] = &n
	}
	switch x := v.(type) {
	case string, markup:
		s, _ := text(v)
		out, err := m.sliceText(s, part)
		if _, mark := v.(markup); mark {
			return markup(out), err
		}
		return out, err
	case *List:
		idx, err := sliceIndices(len(x.items), part)
		if err != nil {
			return nil, err
		}
		out := make([]any, 0, idx.n)
		for i := range idx.n {
			out = append(out, x.items[idx.start+i*idx.step])
		}
		kind := x.kind
		if kind == kindGenerator {
			kind = kindList
		}
		return &List{items: out, kind: kind}, m.elems(len(out))
	case *rangeVal:
		items, err := m.iterate(x)
		if err != nil {
			return nil, err
		}
		return e.apply(m, NewList(items...))
	case *undefined:
		return nil, errors.New(x.reason())
	}
	return nil, fmt.Errorf("%q object is not subscriptable", typeName(v))
}

func (m *machine) sliceText(s string, part [3]*int64) (string, error) {
	if isASCII(s) {
		idx, err := sliceIndices(len(s), part)
		if err != nil {
			return "", err
		}
		if idx.step == 1 {
			return s[idx.start : idx.start+idx.n], m.scan(len(s))
		}
		out := make([]byte, 0, idx.n)
		for i := range idx.n {
			out = append(out, s[idx.start+i*idx.step])
		}
		return string(out), m.grow(int64(idx.n))
	}
	if err := m.grow(4 * int64(len(s))); err != nil {
		return "", err
	}
	r := []rune(s)
	idx, err := sliceIndices(len(r), part)
	if err != nil {
		return "", err
	}
	out := make([]rune, 0, idx.n)
	for i := range idx.n {
		out = append(out, r[idx.start+i*idx.step])
	}
	return string(out), m.scan(len(s))
}

type indices struct {
	start, step, n int
}

// sliceIndices clamps start, stop and step to a sequence of length n as
// Python's slice.indices does.
func sliceIndices(length int, part [3]*int64) (indices, error) {
	step := int64(1)
	if part[2] != nil {
		step = *part[2]
	}
	if step == 0 {
		return indices{}, errors.New("slice step cannot be zero")
	}
	step = max(min(step, math.MaxInt32), -math.MaxInt32)
	n := int64(length)
	low, high := int64(0), n
	if step < 0 {
		low, high = -1, n-1
	}
	clamp := func(p *int64, whenNil int64) int64 {
		if p == nil {
			return whenNil
		}
		v := *p
		if v < 0 {
			v += n
		}
		return max(low, min(high, v))
	}
	start, stop := clamp(part[0], low), clamp(part[1], high)
	if step < 0 {
		start, stop = clamp(part[0], high), clamp(part[1], low)
	}
	var count int64
	if step > 0 && start < stop {
		count = (stop-start-1)/step + 1
	} else if step < 0 && start > stop {
		count = (start-stop-1)/(-step) + 1
	}
	return indices{int(start), int(step), int(count)}, nil
}
