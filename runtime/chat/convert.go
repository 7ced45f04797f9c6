package chat

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
)

// converter turns Go values into template values. Every container it makes is
// new, so a template can never touch the caller's; size counts the bytes.
type converter struct {
	size  int64
	depth int
}

func (c *converter) value(v any) (any, error) {
	c.size += 16
	if c.depth > maxJSONDepth {
		return nil, fmt.Errorf("value nested deeper than %d: %w", maxJSONDepth, ErrLimit)
	}
	switch x := v.(type) {
	case nil, bool, int64, float64, bigInt, *undefined:
		return v, nil
	case string:
		c.size += int64(len(x))
		return x, nil
	case int:
		return int64(x), nil
	case json.RawMessage:
		c.size += int64(len(x))
		v, err := ParseJSON(x)
		freeze(v)
		return v, err
	case *Dict:
		return c.dict(x)
	case *List:
		return c.list(x.items, x.kind)
	case []any:
		return c.list(x, kindList)
	case map[string]any:
		d := &Dict{}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			d.entries = append(d.entries, entry{k, x[k]})
		}
		return c.dict(d)
	case Message:
		return c.dict(x.dict(form{}))
	case Func:
		return goFunc{x}, nil
	case func(args []any, kwargs *Dict) (any, error):
		return goFunc{x}, nil
	case markup, *namespace, *loopVal, *cycler, *view, *rangeVal, callable:
		return v, nil
	}
	return c.reflected(reflect.ValueOf(v))
}

func (c *converter) dict(d *Dict) (any, error) {
	c.depth++
	defer func() { c.depth-- }()
	out := &Dict{entries: make([]entry, 0, d.Len()), frozen: true}
	for _, e := range d.entries {
		v, err := c.value(e.val)
		if err != nil {
			return nil, err
		}
		if s, ok := e.key.(string); ok {
			c.size += int64(len(s))
		}
		out.entries = append(out.entries, entry{e.key, v})
	}
	if len(out.entries) >= indexFrom {
		out.reindex()
	}
	return out, nil
}

func (c *converter) list(items []any, kind listKind) (any, error) {
	c.depth++
	defer func() { c.depth-- }()
	out := &List{items: make([]any, len(items)), kind: kind, frozen: true}
	for i, x := range items {
		v, err := c.value(x)
		if err != nil {
			return nil, err
		}
		out.items[i] = v
	}
	return out, nil
}

// reflected handles the remaining integer, float, string, slice and map types.
func (c *converter) reflected(v reflect.Value) (any, error) {
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool(), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if u := v.Uint(); u > math.MaxInt64 {
			return bigInt(strconv.FormatUint(u, 10)), nil
		}
		return int64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return v.Float(), nil
	case reflect.String:
		return c.value(v.String())
	case reflect.Slice, reflect.Array:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = v.Index(i).Interface()
		}
		return c.list(items, kindList)
	case reflect.Map:
		if v.Type().Key().Kind() == reflect.String {
			m := make(map[string]any, v.Len())
			for it := v.MapRange(); it.Next(); {
				m[it.Key().String()] = it.Value().Interface()
			}
			return c.value(m)
		}
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
		c.depth++
		defer func() { c.depth-- }()
		return c.value(v.Elem().Interface())
	}
	return nil, fmt.Errorf("a template cannot use a Go %s", v.Type())
}

// freeze marks a fresh value as the caller's.
func freeze(v any) {
	switch x := v.(type) {
	case *List:
		x.frozen = true
		for _, e := range x.items {
			freeze(e)
		}
	case *Dict:
		x.frozen = true
		for _, e := range x.entries {
			freeze(e.val)
		}
	}
}
