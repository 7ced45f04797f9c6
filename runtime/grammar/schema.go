package grammar

import (
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// SchemaOptions says how a JSON schema becomes a grammar.
type SchemaOptions struct {
	Limits Limits
	// Open lets an object that names some properties have others too where
	// additionalProperties is absent, as the standard says. By default such an
	// object has no others: few schemas say so and mean otherwise, and a model
	// that may invent properties does.
	Open bool
}

// SchemaError is a schema, or a part of it, that cannot be honoured.
type SchemaError struct {
	Pointer string // JSON pointer to the schema or keyword
	Err     string
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("grammar: schema at %q: %s", e.Pointer, e.Err)
}

// FromSchema makes the grammar of the JSON texts that a JSON schema (drafts 4
// to 2020-12) allows, or of some of them:
//
//   - properties come in the schema's order, others after them;
//   - between JSON tokens there is at most one space;
//   - strings have no \u escapes (except in enum and const, for what cannot be
//     written otherwise);
//   - an unbounded number has at most 15 digits before and after the point and
//     2 in the exponent, one with bounds or multipleOf no exponent; an integer
//     has neither point nor exponent.
//
// Every text of the grammar is valid. Keywords that cannot be honoured are
// errors with a JSON pointer, see Unsupported; so are keywords that no draft
// knows, unless they begin with "x-". $ref reaches within the document only.
func FromSchema(doc []byte, o SchemaOptions) (*Grammar, error) {
	l := o.Limits.filled()
	rules, err := schemaRules(doc, o, l)
	if err != nil {
		return nil, err
	}
	g, err := link(rules, 0, l)
	if e := linkError(""); errors.As(err, &e) {
		return nil, &SchemaError{"", "no value satisfies the schema"}
	}
	return g, err
}

// AnyObject is the grammar of all JSON objects.
func AnyObject() *Grammar {
	g, err := FromSchema([]byte(`{"type":"object"}`), SchemaOptions{})
	if err != nil {
		panic("grammar: the schema of any object: " + err.Error())
	}
	return g
}

// schemaURL names the document; nothing is ever read from there.
const schemaURL = "qwq:///schema.json"

type noLoader struct{}

func (noLoader) Load(u string) (any, error) {
	return nil, fmt.Errorf("%s is not in the document", u)
}

// schemaRules makes the rules of a schema; rule 0 is the start.
func schemaRules(doc []byte, o SchemaOptions, l Limits) (rules []rule, err error) {
	if len(doc) > l.Bytes {
		return nil, &LimitError{"bytes of schema", l.Bytes}
	}
	raw, order, err := readSchema(doc, l)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.AssertFormat()
	if err := c.AddResource(schemaURL, raw); err != nil {
		return nil, fmt.Errorf("grammar: schema: %w", err)
	}
	s, err := c.Compile(schemaURL)
	if err != nil {
		return nil, fmt.Errorf("grammar: schema: %w", err)
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *SchemaError:
			rules, err = nil, e
		case *LimitError:
			rules, err = nil, e
		default:
			panic(e)
		}
	}()
	b := &schemaBuilder{o: o, limits: l, raw: raw, order: order, index: map[string]int{},
		checked: map[*jsonschema.Schema]bool{}, flat: map[*jsonschema.Schema][][]*jsonschema.Schema{}, format: map[*jsonschema.Schema]string{}, strings: map[[2]int]*node{}}
	b.rule("root", nil, false)
	b.chars = b.rule("string", seq(repeat(charNode(anyRune), 0, -1), lit(`"`)), true)
	root := b.conj([]*jsonschema.Schema{s})
	for i := 0; i < len(b.todo); i++ {
		b.build(b.todo[i])
	}
	b.rules[0].body = root
	return b.rules, nil
}

// schemaBuilder turns compiled schemas into rules.
type schemaBuilder struct {
	o       SchemaOptions
	limits  Limits
	raw     any
	order   map[string][]string // keys of the objects under "properties", by pointer
	rules   []rule
	index   map[string]int // conjunction -> rule
	todo    []pending
	checked map[*jsonschema.Schema]bool
	flat    map[*jsonschema.Schema][][]*jsonschema.Schema // what flatten has returned; nil: it has begun
	exclude []*jsonschema.Schema                          // whose alternatives of oneOf are to be told apart
	looked  int                                           // values that possible has looked at
	format  map[*jsonschema.Schema]string
	strings map[[2]int]*node // by minLength, maxLength
	chars   int              // the rule of any characters and the quote that ends a string
}

// pending is a rule whose right side is not made yet: what satisfies all of
// the schemas.
type pending struct {
	rule int
	all  []*jsonschema.Schema
}

func (b *schemaBuilder) rule(name string, body *node, shared bool) int {
	if len(b.rules) >= b.limits.Rules {
		panic(&LimitError{"rules", b.limits.Rules})
	}
	b.rules = append(b.rules, rule{name, body, shared})
	return len(b.rules) - 1
}

// conj returns the node of what satisfies all of the schemas.
func (b *schemaBuilder) conj(all []*jsonschema.Schema) *node {
	var key []string
	for _, s := range all {
		key = append(key, s.Location)
	}
	slices.Sort(key)
	name := strings.Join(slices.Compact(key), " ")
	i, ok := b.index[name]
	if !ok {
		i = b.rule(name, nil, false)
		b.index[name] = i
		b.todo = append(b.todo, pending{i, all})
	}
	return ref(i)
}

func (b *schemaBuilder) build(p pending) {
	var out []*node
	for _, flat := range b.expand(p.all) {
		out = append(out, b.values(flat)...)
	}
	b.rules[p.rule].body = alt(out...)
}

