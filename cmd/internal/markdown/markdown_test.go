package markdown

import (
	"strings"
	"testing"
)

// show makes the sequences readable.
func show(s string) string {
	return strings.NewReplacer("\x1b[1m", "<b>", "\x1b[2m", "<d>", "\x1b[3m", "<i>", "\x1b[36m", "<c>", "\x1b[22m", "</>", "\x1b[23m", "</>", "\x1b[39m", "</>").Replace(s)
}

func TestLine(t *testing.T) {
	r := &Renderer{Styled: true}
	for _, c := range []struct{ in, want string }{
		{"plain", "plain"},
		{"a **bold** and *thin* word", "a <b>bold</> and <i>thin</> word"},
		{"**a *b* c**", "<b>a <i>b</> c</>"},
		{"`x*y*z` and ``a`b``", "<c>x*y*z</> and <c>a`b</>"},
		{"2 * 3 * 4 and a_b_c", "2 * 3 * 4 and a_b_c"},
		{"an _open mark, **too", "an _open mark, **too"},
		{`\*no\*`, "*no*"},
		{"## Title", "<b>Title</>"},
		{"#hash", "#hash"},
		{"  - item **x**", "  • item <b>x</>"},
		{"1. one", "1. one"},
		{"> said", "<d>│ </>said"},
		{"---", "<d>" + strings.Repeat("─", 20) + "</>"},
		{"```go", "<d>```go</>"},
		{"x := *p * **q", "<c>x := *p * **q</>"},
		{"```", "<d>```</>"},
		{"after *it*", "after <i>it</>"},
		{"\x1b[31mred\x07\u202e", "[31mred"},
	} {
		if got := show(r.Line(c.in)); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestPlain(t *testing.T) {
	r := &Renderer{Width: 12}
	for in, want := range map[string]string{"a **bold** word": "a **bold**\nword", "# T": "# T", "\tx": "    x"} {
		if got := r.Line(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	styled := &Renderer{Styled: true}
	if styled.Preview("```"); show(styled.Line("*a*")) != "<i>a</>" {
		t.Error("a preview opened a block")
	}
}

func FuzzLine(f *testing.F) {
	f.Add("**a** `b` _c_ \\* \x1b[1m")
	f.Fuzz(func(t *testing.T, s string) {
		plain := &Renderer{}
		if strings.ContainsAny(plain.Line(s), "\x1b\x07\r") {
			t.Errorf("%q: control characters in %q", s, plain.Line(s))
		}
		r := &Renderer{Styled: true, Width: 20}
		r.Line(s)
	})
}
