package grammar

import (
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// escapes are the characters that a string must escape and can without \u.
var escapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// plainChars are the characters that a string holds as they are.
var plainChars = otherRanges([]runeRange{{0, ' ' - 1}, {'"', '"'}, {'\\', '\\'}})

// charNode is one character of ranges inside a string.
func charNode(ranges []runeRange) *node {
	var plain []runeRange
	var out []*node
	for _, r := range ranges {
		for _, p := range plainChars {
			if lo, hi := max(r.lo, p.lo), min(r.hi, p.hi); lo <= hi {
				plain = append(plain, runeRange{lo, hi})
			}
		}
		for _, c := range slices.Sorted(maps.Keys(escapes)) {
			if c >= r.lo && c <= r.hi {
				out = append(out, lit(escapes[c]))
			}
		}
	}
	return alt(append(out, class(normalRanges(plain)...))...)
}

// most bounds lengths and counts, which are ints of 32 bits on some boards.
const most = 1 << 24

// textBounds gathers minLength and maxLength; hi < 0: none.
func textBounds(flat []*jsonschema.Schema) (lo, hi int) {
	hi = -1
	for _, s := range flat {
		if s.MinLength != nil {
			lo = max(lo, *s.MinLength)
		}
		if s.MaxLength != nil && (hi < 0 || *s.MaxLength < hi) {
			hi = *s.MaxLength
		}
	}
	return lo, hi
}

// textDFA is what the own keywords of the schemas say of a string except its
// length; nil: nothing.
func (b *schemaBuilder) textDFA(flat []*jsonschema.Schema) *runeDFA {
	var d *runeDFA
	and := func(text, at string) {
		p := b.pattern(text, at)
		if d != nil {
			var err error
			if p, err = d.and(p, false, b.limits.States); err != nil {
				panic(&SchemaError{at, err.Error()})
			}
		}
		d = p
	}
	for _, s := range flat {
		if s.Pattern != nil {
			and(s.Pattern.String(), pointer(s)+"/pattern")
		}
		if f := b.format[s]; f != "" {
			and(formats[f], pointer(s)+"/format")
		}
	}
	return d
}

// text makes the strings that satisfy all schemas.
func (b *schemaBuilder) text(flat []*jsonschema.Schema) *node {
	lo, hi := textBounds(flat)
	d := b.textDFA(flat)
	if d == nil {
		return b.anyText(lo, hi)
	}
	if lo > 0 || hi >= 0 {
		at := pointer(flat[len(flat)-1])
		if n := max(lo, hi); n > b.limits.States {
			panic(&SchemaError{at, fmt.Sprintf("a pattern with a length of %d", n)})
		}
		var err error
		if d, err = d.and(lengths(lo, hi), false, b.limits.States); err != nil {
			panic(&SchemaError{at, "pattern and length together: " + err.Error()})
		}
	}
	return b.spell(d)
}

// anyText is a string of lo to hi characters; hi < 0: no bound.
func (b *schemaBuilder) anyText(lo, hi int) *node {
	n := b.strings[[2]int{lo, hi}]
	if n != nil {
		return n
	}
	char := charNode(anyRune)
	switch {
	case hi >= 0 && hi < lo:
		n = alt()
	case hi >= 0:
		n = seq(lit(`"`), repeat(char, lo, hi), lit(`"`))
	case lo > 0:
		n = seq(lit(`"`), repeat(char, lo, lo), ref(b.chars))
	default:
		n = seq(lit(`"`), ref(b.chars))
	}
	b.strings[[2]int{lo, hi}] = n
	return n
}

// spell makes the node of the strings that d accepts. Where d accepts whatever
// follows, the rule of any string goes on.
func (b *schemaBuilder) spell(d *runeDFA) *node {
	g := &graph{}
	start := g.state(false)
	for range d.edges {
		g.state(false)
	}
	end := g.state(true)
	g.edge(start, 1, lit(`"`))
	for s, edges := range d.edges {
		if d.all(s) {
			g.edge(1+s, end, ref(b.chars))
			continue
		}
		if d.accept[s] {
			g.edge(1+s, end, lit(`"`))
		}
		for i := 0; i < len(edges); {
			r := []runeRange{edges[i].runeRange}
			to := edges[i].to
			for i++; i < len(edges) && edges[i].to == to; i++ {
				r = append(r, edges[i].runeRange)
			}
			g.edge(1+s, 1+to, charNode(r))
		}
	}
	return graphNode(g)
}

// formats are patterns of the formats that strings can be generated in. They
// may be narrower than the format: no February 29, no leap second, no comment
// in an address.
var formats = func() map[string]string {
	const (
		date  = `\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))`
		clock = `(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)`
		octet = `(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
		label = `[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?`
		host  = label + `(?:\.` + label + `){0,5}`
		h16   = `[0-9a-fA-F]{1,4}`
		atom  = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"
		day   = `(?:\d{1,4}D)`
		tod   = `T(?:\d{1,4}H(?:\d{1,4}M(?:\d{1,4}S)?)?|\d{1,4}M(?:\d{1,4}S)?|\d{1,4}S)`
	)
	out := map[string]string{
		"date":      date,
		"time":      clock,
		"date-time": date + `T` + clock,
		"duration":  `P(?:(?:\d{1,4}Y(?:\d{1,4}M(?:\d{1,4}D)?)?|\d{1,4}M(?:\d{1,4}D)?|` + day + `)(?:` + tod + `)?|` + tod + `|\d{1,4}W)`,
		"uuid":      `[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`,
		"ipv4":      octet + `(?:\.` + octet + `){3}`,
		"ipv6":      `(?:` + h16 + `:){7}` + h16 + `|(?:` + h16 + `:){1,6}:` + h16 + `|::(?:` + h16 + `:){0,5}` + h16 + `|::`,
		"hostname":  host,
		"email":     atom + `(?:\.` + atom + `){0,2}@` + host,
	}
	for k, v := range out {
		out[k] = `^(?:` + v + `)$`
	}
	return out
}()
