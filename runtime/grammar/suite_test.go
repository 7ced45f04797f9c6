package grammar

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// suiteGroup is a schema of the JSON-Schema-Test-Suite with its tests.
type suiteGroup struct {
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

// TestSuite runs the JSON-Schema-Test-Suite: a schema is refused with an error
// that says where, or its grammar allows none of the values that are not
// valid, in whatever order their properties come. How many of the valid ones
// it allows is logged, and may not fall.
func TestSuite(t *testing.T) {
	root := testdata.Shared(t, "data", "grammar", "JSON-Schema-Test-Suite")
	v := NewVocabulary(testWords())
	refused := map[string]int{}
	var report strings.Builder
	fmt.Fprint(&report, "| draft | schemas | honoured | values that are not valid, all refused | valid values allowed |\n| --- | --- | --- | --- | --- |\n")
	perFile := "| file | schemas | honoured |\n| --- | --- | --- |\n"
	for _, c := range []struct {
		draft          string
		schemas, valid int
	}{
		{"draft4", 128, 281}, {"draft6", 182, 351}, {"draft7", 185, 364}, {"draft2019-09", 197, 398}, {"draft2020-12", 195, 398},
	} {
		draft := c.draft
		files, err := filepath.Glob(filepath.Join(root, "tests", draft, "*.json"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", draft, len(files), err)
		}
		var groups, honoured, valid, allowed, invalid int
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var list []suiteGroup
			if err := json.Unmarshal(b, &list); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			before, had := groups, honoured
			for _, g := range list {
				groups++
				gr, err := FromSchema(withDraft(g.Schema, draft), SchemaOptions{Open: true})
				if err != nil {
					refused[why(err)]++
					if strings.Contains(err.Error(), "no value satisfies") {
						honoured++
						for _, x := range g.Tests {
							if x.Valid {
								t.Errorf("%s: %s: no value satisfies, but %s does", file, g.Description, x.Data)
							}
						}
					}
					continue
				}
				honoured++
				for _, x := range g.Tests {
					ok := slices.ContainsFunc(spellings(t, x.Data), func(s string) bool { return accepts(v, gr, s) })
					switch {
					case x.Valid:
						valid++
						if ok {
							allowed++
						} else if testing.Verbose() {
							t.Logf("valid, not allowed: %s: %s: %.80s", filepath.Base(file), g.Description, x.Data)
						}
					case ok:
						t.Errorf("%s: %s: %s: %s is allowed", file, g.Description, x.Description, x.Data)
					default:
						invalid++
					}
				}
			}
			if draft == "draft2020-12" {
				perFile += fmt.Sprintf("| %s | %d | %d |\n", strings.TrimSuffix(filepath.Base(file), ".json"), groups-before, honoured-had)
			}
		}
		fmt.Fprintf(&report, "| %s | %d | %d | %d | %d of %d |\n", draft, groups, honoured, invalid, allowed, valid)
		t.Logf("%s: %d schemas, %d honoured; of their values %d invalid ones all refused, %d of %d valid ones allowed", draft, groups, honoured, invalid, allowed, valid)
		if honoured < c.schemas || allowed < c.valid {
			t.Errorf("%s: %d schemas honoured, %d valid values allowed; want %d and %d", draft, honoured, allowed, c.schemas, c.valid)
		}
	}
	fmt.Fprintf(&report, "\nOf draft 2020-12, by file of the suite:\n\n%s\nRefused, all drafts together, by the keyword or reason that the error names:\n\n| refused | schemas |\n| --- | --- |\n", perFile)
	for _, k := range slices.Sorted(maps.Keys(refused)) {
		fmt.Fprintf(&report, "| %s | %d |\n", k, refused[k])
	}
	generated(t, "suite", report.String())
}

var update = flag.Bool("update", false, "write the generated parts of docs/grammar.md")

// TestDocs: docs/grammar.md lists what the code lists.
func TestDocs(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "Honoured: `%s`.\n\nPassed over, for they restrict nothing: `%s`, and names that begin with `x-`.\n\nFormats: `%s`.\n\n| refused | why |\n| --- | --- |\n",
		strings.Join(honoured, "` `"), strings.Join(silent, "` `"), strings.Join(slices.Sorted(maps.Keys(formats)), "` `"))
	why := Unsupported()
	for _, k := range slices.Sorted(maps.Keys(why)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", k, why[k])
	}
	generated(t, "keywords", b.String())
}

