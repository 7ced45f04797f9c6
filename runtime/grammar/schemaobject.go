package grammar

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// property is a property that the schema names.
type property struct {
	name     string
	required bool
	value    []*jsonschema.Schema
}

// property returns what the value of a property must satisfy; false if the
// object cannot have it.
func (b *schemaBuilder) property(flat []*jsonschema.Schema, name string) (all []*jsonschema.Schema, ok bool) {
	for _, s := range flat {
		if s.PropertyNames != nil && s.PropertyNames.Validate(name) != nil {
			return nil, false
		}
		matched := false
		if p := s.Properties[name]; p != nil {
			all, matched = append(all, p), true
		}
		for re, p := range s.PatternProperties {
			if re.MatchString(name) {
				all, matched = append(all, p), true
			}
		}
		if !matched {
			if all, ok = additional(s, all); !ok {
				return nil, false
			}
		}
	}
	return all, true
}

// additional adds the schema of additionalProperties; false if it allows none.
func additional(s *jsonschema.Schema, all []*jsonschema.Schema) ([]*jsonschema.Schema, bool) {
	switch x := s.AdditionalProperties.(type) {
	case bool:
		return all, x
	case *jsonschema.Schema:
		all = append(all, x)
	}
	return all, true
}

// properties lists the named properties in their order; false if one is
// required that must not be there.
func (b *schemaBuilder) properties(flat []*jsonschema.Schema) (out []property, ok bool) {
	required := map[string]bool{}
	var names []string
	for _, s := range flat {
		names = append(names, b.order[pointer(s)+"/properties"]...)
	}
	for _, s := range flat {
		for _, r := range s.Required {
			required[r] = true
			names = append(names, r)
		}
	}
	seen := map[string]bool{}
	for _, n := range names {
		if seen[n] {
			continue
		}
		seen[n] = true
		if v, ok := b.property(flat, n); ok {
			out = append(out, property{n, required[n], v})
		} else if required[n] {
			return nil, false
		}
	}
	return out, true
}

// object makes the objects that satisfy all schemas.
func (b *schemaBuilder) object(flat []*jsonschema.Schema) *node {
	lo, hi := 0, -1
	for _, s := range flat {
		if s.MinProperties != nil {
			lo = max(lo, *s.MinProperties)
		}
		if s.MaxProperties != nil && (hi < 0 || *s.MaxProperties < hi) {
			hi = *s.MaxProperties
		}
	}
	props, ok := b.properties(flat)
	if !ok || hi >= 0 && hi < lo {
		return alt()
	}
	var names []string
	for _, p := range props {
		names = append(names, p.name)
	}
	others := b.others(flat, names)
	if lo > len(props)+1 && others != nil {
		panic(&SchemaError{pointer(flat[len(flat)-1]) + "/minProperties", fmt.Sprintf("%d properties, only %d have names: that others differ from each other cannot be seen from a mask", lo, len(props))})
	}
	// How many have come is counted as far as lo and hi need it.
	count := max(lo, 1)
	if hi >= 0 {
		count = max(count, len(props))
	}
	count = max(1, min(count, len(props)+1))
	g := &graph{}
	start := g.state(false)
	at := func(i, c int) int { return 1 + i*(count+1) + c }
	for range (len(props) + 1) * (count + 1) {
		g.state(false)
	}
	if len(g.accept) > b.limits.States {
		panic(&LimitError{"states", b.limits.States})
	}
	end := g.state(true)
	g.edge(start, at(0, 0), seq(lit("{"), space))
	for i, p := range props {
		pair := seq(lit(quote(p.name)), space, lit(":"), space, b.conj(p.value))
		for c := range count + 1 {
			if !p.required {
				g.edge(at(i, c), at(i+1, c), empty)
			}
			if hi >= 0 && c >= hi {
				continue
			}
			if c == 0 {
				g.edge(at(i, c), at(i+1, 1), pair)
			} else {
				g.edge(at(i, c), at(i+1, min(c+1, count)), seq(comma, pair))
			}
		}
	}
	for c := range count + 1 {
		from := at(len(props), c)
		if c >= lo {
			g.edge(from, end, closing(c, "}"))
		}
		if others == nil || c+1 < lo || hi >= 0 && c >= hi {
			continue
		}
		// Others may have one name several times, so they add one to c.
		one, rest := others, -1
		if c > 0 {
			one = seq(comma, others)
		}
		if hi >= 0 {
			rest = hi - c - 1
		}
		g.edge(from, end, seq(one, repeat(seq(comma, others), 0, rest), closing(1, "}")))
	}
	return graphNode(g)
}

