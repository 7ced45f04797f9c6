package chat

import (
	"errors"
	"fmt"
)

// Values from the caller are frozen. Transformers' sandbox refuses every
// change of a list or dict; here a template may change what it made itself.
var errFrozen = errors.New("a value passed to the template cannot be changed")

var listMethods = map[string]methodFunc{
	"append":  listAppend,
	"extend":  listExtend,
	"insert":  listInsert,
	"pop":     listPop,
	"remove":  listRemove,
	"reverse": listReverse,
	"index":   listIndex,
	"count":   listCount,
	"copy":    listCopy,
	"clear":   listClear,
}

func own(recv any) (*List, error) {
	l := recv.(*List)
	if l.frozen {
		return nil, errFrozen
	}
	return l, nil
}

func listAppend(m *machine, recv any, a *args) (any, error) {
	l, err := own(recv)
	if err != nil {
		return nil, err
	}
	v, err := a.bind(1, "item")
	if err != nil {
		return nil, err
	}
	l.items = append(l.items, v[0])
	return nil, m.elems(2)
}

func listExtend(m *machine, recv any, a *args) (any, error) {
	l, err := own(recv)
	if err != nil {
		return nil, err
	}
	v, err := a.bind(1, "iterable")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v[0])
	if err != nil {
		return nil, err
	}
	if err := m.elems(2 * len(items)); err != nil {
		return nil, err
	}
	l.items = append(l.items, items...)
	return nil, nil
}

func listInsert(m *machine, recv any, a *args) (any, error) {
	l, err := own(recv)
	if err != nil {
		return nil, err
	}
	v, err := a.bind(2, "index", "item")
	if err != nil {
		return nil, err
	}
	n, ok := integer(v[0])
	if !ok {
		return nil, errors.New("index must be an integer")
	}
	if n < 0 {
		n += int64(len(l.items))
	}
	at := int(max(0, min(n, int64(len(l.items)))))
	if err := m.elems(1 + len(l.items)); err != nil {
		return nil, err
	}
	items := append([]any{}, l.items[:at]...)
	l.items = append(append(items, v[1]), l.items[at:]...)
	return nil, nil
}

func listPop(m *machine, recv any, a *args) (any, error) {
	l, err := own(recv)
	if err != nil {
		return nil, err
	}
	v, err := a.bind(0, "index")
	if err != nil {
		return nil, err
	}
	n := int64(-1)
	if v[0] != unset {
		ok := false
		if n, ok = integer(v[0]); !ok {
			return nil, errors.New("index must be an integer")
		}
	}
	at, ok := wrapIndex(n, len(l.items))
	if !ok {
		return nil, errors.New("index out of range")
	}
	out := l.items[at]
	if at == len(l.items)-1 {
		l.items = l.items[:at:at]
		return out, nil
	}
	l.items = append(l.items[:at:at], l.items[at+1:]...)
	return out, m.elems(len(l.items))
}

func listRemove(m *machine, recv any, a *args) (any, error) {
	l, err := own(recv)
	if err != nil {
		return nil, err
	}
	i, err := m.position(l, a)
	if err != nil {
		return nil, err
	}
	l.items = append(l.items[:i:i], l.items[i+1:]...)
	return nil, m.elems(len(l.items))
}

func listReverse(m *machine, recv any, a *args) (any, error) {
	l, err := own(recv)
	if err != nil {
		return nil, err
	}
	l.items = reversed(l.items)
	return nil, m.elems(len(l.items))
}

func reversed(items []any) []any {
	out := make([]any, len(items))
	for i, v := range items {
		out[len(items)-1-i] = v
	}
	return out
}

func (m *machine) position(l *List, a *args) (int, error) {
	v, err := a.bind(1, "item")
	if err != nil {
		return 0, err
	}
	for i, x := range l.items {
		same, err := m.equal(x, v[0])
		if err != nil {
			return 0, err
		}
		if same {
			return i, nil
		}
	}
	return 0, errors.New("item is not in the list")
}

func listIndex(m *machine, recv any, a *args) (any, error) {
	i, err := m.position(recv.(*List), a)
	return int64(i), err
}