// generated compares a part of docs/grammar.md, or writes it with -update.
func generated(t *testing.T, part, text string) {
	t.Helper()
	name := filepath.Join(testdata.Root(t), "docs", "grammar.md")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	open, end := "<!-- "+part+": made by go test ./runtime/grammar -update -->\n", "<!-- end of "+part+" -->"
	before, rest, ok := strings.Cut(string(b), open)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no part %s", name, part)
	}
	switch {
	case old == text:
	case *update:
		if err := os.WriteFile(name, []byte(before+open+text+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the part %s of docs/grammar.md is old: go test ./runtime/grammar -update", part)
	}
}

// withDraft adds $schema to an object that has none.
func withDraft(doc json.RawMessage, draft string) []byte {
	uri := map[string]string{"draft4": "http://json-schema.org/draft-04/schema#", "draft6": "http://json-schema.org/draft-06/schema#", "draft7": "http://json-schema.org/draft-07/schema#"}[draft]
	s := strings.TrimSpace(string(doc))
	if uri == "" || !strings.HasPrefix(s, "{") || strings.Contains(s, `"$schema"`) || strings.TrimSpace(s[1:]) == "}" {
		return doc
	}
	return fmt.Appendf(nil, `{"$schema":%q,%s`, uri, s[1:])
}

// why is the keyword that an error names, or its text.
func why(err error) string {
	var se *SchemaError
	if errors.As(err, &se) {
		if _, last, ok := cutLast(se.Pointer); ok && (strings.Contains(se.Err, "keyword") || strings.HasPrefix(last, "format")) {
			return last
		}
		return strings.Split(se.Err, ": ")[0]
	}
	if strings.Contains(err.Error(), "failing loading") {
		return "a reference leads out of the document"
	}
	return fmt.Sprintf("%.60s", err)
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	return s[:max(i, 0)], s[i+1:], i >= 0
}

// spellings are the ways to write a value with its properties in any order,
// strings as the grammar writes them; the first 2,000.
func spellings(t *testing.T, data json.RawMessage) []string {
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return spell(v)
}

func spell(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{quote(v)}
	case []any:
		out := []string{""}
		for _, x := range v {
			out = join(out, spell(x))
		}
		for i := range out {
			out[i] = "[" + out[i] + "]"
		}
		return out
	case map[string]any:
		var out []string
		permute(slices.Sorted(maps.Keys(v)), 0, func(keys []string) {
			all := []string{""}
			for _, k := range keys {
				var pairs []string
				for _, x := range spell(v[k]) {
					pairs = append(pairs, quote(k)+":"+x)
				}
				all = join(all, pairs)
			}
			for _, s := range all {
				if len(out) < 2000 {
					out = append(out, "{"+s+"}")
				}
			}
		})
		return out
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return []string{string(b)}
}

func join(a, b []string) (out []string) {
	for _, x := range a {
		for _, y := range b {
			if x != "" {
				y = x + "," + y
			}
			if len(out) < 2000 {
				out = append(out, y)
			}
		}
	}
	return out
}

func permute(s []string, n int, f func([]string)) {
	if n == len(s) {
		f(s)
		return
	}
	for i := n; i < len(s) && i < n+5; i++ {
		s[n], s[i] = s[i], s[n]
		permute(s, n+1, f)
		s[n], s[i] = s[i], s[n]
	}
}
