package chat

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

type unitCase struct {
	Name, Template, Expected string
	Context                  json.RawMessage
}

// unitFuncs are the contexts of the cases that JSON cannot express, rebuilt
// from their expected texts.
var unitFuncs = map[string]Context{
	"NUMBERS": {"a": 0, "add": Func(func(a []any, _ *Dict) (any, error) { return a[0].(int64) + a[1].(int64), nil })},
	"FUNCTIONS": {"x": 10, "apple": "apple",
		"func": Func(func(a []any, _ *Dict) (any, error) { return len(a), nil })},
	"OBJ_METHODS": {"x": "A", "y": "B", "obj": map[string]any{
		"x": Func(joinArgs("")),
		"z": map[string]any{"A": Func(joinArgs("_"))},
	}},
	"IS_OPERATOR_4": {"func": Func(joinArgs(""))},
}

func joinArgs(sep string) Func {
	return func(a []any, _ *Dict) (any, error) {
		s := make([]string, len(a))
		for i, v := range a {
			s[i] = fmt.Sprint(v)
		}
		return strings.Join(s, sep), nil
	}
}

func unitCases(t testing.TB, file string) []unitCase {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cases []unitCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func unitContext(t testing.TB, c unitCase) Context {
	if ctx, ok := unitFuncs[c.Name]; ok {
		return ctx
	}
	v, err := ParseJSON(c.Context)
	if err != nil {
		t.Fatal(err)
	}
	ctx := Context{}
	v.(*Dict).All(func(k, v any) bool { ctx[k.(string)] = v; return true })
	return ctx
}

func TestHuggingFaceUnit(t *testing.T) {
	cases := unitCases(t, "testdata/hf_jinja_unit.json")
	if len(cases) != 161 {
		t.Fatalf("got %d cases, want 161", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			tm, err := ParseWith(c.Name, c.Template, Options{Dialect: HuggingFaceJS})
			if err != nil {
				t.Fatal(err)
			}
			got, err := tm.Render(unitContext(t, c))
			if err != nil {
				t.Fatal(err)
			}
			if got != c.Expected {
				t.Errorf("template %q\ngot  %q\nwant %q", c.Template, got, c.Expected)
			}
		})
	}
}
