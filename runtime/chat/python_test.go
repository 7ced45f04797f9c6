package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// goldenNow is the time that testdata/gen/reference.py tells templates.
var goldenNow = time.Date(2025, 7, 4, 9, 8, 7, 0, time.UTC)

var goldenOptions = Options{Now: func() time.Time { return goldenNow }}

type pythonCase struct {
	Template string
	Want     *string
	Error    string
	Context  json.RawMessage
}

func pythonCases(t testing.TB) (Context, []pythonCase) {
	b, err := os.ReadFile("testdata/python_unit.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []pythonCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	ctx := contextOf(t, cases[0].Context)
	d := NewDict() // stored as pairs: a key is an integer
	for _, pair := range ctx["d"].(*List).items {
		if err := d.Set(pair.(*List).items[0], pair.(*List).items[1]); err != nil {
			t.Fatal(err)
		}
	}
	ctx["d"] = d
	return ctx, cases[1:]
}

func contextOf(t testing.TB, data []byte) Context {
	v, err := ParseJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	ctx := Context{}
	v.(*Dict).All(func(k, v any) bool { ctx[k.(string)] = v; return true })
	return ctx
}

func TestPythonUnit(t *testing.T) {
	ctx, cases := pythonCases(t)
	if len(cases) != 689 {
		t.Fatalf("got %d cases, want 689", len(cases))
	}
	for _, c := range cases {
		got, err := func() (string, error) {
			tm, err := ParseWith("unit", c.Template, goldenOptions)
			if err != nil {
				return "", err
			}
			return tm.Render(ctx)
		}()
		switch {
		case c.Want == nil && err == nil:
			t.Errorf("%s\ngot  %q\nwant an error as in Python: %s", c.Template, got, c.Error)
		case c.Want == nil:
		case err != nil:
			t.Errorf("%s\ngot  error %v\nwant %q", c.Template, err, *c.Want)
		case got != *c.Want:
			t.Errorf("%s\ngot  %q\nwant %q", c.Template, got, *c.Want)
		}
	}
}

type realCase struct {
	Template, Conversation string
	Context                json.RawMessage
	Want                   *string
	Error                  string
}

func realCases(t testing.TB) []realCase {
	b, err := os.ReadFile("testdata/real_templates.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []realCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func loadTemplate(t testing.TB, file string) *Template {
	dir := testdata.Shared(t, "data", "templates", "llama.cpp")
	src, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	tm, err := ParseWith(file, string(src), goldenOptions)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

func TestRealTemplates(t *testing.T) {
	cases := realCases(t)
	if len(cases) != 30 {
		t.Fatalf("got %d cases, want 5 templates x 6 conversations", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Template+"/"+c.Conversation, func(t *testing.T) {
			got, err := loadTemplate(t, c.Template).Render(contextOf(t, c.Context))
			if (err != nil) != (c.Want == nil) {
				t.Fatalf("got error %v, want %q", err, c.Error)
			}
			if c.Want != nil && got != *c.Want {
				t.Errorf("got  %q\nwant %q", got, *c.Want)
			}
		})
	}
}

func BenchmarkRender(b *testing.B) {
	for _, c := range realCases(b) {
		if c.Want == nil {
			continue
		}
		b.Run(c.Template+"/"+c.Conversation, func(b *testing.B) {
			tm := loadTemplate(b, c.Template)
			ctx := contextOf(b, c.Context)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				if _, err := tm.Render(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
