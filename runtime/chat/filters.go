package chat

import (
	"errors"
	"fmt"
)

// filterFunc computes v|name(a).
type filterFunc func(m *machine, v any, a *args) (any, error)

// filters are jinja2's own, with tojson as transformers replaces it. Missing
// on purpose: random (a prompt must be reproducible), urlize, wordwrap,
// filesizeformat (no chat template uses them).
var filters = map[string]filterFunc{
	"abs":         filterAbs,
	"attr":        filterAttr,
	"batch":       filterBatch,
	"capitalize":  textFilter(capitalize),
	"center":      filterCenter,
	"count":       filterLength,
	"d":           filterDefault,
	"default":     filterDefault,
	"dictsort":    filterDictSort,
	"e":           filterEscape,
	"escape":      filterEscape,
	"first":       filterFirst,
	"float":       filterFloat,
	"forceescape": filterForceEscape,
	"format":      filterFormat,
	"groupby":     filterGroupBy,
	"indent":      filterIndent,
	"int":         filterInt,
	"items":       filterItems,
	"join":        filterJoin,
	"last":        filterLast,
	"length":      filterLength,
	"list":        filterList,
	"lower":       methodFilter("lower"),
	"map":         filterMap,
	"max":         extreme(1),
	"min":         extreme(-1),
	"pprint":      filterPprint,
	"random":      filterRandom,
	"reject":      selector(false, false),
	"rejectattr":  selector(false, true),
	"replace":     filterReplace,
	"reverse":     filterReverse,
	"round":       filterRound,
	"safe":        filterSafe,
	"select":      selector(true, false),
	"selectattr":  selector(true, true),
	"slice":       filterSlice,
	"sort":        filterSort,
	"string":      filterString,
	"striptags":   filterStripTags,
	"sum":         filterSum,
	"title":       textFilter(titleWords),
	"tojson":      filterToJSON,
	"trim":        methodFilter("strip"),
	"truncate":    filterTruncate,
	"unique":      filterUnique,
	"upper":       methodFilter("upper"),
	"urlencode":   filterURLEncode,
	"wordcount":   filterWordCount,
	"xmlattr":     filterXMLAttr,
}

func filterRandom(*machine, any, *args) (any, error) {
	return nil, errors.New("refused: a prompt must not depend on chance")
}

func filterDefault(_ *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "default_value", "boolean")
	if err != nil {
		return nil, err
	}
	_, undef := v.(*undefined)
	if undef || p[1] != unset && truth(p[1]) && !truth(v) {
		if p[0] == unset {
			return "", nil
		}
		return p[0], nil
	}
	return v, nil
}

func filterAttr(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(1, "name")
	if err != nil {
		return nil, err
	}
	name, ok := text(p[0])
	if !ok {
		return nil, fmt.Errorf("attribute name must be a string, not %s", typeName(p[0]))
	}
	if _, isDict := v.(*Dict); isDict && dictMethods[name] == nil {
		return missing(v, name), nil // attributes only, no keys
	}
	return m.attribute(v, name, name)
}

func filterItems(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case *undefined:
		return m.lazy(nil), nil
	case *Dict:
		items, err := m.viewItems(&view{x, 'i'})
		return m.lazy(items), err
	}
	return nil, errors.New("can only get item pairs from a mapping")
}

// lazy is what a filter gives that is a generator in Python and a list in
// JavaScript.
func (m *machine) lazy(items []any) *List {
	if m.t.dialect == HuggingFaceJS {
		return &List{items: items}
	}
	return generator(items)
}

func filterLength(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	n, err := m.length(v)
	return int64(n), err
}

func filterList(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	return NewList(append([]any{}, items...)...), m.elems(len(items))
}

func filterFirst(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &undefined{hint: "no first item, sequence was empty"}, nil
	}
	return items[0], nil
}

func filterLast(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &undefined{hint: "no last item, sequence was empty"}, nil
	}
	return items[len(items)-1], nil
}

func filterReverse(m *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	out := reversed(items)
	if err := m.elems(len(out)); err != nil {
		return nil, err
	}
	if _, ok := text(v); ok {
		s, err := m.joinText(out, "")
		return like(v, s), err
	}
	return m.lazy(out), nil
}