// maxPatterns bounds patternProperties: each set of patterns is a case.
const maxPatterns = 4

// keyPattern is a key of patternProperties.
type keyPattern struct {
	of    *jsonschema.Schema
	value *jsonschema.Schema
	dfa   *runeDFA
}

// others makes the pairs whose names are none of names; nil if there are none.
func (b *schemaBuilder) others(flat []*jsonschema.Schema, names []string) *node {
	free := anyString()
	and := func(d *runeDFA, not bool, at string) {
		var err error
		if free, err = free.and(d, not, b.limits.States); err != nil {
			panic(&SchemaError{at, err.Error()})
		}
	}
	var patterns []keyPattern
	named, opened := false, b.o.Open
	for _, s := range flat {
		p := pointer(s)
		if s.PropertyNames != nil {
			and(b.names(s.PropertyNames), false, p+"/propertyNames")
		}
		for _, re := range slices.SortedFunc(maps.Keys(s.PatternProperties), func(x, y jsonschema.Regexp) int { return strings.Compare(x.String(), y.String()) }) {
			patterns = append(patterns, keyPattern{s, s.PatternProperties[re], b.pattern(re.String(), p+"/patternProperties")})
		}
		if len(patterns) > maxPatterns {
			panic(&SchemaError{p + "/patternProperties", fmt.Sprintf("more than %d patterns", maxPatterns)})
		}
		named = named || len(s.Properties)+len(s.PatternProperties) > 0
		if x, isBool := s.AdditionalProperties.(bool); s.AdditionalProperties != nil && (!isBool || x) {
			opened = true
		}
	}
	if len(names) > 0 {
		and(wordSet(names), true, pointer(flat[len(flat)-1])+"/properties")
	}
	var out []*node
	for set := range 1 << len(patterns) {
		if set == 0 && named && !opened {
			continue
		}
		if n := b.keyed(flat, patterns, set, free); n != nil {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return ref(b.rule("property", alt(out...), false))
}

// keyed makes the pairs whose names match the patterns of set and no other.
func (b *schemaBuilder) keyed(flat []*jsonschema.Schema, patterns []keyPattern, set int, keys *runeDFA) *node {
	var all []*jsonschema.Schema
	for i, p := range patterns {
		var err error
		if keys, err = keys.and(p.dfa, set>>i&1 == 0, b.limits.States); err != nil {
			panic(&SchemaError{pointer(p.of) + "/patternProperties", err.Error()})
		}
		if set>>i&1 != 0 {
			all = append(all, p.value)
		}
	}
	for _, s := range flat {
		matched := false
		for i, p := range patterns {
			matched = matched || p.of == s && set>>i&1 != 0
		}
		ok := true
		if !matched {
			all, ok = additional(s, all)
		}
		if !ok {
			return nil
		}
	}
	if len(keys.edges[0]) == 0 && !keys.accept[0] {
		return nil
	}
	return seq(b.spell(keys), space, lit(":"), space, b.conj(all))
}

// names makes the automaton of the strings that satisfy a schema.
func (b *schemaBuilder) names(s *jsonschema.Schema) *runeDFA {
	var sum *runeDFA
	or := func(d *runeDFA) {
		if sum == nil {
			sum = d
			return
		}
		// a or b is not (not a and not b).
		a, err := anyString().and(sum, true, b.limits.States)
		if err == nil {
			a, err = a.and(d, true, b.limits.States)
		}
		if err == nil {
			a, err = anyString().and(a, true, b.limits.States)
		}
		if err != nil {
			panic(&SchemaError{pointer(s), err.Error()})
		}
		sum = a
	}
	or(wordSet(nil))
	for _, flat := range b.expand([]*jsonschema.Schema{s}) {
		if list, ok := constants(flat); ok {
			var words []string
			for _, v := range list {
				if w, ok := v.(string); ok {
					words = append(words, w)
				}
			}
			or(wordSet(words))
			continue
		}
		if !slices.Contains(typesOf(flat), "string") {
			continue
		}
		d := b.textDFA(flat)
		if d == nil {
			d = anyString()
		}
		if lo, hi := textBounds(flat); lo > 0 || hi >= 0 {
			var err error
			if max(lo, hi) > b.limits.States {
				panic(&LimitError{"characters in a name", b.limits.States})
			}
			if d, err = d.and(lengths(lo, hi), false, b.limits.States); err != nil {
				panic(&SchemaError{pointer(s), err.Error()})
			}
		}
		or(d)
	}
	return sum
}
