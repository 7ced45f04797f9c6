package chat

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile templates must end with a clear error, soon and in little memory.
var hostile = map[string]string{
	"range":            "{% for i in range(10**12) %}x{% endfor %}",
	"range sum":        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
	"string":           "{{ 'a' * 10**12 }}",
	"string add":       "{% set ns = namespace(s='a') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"list":             "{{ [1] * 10**12 }}",
	"list add":         "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"join":             "{{ ('a' * 1000000) | join('b' * 1000000) }}",
	"replace":          "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}",
	"center":           "{{ 'a'.center(10**15) }}",
	"zfill":            "{{ 'a'.zfill(10**18) }}",
	"format width":     "{{ '{:999999999}'.format(1) }}",
	"percent width":    "{{ '%999999999d' % 1 }}",
	"indent":           "{{ ('a\\n' * 100000) | indent(100000) }}",
	"json indent":      "{{ [1] | tojson(indent=10**9) }}",
	"pow":              "{{ 9 ** 999999999 }}",
	"output":           "{% for i in range(99999) %}{{ 'a' * 100000 }}{% endfor %}",
	"macro":            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
	"macro pair":       "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
	"macro default":    "{% macro m(x=m()) %}{% endmacro %}{{ m() }}",
	"exponential":      "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
	"caller":           "{% macro m() %}{{ caller() }}{% endmacro %}{% macro n() %}{% call m() %}{{ n() }}{% endcall %}{% endmacro %}{{ n() }}",
	"loop":             "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
	"shared list":      "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
	"shared json":      "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
	"shared compare":   "{% set ns = namespace(l=[1], k=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.k = [ns.k, ns.k] %}{% endfor %}{{ ns.l == ns.k }}",
	"self list":        "{% set l = [] %}{% set x = l.append(l) %}{{ l }}",
	"self json":        "{% set d = {} %}{% set x = d.update(a=d) %}{{ d | tojson }}",
	"self equal":       "{% set l = [1] %}{% set x = l.append(l) %}{% set k = [1] %}{% set x = k.append(k) %}{{ l == k }}",
	"grow while":       "{% set l = [1] %}{% for i in range(99999) %}{% set x = l.extend(l) %}{% endfor %}",
	"map chain":        "{{ range(99999) | map('string') | map('list') | map('join', 'x' * 99999) | list }}",
	"sort":             "{% for i in range(9999) %}{{ range(99999) | sort | length }}{% endfor %}",
	"contains":         "{% set s = 'a' * 9000000 %}{% for i in range(99999) %}{{ 'ab' in s }}{% endfor %}",
	"long key":         "{% set s = 'a' * 9000000 %}{% set k = 'b' * 9000000 %}{% for i in range(99999) %}{{ s[0] }}{{ {}[s] }}{{ s.startswith(k) }}{{ s | int }}{{ a[s] }}{% endfor %}",
	"long attribute":   "{% for i in range(99999) %}{{ [1] | map(attribute='a.' * 9000000) | list }}{% endfor %}",
	"list key":         "{% set l = range(99999) | list %}{% for i in range(99999) %}{% for i in range(99999) %}{{ {}[l] }}{% endfor %}{% endfor %}",
	"split":            "{{ (',' * 50000000).split(',') | length }}",
	"batch":            "{{ range(9999) | batch(10**9, 'x') | list }}",
	"slice":            "{{ range(9999) | slice(10**9) | list }}",
	"set block":        "{% set a %}{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}{% endset %}",
	"kwargs":           "{% macro m() %}{{ kwargs }}{% endmacro %}{% for i in range(99999) %}{{ m(**dict.fromkeys(range(9999) | map('string'))) }}{% endfor %}",
	"nested for":       strings.Repeat("{% for a in range(99) %}", 40) + strings.Repeat("{% endfor %}", 40),
	"deep parens":      "{{ " + strings.Repeat("(", 100000) + "1",
	"deep lists":       "{{ " + strings.Repeat("[", 100000),
	"deep not":         "{{ " + strings.Repeat("not ", 100000) + "1 }}",
	"deep minus":       "{{ " + strings.Repeat("-", 100000) + "1 }}",
	"deep if":          strings.Repeat("{% if 1 %}", 100000),
	"deep target":      "{% set " + strings.Repeat("(", 100000),
	"deep else":        "{{ " + strings.Repeat("1 if 1 else ", 100000) + "1 }}",
	"long chain":       "{{ a" + strings.Repeat(".a", 100000) + " }}",
	"long sum":         "{{ 1" + strings.Repeat("+1", 100000) + " }}",
	"long filters":     "{{ 1" + strings.Repeat("|abs", 100000) + " }}",
	"huge":             strings.Repeat("x", 2<<20),
	"deep macro chain": "{% macro m(n) %}{{ " + strings.Repeat("(", 150) + "m(n)" + strings.Repeat(")|trim", 150) + " }}{% endmacro %}{{ m(1) }}",
}

