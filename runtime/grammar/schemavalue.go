package grammar

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// space is what may stand between JSON tokens.
var space = alt(empty, lit(" "))

var jsonTypes = []string{"object", "array", "string", "number", "integer", "boolean", "null"}

// mayBe tells whether the keyword type lets a type pass.
func mayBe(s *jsonschema.Schema, t string) bool {
	if s.Types == nil || s.Types.IsEmpty() {
		return true
	}
	for _, x := range s.Types.ToStrings() {
		if x == t || x == "number" && t == "integer" {
			return true
		}
	}
	return false
}

// typesOf lists the types that all schemas let pass, integer only where
// number does not.
func typesOf(flat []*jsonschema.Schema) (out []string) {
	for _, t := range jsonTypes {
		ok := t != "integer" || !slices.Contains(out, "number")
		for _, s := range flat {
			ok = ok && mayBe(s, t)
		}
		if ok {
			out = append(out, t)
		}
	}
	return out
}

// constants lists the values of enum and const that satisfy all schemas; ok
// is false if there is neither keyword.
func constants(flat []*jsonschema.Schema) (out []any, ok bool) {
	for _, s := range flat {
		var list []any
		switch {
		case s.Const != nil:
			list = []any{*s.Const}
		case s.Enum != nil:
			list = s.Enum.Values
		default:
			continue
		}
	next:
		for _, v := range list {
			for _, s := range flat {
				if s.Validate(v) != nil {
					continue next
				}
			}
			out = append(out, v)
		}
		return out, true
	}
	return nil, false
}

// values makes the nodes, one or more for each type, of the values that
// satisfy the own keywords of all schemas.
func (b *schemaBuilder) values(flat []*jsonschema.Schema) (out []*node) {
	if list, ok := constants(flat); ok {
		for _, v := range list {
			out = append(out, constant(v))
		}
		return out
	}
	for _, t := range typesOf(flat) {
		switch t {
		case "null":
			out = append(out, lit("null"))
		case "boolean":
			out = append(out, lit("true"), lit("false"))
		case "number", "integer":
			out = append(out, b.number(flat, t == "integer"))
		case "string":
			out = append(out, b.text(flat))
		case "array":
			out = append(out, b.array(flat))
		case "object":
			out = append(out, b.object(flat))
		}
	}
	return out
}

// constant spells a value.
func constant(v any) *node {
	switch v := v.(type) {
	case nil:
		return lit("null")
	case bool:
		return lit(fmt.Sprint(v))
	case json.Number:
		return lit(v.String())
	case string:
		return lit(quote(v))
	case []any:
		out := []*node{lit("["), space}
		for i, x := range v {
			if i > 0 {
				out = append(out, space, lit(","), space)
			}
			out = append(out, constant(x))
		}
		if len(v) > 0 {
			out = append(out, space)
		}
		return seq(append(out, lit("]"))...)
	case map[string]any:
		out := []*node{lit("{"), space}
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				out = append(out, space, lit(","), space)
			}
			out = append(out, lit(quote(k)), space, lit(":"), space, constant(v[k]))
		}
		if len(v) > 0 {
			out = append(out, space)
		}
		return seq(append(out, lit("}"))...)
	}
	panic(fmt.Sprintf("grammar: a %T in a JSON value", v))
}

// maxLooked bounds possible, all calls together.
const maxLooked = 1 << 14

// possible tells whether a value might satisfy all schemas. It errs on the
// side of yes, and looks depth levels deep.
func (b *schemaBuilder) possible(all []*jsonschema.Schema, depth int) bool {
	if depth == 0 {
		return true
	}
	if b.looked++; b.looked > maxLooked {
		panic(&LimitError{"values looked at to tell alternatives of oneOf apart", maxLooked})
	}
	for _, flat := range b.expand(all) {
		if list, ok := constants(flat); ok {
			if len(list) > 0 {
				return true
			}
			continue
		}
		for _, t := range typesOf(flat) {
			switch t {
			case "number", "integer":
				lo, hi, _ := numbers(flat)
				if lo.Rat == nil || hi.Rat == nil {
					return true
				}
				if c := lo.Cmp(hi.Rat); c < 0 || c == 0 && !lo.excl && !hi.excl {
					return true
				}
			case "string":
				lo, hi := textBounds(flat)
				if hi < 0 || lo <= hi {
					return true
				}
			case "object":
				if b.possibleObject(flat, depth) {
					return true
				}
			default:
				return true
			}
		}
	}
	return false
}

// possibleObject looks at the required properties.
func (b *schemaBuilder) possibleObject(flat []*jsonschema.Schema, depth int) bool {
	for _, s := range flat {
		for _, name := range s.Required {
			v, ok := b.property(flat, name)
			if !ok || !b.possible(v, depth-1) {
				return false
			}
		}
	}
	return true
}

// quote spells a string, with \u only where nothing else will do.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch e, ok := escapes[r]; {
		case ok:
			b.WriteString(e)
		case r < ' ':
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
