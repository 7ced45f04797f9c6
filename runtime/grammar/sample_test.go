package grammar

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// write draws tokens under the masks until the text ends, and after a while
// those that close things first. It returns false if the text does not end.
func write(t testing.TB, m *Matcher, rng *rand.Rand, soon int) (string, bool) {
	t.Helper()
	var text []byte
	var ids []int32
	for step := range 20 * soon {
		mask, err := m.Allowed()
		if err != nil {
			t.Fatalf("after %q: %v", text, err)
		}
		ids = ids[:0]
		for i := range int32(64 * len(mask)) {
			if mask[i>>6]>>(i&63)&1 != 0 {
				ids = append(ids, i)
			}
		}
		if len(ids) == 0 {
			t.Fatalf("after %q: nothing is allowed", text)
		}
		id := ids[rng.IntN(len(ids))]
		if step > soon {
			ids := slices.DeleteFunc(ids, func(id int32) bool { return !strings.ContainsRune(`"}]:n1tfu,0xb`, id) })
			if slices.Contains(ids, '"') {
				id = '"'
			} else if len(ids) > 0 {
				id = ids[rng.IntN(len(ids))]
			}
		}
		if m.Done() && step > soon {
			id = int32(m.v.vocab.Len() - 1) // the end token
		}
		if err := m.Accept(id); err != nil {
			t.Fatalf("after %q: token %d: %v", text, id, err)
		}
		if m.v.vocab.EOG(id) {
			return string(text), true
		}
		text = append(text, m.v.vocab.Token(id)...)
	}
	return string(text), false
}

// validator is the judge: the library that the front end reads schemas with,
// validating.
func validator(doc string) (*jsonschema.Schema, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(doc)))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	c.AssertFormat()
	if err := c.AddResource(schemaURL, v); err != nil {
		return nil, err
	}
	return c.Compile(schemaURL)
}

// moreSchemas are what clients send: several keywords at once, nested.
var moreSchemas = []string{
	`{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":40},"age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string","format":"email"},"tags":{"type":"array","items":{"enum":["a","b","c d"]},"maxItems":5},"address":{"type":"object","properties":{"street":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},"required":["street","zip"],"additionalProperties":false}},"required":["name","age"],"additionalProperties":false}`,
	`{"$defs":{"node":{"type":"object","properties":{"v":{"type":["number","null"]},"kids":{"type":"array","items":{"$ref":"#/$defs/node"},"maxItems":2}},"required":["v"]}},"$ref":"#/$defs/node"}`,
	`{"type":"object","additionalProperties":{"type":"array","items":{"anyOf":[{"type":"boolean"},{"type":"string","format":"date-time"}]}},"minProperties":1,"maxProperties":4}`,
	`{"anyOf":[{"type":"string","format":"uuid"},{"type":"string","format":"ipv6"},{"type":"string","format":"ipv4"},{"type":"string","format":"duration"},{"type":"string","format":"hostname"},{"type":"string","format":"email"},{"type":"string","format":"time"},{"type":"string","format":"date"}]}`,
	`{"type":"array","prefixItems":[{"type":"number","exclusiveMinimum":-1.5,"exclusiveMaximum":2.25},{"type":"integer","multipleOf":12},{"type":"number","multipleOf":0.05,"minimum":0}],"minItems":3,"items":{"type":"number","minimum":-10,"maximum":-0.001}}`,
	`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"patternProperties":{"^x":{"type":"integer"},"y$":{"minimum":3}},"additionalProperties":{"type":"null"},"propertyNames":{"maxLength":4},"maxProperties":5}`,
}

// TestValid draws texts under the masks of every schema and lets the library
// judge them.
func TestValid(t *testing.T) {
	docs := moreSchemas
	for _, c := range schemas {
		docs = append(docs, c.doc)
	}
	v := NewVocabulary(testWords())
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for _, doc := range docs {
		judge, err := validator(doc)
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		for _, open := range []bool{false, true} {
			g := mustSchema(t, doc, SchemaOptions{Open: open})
			rng := rand.New(rand.NewPCG(7, 7))
			unfinished := 0
			for range rounds {
				text, ok := write(t, v.Matcher(g), rng, 60)
				if !ok {
					unfinished++
					continue
				}
				x, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
				if err != nil {
					t.Fatalf("%s\nwrote %s: %v", doc, text, err)
				}
				if err := judge.Validate(x); err != nil {
					t.Fatalf("%s\nwrote %s: %v", doc, text, err)
				}
			}
			if 5*unfinished > rounds {
				t.Errorf("%s: %d of %d texts did not end", doc, unfinished, rounds)
			}
		}
	}
}

// FuzzSchema makes grammars of schemas and lets the library judge what they
// write.
func FuzzSchema(f *testing.F) {
	for _, doc := range moreSchemas {
		f.Add(doc, uint64(1))
	}
	for _, c := range schemas {
		f.Add(c.doc, uint64(2))
	}
	words := testWords()
	f.Fuzz(func(t *testing.T, doc string, seed uint64) {
		g, err := FromSchema([]byte(doc), SchemaOptions{Limits: small, Open: seed&1 != 0})
		if err != nil {
			return
		}
		judge, err := validator(doc)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		for range 3 {
			text, ok := write(t, NewVocabulary(words).Matcher(g), rng, 30)
			if !ok {
				continue
			}
			x, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(text)))
			if err != nil {
				t.Fatalf("wrote %s: %v", text, err)
			}
			if err := judge.Validate(x); err != nil {
				t.Fatalf("wrote %s: %v", text, err)
			}
		}
	})
}