func TestHostile(t *testing.T) {
	for name, src := range hostile {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			tm, err := Parse(name, src)
			if err == nil {
				_, err = tm.Render(Context{"a": 1})
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			var placed *Error
			if !errors.As(err, &placed) {
				t.Fatalf("got %v, want a placed error", err)
			}
			if len(err.Error()) > 600 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 512 {
				t.Errorf("allocated %d MiB", used)
			}
			if took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			t.Logf("%v, %d MiB: %v", took.Round(time.Microsecond), (after.TotalAlloc-before.TotalAlloc)>>20, err)
		})
	}
}

func TestLimits(t *testing.T) {
	for name, c := range map[string]struct {
		src string
		lim Limits
	}{
		"steps":  {"{% for i in range(100) %}{{ i }}{% endfor %}", Limits{Steps: 50}},
		"depth":  {"{% macro m(n) %}{% if n %}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(9) }}", Limits{Depth: 5}},
		"memory": {"{{ 'a' * 1000 }}", Limits{Memory: 500}},
		"output": {"{% for i in range(100) %}aaaaaaaaaa{% endfor %}", Limits{Output: 500}},
	} {
		t.Run(name, func(t *testing.T) {
			tm, err := ParseWith(name, c.src, Options{Limits: c.lim})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tm.Render(nil); !errors.Is(err, ErrLimit) {
				t.Errorf("got %v, want ErrLimit", err)
			}
			tm, _ = Parse(name, c.src)
			if _, err := tm.Render(nil); err != nil {
				t.Errorf("with the default limits: %v", err)
			}
		})
	}
}

func TestLongConversation(t *testing.T) {
	tm := loadTemplate(t, "Qwen-Qwen3-0.6B.jinja")
	var list []Message
	for range 10_000 {
		list = append(list, Message{Role: "user", Content: Text(strings.Repeat("word ", 50))},
			Message{Role: "assistant", Content: Text(strings.Repeat("answer ", 50))})
	}
	if _, err := tm.Chat(list, RenderOptions{AddGenerationPrompt: true}); err != nil {
		t.Error(err)
	}
}

func TestErrorPlace(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"a\n{{ x.y.z }}", `chat: template "t" line 2: x.y: "x" is undefined`},
		{"{% if a %}\n\n{{ 1 + 'x' }}{% endif %}", `chat: template "t" line 3: 1 + 'x': unsupported operand types for +: "int" and "str"`},
		{"{{ raise_exception('no tools') }}", `chat: template "t" line 1: raise_exception('no tools'): no tools`},
		{"x\n{% include 'a' %}", `chat: template "t" line 2: include: tag "include" is refused: a chat template stands alone (inside include)`},
		{"{% for x in y %}\n{{ x }", `chat: template "t" line 2: unexpected "}"`},
		{"{% if a %}", `chat: template "t" line 1: template ends where "endif" was expected (inside if)`},
		{"{{ [1] | first | nope }}", `chat: template "t" line 1: [1] | first | nope: no filter named "nope"`},
		{"{{ 'x' | random }}", `chat: template "t" line 1: 'x' | random: random: refused: a prompt must not depend on chance`},
	} {
		tm, err := Parse("t", c.src)
		if err == nil {
			_, err = tm.Render(Context{"a": 1})
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%q\ngot  %v\nwant %s", c.src, err, c.want)
		}
	}
}

func TestContextIsNotChanged(t *testing.T) {
	list, dict := NewList("a"), NewDict()
	for _, src := range []string{"{{ l.append(1) }}", "{{ l.pop() }}", "{{ d.update(a=1) }}", "{{ d.setdefault('x', 1) }}", "{{ l.clear() }}"} {
		tm, err := Parse("t", src)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tm.Render(Context{"l": list, "d": dict}); !errors.Is(err, errFrozen) {
			t.Errorf("%s: got %v, want %v", src, err, errFrozen)
		}
	}
	if list.Len() != 1 || dict.Len() != 0 {
		t.Errorf("changed: %v %v", list, dict)
	}
}

func FuzzRender(f *testing.F) {
	for _, c := range unitCases(f, "testdata/hf_jinja_unit.json") {
		f.Add(c.Template)
	}
	_, cases := pythonCases(f)
	for _, c := range cases {
		f.Add(c.Template)
	}
	ctx, _ := pythonCases(f)
	lim := Limits{Steps: 20_000, Depth: 50, Memory: 1 << 20, Output: 1 << 18}
	f.Fuzz(func(t *testing.T, src string) {
		tm, err := ParseWith("fuzz", src, Options{Limits: lim})
		var placed *Error
		if err == nil {
			_, err = tm.Render(ctx)
		}
		if err != nil && !errors.As(err, &placed) {
			t.Errorf("%q: error without a place: %v", src, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, c := range unitCases(f, "testdata/hf_jinja_unit.json") {
		f.Add(c.Template)
	}
	f.Fuzz(func(t *testing.T, src string) {
		tm, err := Parse("fuzz", src)
		if (tm == nil) == (err == nil) {
			t.Errorf("got template %v and error %v", tm, err)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`{"a": [1, 2.5, -0, "x\u00e9\ud83d\ude42", null, true]}`, `[`, `"\`, `1e999`, `18446744073709551616`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseJSON([]byte(s))
		if err != nil {
			return
		}
		b, err := dumpJSON(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseJSON(b); err != nil && !strings.Contains(string(b), "Infinity") {
			t.Errorf("%q became %q: %v", s, b, err)
		}
	})
}
