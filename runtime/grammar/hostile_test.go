package grammar

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// doubling is a schema of n definitions, each of which names the one before twice.
func doubling(n int, keyword string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"$ref":"#/$defs/a%d","$defs":{"a0":{"type":"object"}`, n)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, `,"a%d":{%q:[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]}`, i, keyword, i-1, i-1)
	}
	return b.String() + "}}"
}

// TestHostile: grammars that are made to cost much are compiled or refused soon, and so is
// the first mask of those that are compiled.
func TestHostile(t *testing.T) {
	if testing.Short() {
		t.Skip("5 s, and longer under the race detector")
	}
	chain := "root ::= r0\n"
	for i := range 2000 {
		chain += fmt.Sprintf("r%d ::= \"a\" r%d | \"b\" r%d r%d\n", i, i+1, i+1, i+1)
	}
	chain += "r2000 ::= \"c\"\n"
	wide := "root ::= ("
	for i := range 5000 {
		wide += fmt.Sprintf("[a-z]* %q | ", fmt.Sprint(i))
	}
	wide += `"x")*`
	many := `{"type":"object","properties":{`
	for i := range 1000 {
		many += fmt.Sprintf(`"p%d":{"type":["string","integer","null"]},`, i)
	}
	many += `"z":true}}`
	required := `{"oneOf":[{"$ref":"#/$defs/a0"},{"$ref":"#/$defs/a0"}],"$defs":{"a4":{"type":"object"}`
	for i := range 4 {
		required += fmt.Sprintf(`,"a%d":{"type":"object","properties":{"p0":{"$ref":"#/$defs/a%d"}`, i, i+1)
		names := `"p0"`
		for n := 1; n < 150; n++ {
			required += fmt.Sprintf(`,"p%d":{"$ref":"#/$defs/a%d"}`, n, i+1)
			names += fmt.Sprintf(`,"p%d"`, n)
		}
		required += `},"required":[` + names + `]}`
	}
	required += "}}"
	for name, text := range map[string]string{
		"required of required":   required,
		"repeats of repeats":     `root ::= (((([a-c]{0,1000}){0,1000}){0,1000}){0,1000}){0,1000}`,
		"stars of stars":         `root ::= ((((([a-z]*)*)*)*)*)* "."`,
		"optionals":              `root ::= ` + strings.Repeat(`[a-z]? `, 3000) + `"."`,
		"ambiguous":              `root ::= ` + strings.Repeat(`[a-z]* `, 300) + `"."`,
		"two readings":           "root ::= x x x x x x x x x x\nx ::= (y | z)*\ny ::= \"a\" x \"b\"\nz ::= \"a\" x \"b\" | \"ab\"",
		"doubling calls":         chain,
		"many alternatives":      wide,
		"many classes":           `root ::= (` + strings.Repeat(`[^a-z] | [b-y0-9] | `, 3000) + `"x")*`,
		"hidden left recursion":  "root ::= a*\na ::= b? c\nb ::= \"x\"\nc ::= d?\nd ::= root \"y\"",
		"doubling allOf":         doubling(40, "allOf"),
		"doubling anyOf":         doubling(40, "anyOf"),
		"doubling oneOf":         doubling(40, "oneOf"),
		"nested arrays":          strings.Repeat(`{"type":"array","minItems":100,"maxItems":1000,"items":`, 30) + `{"type":"string"}` + strings.Repeat("}", 30),
		"alternatives by digits": `{"oneOf":[` + strings.Repeat(`{"type":"number","minimum":1},`, 300) + `{"const":0}]}`,
		"bounded text, bounded":  `{"type":"array","maxItems":16777216,"items":{"type":"string","minLength":16777216}}`,
		"patterns":               `{"type":"string","allOf":[{"pattern":"(a|b)*a(a|b){9}"},{"pattern":"(b|c)*b(b|c){9}"},{"pattern":"(c|a)*c(c|a){9}"}],"maxLength":60000}`,
		"pattern with a counter": `{"type":"string","pattern":"^((a{1,900}b){1,900}c){1,900}$"}`,
		"many properties":        many,
		"counted properties":     many[:len(many)-1] + `,"minProperties":300,"maxProperties":700}`,
		"names by patterns":      `{"type":"object","patternProperties":{"a.*b":{},"b.*c":{},"(c|d)*e":{},"^.{200}$":{}},"propertyNames":{"maxLength":300}}`,
		"many digits":            `{"type":"number","minimum":1e-300,"maximum":1e300,"multipleOf":1e-300}`,
		"long enum":              `{"enum":["` + strings.Repeat("q", 500000) + `"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			g, err := func() (*Grammar, error) {
				if text[0] == '{' {
					return FromSchema([]byte(text), SchemaOptions{})
				}
				return ParseGBNF(text, Limits{})
			}()
			compiled := time.Since(start)
			said := "compiled"
			if err != nil {
				said = fmt.Sprintf("%.100v", err)
			} else {
				m := NewVocabulary(testWords()).Matcher(g)
				for range 20 {
					mask, err := m.Allowed()
					if err != nil {
						said = err.Error()
						break
					}
					if !takeOne(m, mask) {
						break
					}
				}
			}
			runtime.ReadMemStats(&after)
			took, bytes := time.Since(start), after.TotalAlloc-before.TotalAlloc
			t.Logf("%v, %v in all, %d MB: %s", compiled.Round(time.Millisecond), took.Round(time.Millisecond), bytes>>20, said)
			if took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if bytes > 2<<30 {
				t.Errorf("%d bytes were allocated", bytes)
			}
		})
	}
}

// takeOne goes past the first token that is allowed.
func takeOne(m *Matcher, mask []uint64) bool {
	for i := range int32(64 * len(mask)) {
		if mask[i>>6]>>(i&63)&1 != 0 {
			return m.Accept(i) == nil
		}
	}
	return false
}
