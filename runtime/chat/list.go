package chat

import "fmt"

type listKind uint8

const (
	kindList listKind = iota
	kindTuple
	// kindGenerator is what select, map and their like give in Python: always
	// true, printed as an object, empty after its first use.
	kindGenerator
)

// List is a list, a tuple or a generator. A frozen list came from the caller:
// a template reads it and cannot change it.
type List struct {
	items  []any
	kind   listKind
	group  bool // a tuple of groupby, with .grouper and .list
	frozen bool
}

// NewList returns a list of the given values, each of a type that Context
// accepts.
func NewList(items ...any) *List {
	return &List{items: items}
}

// Append adds v at the end.
func (l *List) Append(v any) { l.items = append(l.items, v) }

// Len returns the number of elements.
func (l *List) Len() int { return len(l.items) }

func tuple(items ...any) *List { return &List{items: items, kind: kindTuple} }

func generator(items []any) *List { return &List{items: items, kind: kindGenerator} }

// rangeVal is range(start, stop, step), never materialised before iteration.
type rangeVal struct {
	start, stop, step int64
}

// maxRange is the longest range jinja2's sandbox permits.
const maxRange = 100_000

func (r *rangeVal) len() int {
	var n uint64
	switch {
	case r.step > 0 && r.start < r.stop:
		n = (uint64(r.stop) - uint64(r.start) - 1) / uint64(r.step)
	case r.step < 0 && r.start > r.stop:
		n = (uint64(r.start) - uint64(r.stop) - 1) / (-uint64(r.step))
	default:
		return 0
	}
	if n >= maxRange {
		return maxRange + 1
	}
	return int(n) + 1
}

func (r *rangeVal) at(i int) int64 { return r.start + int64(i)*r.step }

func makeRange(_ *machine, a *args) (any, error) {
	var n [3]int64
	if len(a.pos) < 1 || len(a.pos) > 3 || len(a.kw) > 0 {
		return nil, fmt.Errorf("range expects 1 to 3 arguments, got %d", len(a.pos)+len(a.kw))
	}
	for i, v := range a.pos {
		x, ok := integer(v)
		if !ok {
			return nil, fmt.Errorf("%q object cannot be interpreted as an integer", typeName(v))
		}
		n[i] = x
	}
	r := &rangeVal{start: n[0], stop: n[1], step: 1}
	switch len(a.pos) {
	case 1:
		r.start, r.stop = 0, n[0]
	case 3:
		r.step = n[2]
	}
	if r.step == 0 {
		return nil, fmt.Errorf("range step must not be zero")
	}
	if r.len() > maxRange {
		return nil, fmt.Errorf("range is longer than %d: %w", maxRange, ErrLimit)
	}
	return r, nil
}
