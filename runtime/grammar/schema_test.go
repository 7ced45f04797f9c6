package grammar

import (
	"errors"
	"strings"
	"testing"
)

func mustSchema(t testing.TB, doc string, o SchemaOptions) *Grammar {
	t.Helper()
	g, err := FromSchema([]byte(doc), o)
	if err != nil {
		t.Fatalf("%s\n%v", doc, err)
	}
	return g
}

// schemas are schemas with texts that are allowed and texts that are not,
// though they may be valid.
var schemas = []struct {
	name, doc string
	yes, no   []string
}{
	{"anything", `true`, []string{`1`, `"a"`, `{"a": [1, {"b": null}], "c" :true }`, `[ ]`, `-0.5e-3`}, []string{``, ` 1`, `1 `, `{"a":  1}`, `"\u0041"`, `01`, `1.`, `"` + "\n" + `"`, `"\/"`}},
	{"object", `{"type":"object"}`, []string{`{}`, `{ }`, `{"x":1}`}, []string{`[]`, `{"x":1,}`}},
	{"properties", `{"properties":{"b":{"type":"integer"},"a":{"type":"string"}},"required":["a"],"type":"object"}`,
		[]string{`{"b":1,"a":"x"}`, `{"a":""}`, `{ "b" : 1 , "a" : "x" }`}, []string{`{}`, `{"b":1}`, `{"a":"x","b":1}`, `{"a":1}`, `{"a":"x","c":1}`}},
	{"all optional", `{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}}}`,
		[]string{`{}`, `{"a":1}`, `{"b":2}`, `{"c":3}`, `{"a":1,"c":3}`, `{"a":1,"b":2,"c":3}`}, []string{`{"b":2,"a":1}`, `{,"a":1}`, `{"a":1,,"c":3}`}},
	{"additional", `{"type":"object","properties":{"ab":{"const":1}},"additionalProperties":{"type":"boolean"}}`,
		[]string{`{"ab":1,"x":true}`, `{"a":true,"abc":false,"":true}`}, []string{`{"ab":true}`, `{"x":1}`, `{"x":true,"ab":1}`}},
	{"pattern properties", `{"type":"object","patternProperties":{"^a":{"type":"integer"},"b$":{"maximum":5}},"additionalProperties":false}`,
		[]string{`{"a":7}`, `{"ab":5}`, `{"b":"x"}`, `{"xb":2.5}`}, []string{`{"ab":6}`, `{"ab":2.5}`, `{"c":1}`, `{"b":6}`, `{"a":"x"}`}},
	{"property names", `{"type":"object","propertyNames":{"pattern":"^[a-z]+$","maxLength":3}}`, []string{`{"abc":1}`}, []string{`{"abcd":1}`, `{"A":1}`, `{"":1}`}},
	{"property count", `{"type":"object","properties":{"a":true,"b":true,"c":true},"minProperties":1,"maxProperties":2}`,
		[]string{`{"a":1}`, `{"b":1,"c":1}`}, []string{`{}`, `{"a":1,"b":1,"c":1}`}},
	{"count of others", `{"type":"object","minProperties":1,"maxProperties":2}`, []string{`{"a":1}`, `{"b":1,"c":1}`}, []string{`{}`, `{"a":1,"b":1,"c":1}`}},
	{"items", `{"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3}`, []string{`[1]`, `[1, 2,3]`}, []string{`[]`, `[1,2,3,4]`, `["a"]`}},
	{"many items", `{"type":"array","items":{"type":"string"},"minItems":2,"maxItems":300}`, []string{`["a","b"]`, `["a"` + strings.Repeat(`,"b"`, 299) + `]`}, []string{`["a"]`, `["a"` + strings.Repeat(`,"b"`, 300) + `]`}},
	{"tuple", `{"type":"array","prefixItems":[{"const":1},{"const":2}],"items":false}`, []string{`[]`, `[1]`, `[1,2]`}, []string{`[2]`, `[1,2,3]`}},
	{"old tuple", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","items":[{"const":1}],"additionalItems":{"const":5},"maxItems":3}`, []string{`[]`, `[1]`, `[1,5,5]`}, []string{`[5]`, `[1,5,5,5]`}},
	{"no items", `{"type":"array","maxItems":0}`, []string{`[]`, `[ ]`}, []string{`[1]`}},
	{"lengths", `{"type":"string","minLength":2,"maxLength":3}`, []string{`"ab"`, `"日本語"`, `"\n\"x"`}, []string{`"a"`, `"abcd"`}},
	{"long", `{"type":"string","minLength":20,"maxLength":200}`, []string{`"` + strings.Repeat("é", 200) + `"`, `"` + strings.Repeat("a", 20) + `"`}, []string{`"` + strings.Repeat("a", 19) + `"`, `"` + strings.Repeat("a", 201) + `"`}},
	{"min length", `{"type":"string","minLength":2}`, []string{`"ab"`, `"abcdef"`}, []string{`"a"`}},
	{"pattern", `{"type":"string","pattern":"^a+b?$"}`, []string{`"a"`, `"aab"`}, []string{`""`, `"b"`, `"abc"`}},
	{"free pattern", `{"type":"string","pattern":"x[0-9]"}`, []string{`"x1"`, `"ax xx1b"`}, []string{`"x"`, `"1x"`}},
	{"pattern and length", `{"type":"string","pattern":"^[a-z]*$","maxLength":4,"allOf":[{"pattern":"b"}]}`, []string{`"b"`, `"aabc"`}, []string{`"aaaa"`, `"aaaab"`}},
	{"quotes in a pattern", `{"type":"string","pattern":"^[\"\\\\\n]$"}`, []string{`"\""`, `"\\"`, `"\n"`}, []string{`"""`, `"n"`}},
	{"date", `{"type":"string","format":"date"}`, []string{`"2024-12-31"`}, []string{`"2024-13-01"`, `"2024-02-30"`, `""`}},
	{"integer", `{"type":"integer"}`, []string{`0`, `-1`, `123456789012345`}, []string{`-0`, `1.0`, `01`, `1234567890123456`, `1e2`}},
	{"integer range", `{"type":"integer","minimum":-12,"exclusiveMaximum":105}`, []string{`-12`, `-9`, `0`, `9`, `99`, `104`}, []string{`-13`, `105`, `-0`, `200`, `-100`}},
	{"large range", `{"type":"integer","minimum":100000000000000000000}`, []string{`100000000000000000000`, `999999999999999999999`}, []string{`99999999999999999999`}},
	{"number range", `{"type":"number","exclusiveMinimum":0,"maximum":1.25}`, []string{`0.1`, `1.25`, `1`, `0.001`, `1.250`}, []string{`0`, `0.0`, `1.26`, `1.251`, `2`, `-1`, `0.`}},
	{"negative range", `{"type":"number","maximum":-1.5}`, []string{`-1.5`, `-2`, `-100.25`}, []string{`-1`, `-1.49`, `0`, `1.5`}},
	{"multiple", `{"type":"integer","multipleOf":7,"minimum":10}`, []string{`14`, `700`}, []string{`7`, `15`}},
	{"decimal multiple", `{"type":"number","multipleOf":0.25,"maximum":2}`, []string{`0.25`, `1.5`, `-3.75`, `2`, `0.50`}, []string{`0.3`, `2.25`, `0.125`}},
	{"enum", `{"enum":["a b",1,null,{"k":[1,2]},"\u0001"]}`, []string{`"a b"`, `1`, `null`, `{"k": [1 ,2]}`, `"\u0001"`}, []string{`2`, `"a"`}},
	{"enum and type", `{"enum":["a",1,"bb"],"type":"string","maxLength":1}`, []string{`"a"`}, []string{`1`, `"bb"`}},
	{"types", `{"type":["string","null"]}`, []string{`null`, `"x"`}, []string{`1`}},
	{"anyOf", `{"anyOf":[{"type":"integer"},{"type":"string","maxLength":1}]}`, []string{`12`, `"a"`}, []string{`"ab"`, `null`}},
	{"oneOf by tag", `{"oneOf":[{"type":"object","properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k","x"]},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]}`,
		[]string{`{"k":"a","x":1}`, `{"k":"b"}`}, []string{`{"k":"a"}`, `{"k":"b","x":1}`}},
	{"allOf", `{"type":"object","allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"maximum":5},"b":{"type":"null"}}}]}`,
		[]string{`{"a":5}`, `{"a":1,"b":null}`}, []string{`{"a":6}`, `{"b":null}`, `{"a":1.5}`}},
	{"recursion", `{"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"]}},"$ref":"#/$defs/n"}`,
		[]string{`{"v":1,"next":null}`, `{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}`}, []string{`{"v":1}`, `{"v":1,"next":{}}`}},
	{"anchor and id", `{"$id":"https://example.com/a","$defs":{"s":{"$anchor":"s","type":"string"}},"type":"array","items":{"$ref":"#s"}}`, []string{`["a"]`}, []string{`[1]`}},
	{"unsatisfiable branch", `{"anyOf":[{"type":"integer","minimum":5,"maximum":4},{"const":"x"}]}`, []string{`"x"`}, []string{`4`, `5`}},
	{"oneOf in a tree", `{"$defs":{"t":{"oneOf":[{"type":"object","properties":{"k":{"const":"leaf"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"node"},"l":{"$ref":"#/$defs/t"}},"required":["l","k"]}]}},"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}]}`,
		[]string{`null`, `{"k":"leaf"}`, `{"k":"node","l":{"k":"node","l":{"k":"leaf"}}}`}, []string{`{"k":"node"}`, `{"k":"leaf","l":{"k":"leaf"}}`}},
	{"annotations", `{"title":"t","description":"d","default":1,"examples":[1],"x-any":1,"type":"integer","format":"int32"}`, []string{`1`}, []string{`"a"`}},
}

func accepts(v *Vocabulary, g *Grammar, text string) bool {
	m := v.Matcher(g)
	return m.AcceptText([]byte(text)) == nil && m.Done()
}

func TestSchemas(t *testing.T) {
	for _, c := range schemas {
		t.Run(c.name, func(t *testing.T) {
			v := NewVocabulary(testWords())
			g := mustSchema(t, c.doc, SchemaOptions{})
			for _, s := range c.yes {
				if !accepts(v, g, s) {
					t.Errorf("%.80s is refused", s)
				}
			}
			for _, s := range c.no {
				if accepts(v, g, s) {
					t.Errorf("%.80s is accepted", s)
				}
			}
			for _, s := range c.yes {
				m := v.Matcher(g)
				for i := 0; i < len(s) && i < 60; i++ {
					if err := compare(m); err != nil {
						t.Fatalf("after %s: %v", s[:i], err)
					}
					if err := m.AcceptText([]byte{s[i]}); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

func TestOpen(t *testing.T) {
	doc := `{"type":"object","properties":{"a":{"const":1}}}`
	v := NewVocabulary(testWords())
	if accepts(v, mustSchema(t, doc, SchemaOptions{}), `{"a":1,"b":2}`) {
		t.Error("another property is accepted")
	}
	if !accepts(v, mustSchema(t, doc, SchemaOptions{Open: true}), `{"a":1,"b":2}`) {
		t.Error("another property is refused with Open")
	}
}

func TestSchemaErrors(t *testing.T) {
	for name, c := range map[string]struct{ doc, want string }{
		"no JSON":           {`{`, "unexpected EOF"},
		"two values":        {`{} {}`, "something after"},
		"key twice":         {`{"type":"object","type":"array"}`, `"/type": the key comes twice`},
		"no schema":         {`{"type":"strin"}`, "schema"},
		"not":               {`{"properties":{"a/b":{"not":{}}},"type":"object"}`, `"/properties/a~1b/not": the keyword is not supported`},
		"if":                {`{"if":{"type":"string"},"then":{"maxLength":3}}`, `"/if"`},
		"unknown":           {`{"maxLenght":3}`, `"/maxLenght": unknown keyword`},
		"unique":            {`{"type":"array","uniqueItems":true}`, `"/uniqueItems"`},
		"format":            {`{"type":"string","format":"iri"}`, `"/format": the format "iri"`},
		"overlap":           {`{"oneOf":[{"type":"integer"},{"minimum":5}]}`, `"/oneOf": values may satisfy both 0 and 1`},
		"remote":            {`{"$ref":"https://example.com/x"}`, "not in the document"},
		"file":              {`{"$ref":"file:///etc/passwd"}`, "not in the document"},
		"metaschema":        {`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, "out of the document"},
		"itself":            {`{"$ref":"#"}`, "applies itself"},
		"itself by anyOf":   {`{"anyOf":[{"$ref":"#"},{"type":"null"}]}`, "applies itself"},
		"lookahead":         {`{"type":"string","pattern":"^(?=a)"}`, "pattern"},
		"word boundary":     {`{"type":"string","pattern":"\\ba"}`, `"/pattern": word boundaries`},
		"false":             {`false`, "no value satisfies"},
		"empty":             {`{"type":"integer","minimum":5,"maximum":4}`, "no value satisfies"},
		"endless":           {`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, "no value satisfies"},
		"forbidden":         {`{"type":"object","properties":{"a":false},"required":["a"]}`, "no value satisfies"},
		"large multiple":    {`{"type":"integer","multipleOf":123456}`, "residues"},
		"long number":       {`{"minimum":1e999999999}`, `"/minimum": the number`},
		"deep":              {strings.Repeat(`{"items":`, 200) + `{}` + strings.Repeat(`}`, 200), "128 nested"},
		"min length":        {`{"type":"string","minLength":99999999999}`, `"/minLength": 99999999999 is more than 16777216`},
		"max length":        {`{"type":"string","maxLength":16777217}`, `"/maxLength": 16777217 is more than 16777216`},
		"wrapped length":    {`{"type":"string","maxLength":4294967297}`, `"/maxLength": 4294967297 is more than`},
		"max items":         {`{"items":{"type":"array","maxItems":1e8},"type":"array"}`, `"/items/maxItems": 1e8 is more than`},
		"max properties":    {`{"type":"object","maxProperties":99999999}`, `"/maxProperties"`},
		"distinct names":    {`{"type":"object","minProperties":3}`, "/minProperties"},
		"blow-up":           {`{"type":"string","pattern":"(a|b)*a(a|b){20}$"}`, "states"},
		"many alternatives": {`{"allOf":[` + strings.Repeat(`{"anyOf":[{"type":"string"},{"maxLength":1},{"minLength":3}]},`, 7) + `{}]}`, "1000 alternatives"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := FromSchema([]byte(c.doc), SchemaOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := FromSchema([]byte(`{"type":"object"}`), SchemaOptions{Limits: Limits{Bytes: 5}}); !errors.As(err, new(*LimitError)) {
		t.Errorf("a long schema: got %v", err)
	}
}