func listCount(m *machine, recv any, a *args) (any, error) {
	v, err := a.bind(1, "item")
	if err != nil {
		return nil, err
	}
	n := int64(0)
	for _, x := range recv.(*List).items {
		same, err := m.equal(x, v[0])
		if err != nil {
			return nil, err
		}
		if same {
			n++
		}
	}
	return n, nil
}

func listCopy(m *machine, recv any, a *args) (any, error) {
	items := recv.(*List).items
	if err := m.elems(len(items)); err != nil {
		return nil, err
	}
	return NewList(append([]any{}, items...)...), noArgs(a)
}

func listClear(_ *machine, recv any, a *args) (any, error) {
	l, err := own(recv)
	if err != nil {
		return nil, err
	}
	l.items = nil
	return nil, noArgs(a)
}

var dictMethods = map[string]methodFunc{
	"get":        dictGet,
	"items":      dictView('i'),
	"keys":       dictView('k'),
	"values":     dictView('v'),
	"copy":       dictCopy,
	"update":     dictUpdate,
	"pop":        dictPop,
	"popitem":    dictPopItem,
	"setdefault": dictSetDefault,
	"clear":      dictClear,
}

func dictGet(_ *machine, recv any, a *args) (any, error) {
	if len(a.kw) == 0 && len(a.pos) > 0 && len(a.pos) < 3 {
		if v, ok := recv.(*Dict).Get(a.pos[0]); ok {
			return v, nil
		}
		if len(a.pos) == 2 {
			return a.pos[1], nil
		}
		_, err := hashKey(a.pos[0])
		return nil, err
	}
	return nil, fmt.Errorf("expected 1 or 2 arguments, got %d", len(a.pos)+len(a.kw))
}

func dictView(kind byte) methodFunc {
	return func(_ *machine, recv any, a *args) (any, error) {
		return &view{recv.(*Dict), kind}, noArgs(a)
	}
}

func dictCopy(m *machine, recv any, a *args) (any, error) {
	d := NewDict()
	if err := m.addPairs(d, recv); err != nil {
		return nil, err
	}
	return d, noArgs(a)
}

func ownDict(recv any) (*Dict, error) {
	d := recv.(*Dict)
	if d.frozen {
		return nil, errFrozen
	}
	return d, nil
}

func dictUpdate(m *machine, recv any, a *args) (any, error) {
	d, err := ownDict(recv)
	if err != nil {
		return nil, err
	}
	return nil, m.updateDict(d, a)
}

func dictPop(m *machine, recv any, a *args) (any, error) {
	d, err := ownDict(recv)
	if err != nil {
		return nil, err
	}
	v, err := a.bind(1, "key", "default")
	if err != nil {
		return nil, err
	}
	if out, ok := d.Get(v[0]); ok {
		d.Delete(v[0])
		return out, m.elems(2 * d.Len())
	}
	if v[1] == unset {
		return nil, fmt.Errorf("no key %s", quoteKey(v[0]))
	}
	return v[1], nil
}

func dictPopItem(m *machine, recv any, a *args) (any, error) {
	d, err := ownDict(recv)
	if err != nil {
		return nil, err
	}
	if d.Len() == 0 {
		return nil, errors.New("dictionary is empty")
	}
	last := d.entries[d.Len()-1]
	d.Delete(last.key)
	if err := m.elems(2 * d.Len()); err != nil {
		return nil, err
	}
	return tuple(last.key, last.val), noArgs(a)
}

func dictSetDefault(m *machine, recv any, a *args) (any, error) {
	v, err := a.bind(1, "key", "default")
	if err != nil {
		return nil, err
	}
	if old, ok := recv.(*Dict).Get(v[0]); ok {
		return old, nil
	}
	d, err := ownDict(recv)
	if err != nil {
		return nil, err
	}
	if v[1] == unset {
		v[1] = nil
	}
	if err := m.elems(4); err != nil {
		return nil, err
	}
	return v[1], d.Set(v[0], v[1])
}

func dictClear(_ *machine, recv any, a *args) (any, error) {
	d, err := ownDict(recv)
	if err != nil {
		return nil, err
	}
	d.entries, d.index = nil, nil
	return nil, noArgs(a)
}
