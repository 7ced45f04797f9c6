package grammar

import "github.com/santhosh-tekuri/jsonschema/v6"

// array makes the arrays that satisfy all schemas.
func (b *schemaBuilder) array(flat []*jsonschema.Schema) *node {
	lo, hi, prefix := 0, -1, 0
	for _, s := range flat {
		if s.MinItems != nil {
			lo = max(lo, *s.MinItems)
		}
		if s.MaxItems != nil && (hi < 0 || *s.MaxItems < hi) {
			hi = *s.MaxItems
		}
		prefix = max(prefix, len(prefixItems(s)))
	}
	if hi >= 0 && hi < lo {
		return alt()
	}
	// State 1 + i: i items have come. An item after those with schemas of
	// their own stays in the state after one such item, or after them all.
	first := prefix
	if first == 0 {
		first = 1
	}
	if hi >= 0 {
		first = min(first, hi)
	}
	g := &graph{}
	start := g.state(false)
	for range first + 1 {
		g.state(false)
	}
	tail, end := g.state(false), g.state(true)
	g.edge(start, 1, seq(lit("["), space))
	for i := range first {
		if item := b.item(flat, i); i == 0 {
			g.edge(1, 2, item)
		} else {
			g.edge(1+i, 2+i, seq(comma, item))
		}
		if i >= lo {
			g.edge(1+i, end, closing(i, "]"))
		}
	}
	more := -1
	if hi >= 0 {
		more = hi - first
	}
	if first == 0 || more == 0 {
		g.edge(1+first, tail, empty)
	} else {
		g.edge(1+first, tail, repeat(seq(comma, b.item(flat, max(first, prefix))), max(0, lo-first), more))
	}
	g.edge(tail, end, closing(first, "]"))
	return graphNode(g)
}

var comma = seq(space, lit(","), space)

// closing is the bracket that ends a list of n values.
func closing(n int, bracket string) *node {
	if n == 0 {
		return lit(bracket) // the space has come after the opening one
	}
	return seq(space, lit(bracket))
}

// prefixItems are the schemas of the first items.
func prefixItems(s *jsonschema.Schema) []*jsonschema.Schema {
	if list, ok := s.Items.([]*jsonschema.Schema); ok {
		return list
	}
	return s.PrefixItems
}

// item is the item at index i.
func (b *schemaBuilder) item(flat []*jsonschema.Schema, i int) *node {
	var all []*jsonschema.Schema
	for _, s := range flat {
		if list := prefixItems(s); i < len(list) {
			all = append(all, list[i])
			continue
		}
		var rest any = s.Items2020
		if s.Items2020 == nil {
			if rest = s.Items; len(prefixItems(s)) > 0 {
				rest = s.AdditionalItems
			}
		}
		switch x := rest.(type) {
		case bool:
			if !x {
				return alt()
			}
		case *jsonschema.Schema:
			if x != nil {
				all = append(all, x)
			}
		}
	}
	return b.conj(all)
}
