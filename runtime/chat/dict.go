package chat

import "fmt"

type entry struct {
	key, val any
}

// indexFrom is the size from which a Dict keeps a hash index; a linear search
// of fewer keys is faster.
const indexFrom = 12

// Dict is a mapping that keeps insertion order, as Python's dict does. The
// zero value is empty and ready. It is not safe for concurrent changes.
type Dict struct {
	entries []entry
	index   map[any]int
	frozen  bool
}

// NewDict returns an empty Dict.
func NewDict() *Dict { return &Dict{} }

// maxKey is the longest string that can be a key, in bytes: a lookup reads the
// whole key, and steps are counted by the lookup.
const maxKey = 16 << 10

// hashKey folds keys that Python holds equal (1, 1.0, True) into one.
func hashKey(k any) (any, error) {
	switch x := k.(type) {
	case int64, nil, bigInt, *undefined:
		return k, nil
	case string, markup:
		s, _ := text(k)
		if len(s) > maxKey {
			return nil, fmt.Errorf("key of %d bytes: %w", len(s), ErrLimit)
		}
		return s, nil
	case bool:
		n, _ := integer(x)
		return n, nil
	case float64:
		if n, ok := wholeFloat(x); ok {
			return n, nil
		}
		return x, nil
	case *List:
		if x.kind == kindTuple {
			return tupleKey(x)
		}
	}
	return nil, fmt.Errorf("unhashable type: %q", typeName(k))
}

type tupleHash string

func tupleKey(t *List) (any, error) {
	if len(t.items) > 16 {
		return nil, fmt.Errorf("a tuple of %d elements is too long for a key", len(t.items))
	}
	var s string
	for _, v := range t.items {
		if _, nested := v.(*List); nested {
			return nil, fmt.Errorf("a nested tuple cannot be a key")
		}
		k, err := hashKey(v)
		if err != nil {
			return nil, err
		}
		if part, ok := k.(string); ok && len(part) > maxKey/16 {
			return nil, fmt.Errorf("key of %d bytes inside a tuple: %w", len(part), ErrLimit)
		}
		s += fmt.Sprintf("%T:%v\x00", k, k)
	}
	return tupleHash(s), nil
}

// Len returns the number of keys.
func (d *Dict) Len() int { return len(d.entries) }

func (d *Dict) find(k any) int {
	if s, ok := k.(string); ok && d.index == nil {
		return d.findString(s)
	}
	h, err := hashKey(k)
	if err != nil {
		return -1
	}
	if d.index != nil {
		if i, ok := d.index[h]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if e, err := hashKey(d.entries[i].key); err == nil && e == h {
			return i
		}
	}
	return -1
}

func (d *Dict) findString(s string) int {
	if len(s) > maxKey {
		return -1
	}
	for i := range d.entries {
		switch k := d.entries[i].key.(type) {
		case string:
			if k == s {
				return i
			}
		case markup:
			if string(k) == s {
				return i
			}
		}
	}
	return -1
}

// Get returns the value under key.
func (d *Dict) Get(key any) (any, bool) {
	if i := d.find(key); i >= 0 {
		return d.entries[i].val, true
	}
	return nil, false
}

// Set stores v under key. A new key goes to the end; a key of an unhashable
// type (a list, a dict) is an error.
func (d *Dict) Set(key, v any) error {
	h, err := hashKey(key)
	if err != nil {
		return err
	}
	if i := d.find(key); i >= 0 {
		d.entries[i].val = v
		return nil
	}
	if d.index != nil {
		d.index[h] = len(d.entries)
	}
	d.entries = append(d.entries, entry{key, v})
	if d.index == nil && len(d.entries) >= indexFrom {
		d.reindex()
	}
	return nil
}

func (d *Dict) reindex() {
	d.index = make(map[any]int, 2*len(d.entries))
	for i := range d.entries {
		if h, err := hashKey(d.entries[i].key); err == nil {
			d.index[h] = i
		}
	}
}

// Delete removes key and reports whether it was there.
func (d *Dict) Delete(key any) bool {
	i := d.find(key)
	if i < 0 {
		return false
	}
	d.entries = append(d.entries[:i:i], d.entries[i+1:]...)
	if d.index != nil {
		d.reindex()
	}
	return true
}

// All calls f for every key in order until f returns false.
func (d *Dict) All(f func(key, v any) bool) {
	for _, e := range d.entries {
		if !f(e.key, e.val) {
			return
		}
	}
}

// Keys returns the keys in order.
func (d *Dict) Keys() []any {
	out := make([]any, len(d.entries))
	for i, e := range d.entries {
		out[i] = e.key
	}
	return out
}
