package recipe

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// TestDocumented: the example of docs/recipe.md has every key of the recipe, and none
// that the recipe does not have. A key that excludes another is a comment there.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/recipe.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```yaml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("no example")
	}
	have := documented(text)
	want := map[string]bool{}
	keysOf(reflect.TypeFor[Recipe](), "", want)
	for k := range want {
		if !have[k] {
			t.Errorf("docs/recipe.md does not say %s", k)
		}
	}
	for k := range have {
		// Of sections that stand elsewhere in full the example has some keys.
		if !want[k] {
			t.Errorf("docs/recipe.md says %s, which is no key", k)
		}
	}
}

var docKey = regexp.MustCompile(`^( *)(# )?( *)([a-z0-9-]+):( |$)`)

// documented are the keys of the example by their indent, with those in comments.
func documented(text string) map[string]bool {
	out := map[string]bool{}
	var path []string
	var indents []int
	for line := range strings.Lines(text) {
		m := docKey.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		in := len(m[1]) + len(m[3])
		for len(indents) > 0 && indents[len(indents)-1] >= in {
			path, indents = path[:len(path)-1], indents[:len(indents)-1]
		}
		path, indents = append(path, m[4]), append(indents, in)
		out[strings.Join(path, ".")] = true
	}
	return out
}

// keysOf collects the paths of a type's keys. Sections that repeat another's keys
// are one key.
func keysOf(t reflect.Type, at string, to map[string]bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("yaml")
		if !f.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			panic(fmt.Sprintf("%s.%s has no key", t, f.Name))
		}
		key := strings.TrimPrefix(at+"."+tag, ".")
		to[key] = true
		ft := f.Type
		for ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		switch key {
		case "on-policy.loss": // loss
		case "on-policy.generate": // data.generate, two of its keys
			for _, k := range []string{"sequences", "prompts"} {
				to[key+"."+k] = true
			}
		default:
			if ft.Kind() == reflect.Struct {
				keysOf(ft, key, to)
			}
		}
	}
}