// pointer is where a schema stands in the document.
func pointer(s *jsonschema.Schema) string {
	p, ok := strings.CutPrefix(s.Location, schemaURL+"#")
	if !ok {
		panic(&SchemaError{s.Location, "a reference leads out of the document"})
	}
	p, err := url.PathUnescape(p)
	if err != nil {
		panic(&SchemaError{s.Location, err.Error()})
	}
	return p
}

// expand brings schemas into disjunctive normal form: each element satisfies
// the whole if it satisfies all of its schemas' own keywords, those that apply
// other schemas to the same value left out.
func (b *schemaBuilder) expand(all []*jsonschema.Schema) [][]*jsonschema.Schema {
	out := [][]*jsonschema.Schema{nil}
	for _, s := range all {
		out = cross(out, b.flatten(s))
	}
	for len(b.exclude) > 0 { // now that no schema is half done
		last := b.exclude[len(b.exclude)-1]
		b.exclude = b.exclude[:len(b.exclude)-1]
		b.exclusive(last)
	}
	return out
}

// maxAlternatives bounds the alternatives of one place.
const maxAlternatives = 1000

func cross(a, b [][]*jsonschema.Schema) (out [][]*jsonschema.Schema) {
	for _, x := range a {
		for _, y := range b {
			z := slices.Clone(x)
			for _, s := range y {
				if !slices.Contains(z, s) {
					z = append(z, s)
				}
			}
			if out = append(out, z); len(out) > maxAlternatives {
				panic(&LimitError{"alternatives of anyOf, oneOf and allOf together", maxAlternatives})
			}
		}
	}
	return out
}

func (b *schemaBuilder) flatten(s *jsonschema.Schema) [][]*jsonschema.Schema {
	b.check(s)
	if s.Bool != nil {
		if *s.Bool {
			return [][]*jsonschema.Schema{nil}
		}
		return nil
	}
	out, ok := b.flat[s]
	switch {
	case ok && out == nil:
		panic(&SchemaError{pointer(s), "the schema applies itself to the same value"})
	case ok:
		return out
	}
	b.flat[s] = nil // it has begun
	out = b.flattened(s)
	if out == nil {
		out = [][]*jsonschema.Schema{}
	}
	b.flat[s] = out
	return out
}

func (b *schemaBuilder) flattened(s *jsonschema.Schema) [][]*jsonschema.Schema {
	if s.Ref != nil && s.DraftVersion < 2019 {
		return b.flatten(s.Ref) // the standard ignores what stands beside it
	}
	out := [][]*jsonschema.Schema{{s}}
	if s.Ref != nil {
		out = cross(out, b.flatten(s.Ref))
	}
	for _, x := range s.AllOf {
		out = cross(out, b.flatten(x))
	}
	for _, of := range [][]*jsonschema.Schema{s.AnyOf, s.OneOf} {
		if len(of) == 0 {
			continue
		}
		var any [][]*jsonschema.Schema
		for _, x := range of {
			any = append(any, b.flatten(x)...)
		}
		out = cross(out, any)
	}
	if len(s.OneOf) > 1 {
		b.exclude = append(b.exclude, s)
	}
	return out
}

// exclusive refuses a oneOf whose alternatives may hold for one value.
func (b *schemaBuilder) exclusive(s *jsonschema.Schema) {
	for i, x := range s.OneOf {
		for j, y := range s.OneOf[:i] {
			if b.possible([]*jsonschema.Schema{x, y}, 4) {
				panic(&SchemaError{pointer(s) + "/oneOf", fmt.Sprintf("values may satisfy both %d and %d: only alternatives that exclude each other by type, const, enum, bounds or such a required property are supported; anyOf allows both", j, i)})
			}
		}
	}
}

// rat is a bound of a number.
type rat struct {
	*big.Rat
	excl bool
}

// numbers gathers what schemas say of numbers.
func numbers(flat []*jsonschema.Schema) (lo, hi rat, step *big.Rat) {
	for _, s := range flat {
		for _, x := range []rat{{s.Minimum, false}, {s.ExclusiveMinimum, true}} {
			if x.Rat != nil && (lo.Rat == nil || x.Cmp(lo.Rat) > 0 || x.Cmp(lo.Rat) == 0 && x.excl) {
				lo = x
			}
		}
		for _, x := range []rat{{s.Maximum, false}, {s.ExclusiveMaximum, true}} {
			if x.Rat != nil && (hi.Rat == nil || x.Cmp(hi.Rat) < 0 || x.Cmp(hi.Rat) == 0 && x.excl) {
				hi = x
			}
		}
		if s.MultipleOf != nil {
			step = lcm(step, s.MultipleOf)
		}
	}
	return lo, hi, step
}

// lcm is the least common multiple of two positive fractions, a may be nil.
func lcm(a, b *big.Rat) *big.Rat {
	if a == nil {
		return b
	}
	num, den := new(big.Int), new(big.Int)
	num.Mul(a.Num(), b.Num()).Div(num, new(big.Int).GCD(nil, nil, a.Num(), b.Num()))
	den.GCD(nil, nil, a.Denom(), b.Denom())
	return new(big.Rat).SetFrac(num, den)
}

// pattern makes the automaton of a pattern that stands at a pointer.
func (b *schemaBuilder) pattern(text, at string) *runeDFA {
	d, err := patternDFA(text, b.limits.States)
	if err != nil {
		msg := err.Error()
		var se *syntax.Error
		if errors.As(err, &se) {
			msg = "pattern: " + se.Error()
		}
		panic(&SchemaError{at, msg})
	}
	return d
}
