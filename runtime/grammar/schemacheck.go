package grammar

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// honoured are the keywords that shape what is generated, silent those that by
// the standards restrict nothing.
var (
	honoured = strings.Fields("$ref type enum const allOf anyOf oneOf minimum maximum exclusiveMinimum exclusiveMaximum multipleOf " +
		"minLength maxLength pattern format properties required additionalProperties patternProperties propertyNames " +
		"minProperties maxProperties items prefixItems additionalItems minItems maxItems uniqueItems")
	silent = strings.Fields("$schema $id id $anchor $dynamicAnchor $recursiveAnchor $defs definitions $comment title description default examples example " +
		"deprecated readOnly writeOnly contentEncoding contentMediaType contentSchema")
	counted     = strings.Fields("minLength maxLength minItems maxItems minProperties maxProperties")
	unsupported = map[string]string{
		"not":                   "what must not match cannot be generated",
		"if":                    "conditions are not supported; anyOf is",
		"then":                  "conditions are not supported; anyOf is",
		"else":                  "conditions are not supported; anyOf is",
		"dependencies":          "dependencies between properties are not supported",
		"dependentRequired":     "dependencies between properties are not supported",
		"dependentSchemas":      "dependencies between properties are not supported",
		"contains":              "a mask cannot look for an item that is to come",
		"minContains":           "a mask cannot look for an item that is to come",
		"maxContains":           "a mask cannot look for an item that is to come",
		"unevaluatedItems":      "additionalItems and items are supported",
		"unevaluatedProperties": "additionalProperties is supported",
		"$dynamicRef":           "references that depend on the way to them are not supported; $ref is",
		"$recursiveRef":         "references that depend on the way to them are not supported; $ref is",
		"$vocabulary":           "vocabularies are not supported",
	}
)

// Unsupported lists the keywords of JSON schema that FromSchema refuses, each
// with the reason. Besides, it refuses uniqueItems: true unless maxItems is at
// most 1, formats without a pattern of their own, more than 4 patterns in
// patternProperties, oneOf whose alternatives may overlap, a minProperties
// that two or more names outside properties would have to fill, and a
// multipleOf with more than 5,000 residues.
func Unsupported() map[string]string {
	out := map[string]string{}
	for k, v := range unsupported {
		out[k] = v
	}
	return out
}

// check refuses a schema whose keywords are not all understood.
func (b *schemaBuilder) check(s *jsonschema.Schema) {
	if b.checked[s] {
		return
	}
	b.checked[s] = true
	p := pointer(s)
	v := b.raw
	for i, t := range strings.Split(p, "/") {
		if i == 0 {
			continue // before the first slash
		}
		t = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
		switch x := v.(type) {
		case map[string]any:
			v = x[t]
		case []any:
			i := 0
			if _, err := fmt.Sscanf(t, "%d", &i); err != nil || i < 0 || i >= len(x) {
				panic(&SchemaError{p, "the schema is not in the document"})
			}
			v = x[i]
		}
	}
	keys, ok := v.(map[string]any)
	if !ok {
		if _, ok := v.(bool); !ok {
			panic(&SchemaError{p, "the schema is not in the document"})
		}
		return
	}
	if s.Ref != nil && s.DraftVersion < 2019 {
		return
	}
	var names []string
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		reason, refused := unsupported[k]
		switch {
		case refused:
			panic(&SchemaError{p + "/" + k, "the keyword is not supported: " + reason})
		case !slices.Contains(honoured, k) && !slices.Contains(silent, k) && !strings.HasPrefix(k, "x-"):
			panic(&SchemaError{p + "/" + strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1"), "unknown keyword"})
		}
	}
	for _, k := range counted {
		if n, ok := keys[k].(json.Number); ok {
			if x, ok := new(big.Rat).SetString(n.String()); ok && x.Cmp(big.NewRat(most, 1)) > 0 {
				panic(&SchemaError{p + "/" + k, fmt.Sprintf("%s is more than %d, the most that is supported", n, most)})
			}
		}
	}
	if s.UniqueItems && (s.MaxItems == nil || *s.MaxItems > 1) {
		panic(&SchemaError{p + "/uniqueItems", "that items differ cannot be seen from a mask"})
	}
	if f, ok := keys["format"].(string); ok && mayBe(s, "string") {
		if formats[f] == "" {
			panic(&SchemaError{p + "/format", fmt.Sprintf("the format %q is not supported", f)})
		}
		b.format[s] = f
	}
}
