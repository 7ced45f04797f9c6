package safety

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzStream: any bytes in any two pieces; what is sent passes the full check.
func FuzzStream(f *testing.F) {
	f.Add("Once upon a time. The a\u200bbc.", 7)
	f.Add("世\xe4\xb8 界。ﾊﾞa\u0301", 2)
	p := compile(f, tested[0], swears{})
	f.Fuzz(func(t *testing.T, s string, at int) {
		if len(s) > 1<<16 {
			return
		}
		at = min(max(at, 0), len(s))
		st := p.Stream()
		var sent strings.Builder
		for _, c := range []string{s[:at], s[at:]} {
			out, _ := st.Write(c)
			sent.WriteString(out)
			if st.Held() > MostHeld {
				t.Fatalf("%d bytes are held", st.Held())
			}
		}
		out, r := st.Close()
		sent.WriteString(out)
		if got := p.Check(sent.String()); got != nil {
			t.Fatalf("%q was sent: %+v", sent.String(), got)
		}
		if r == nil && p.Check(s) != nil {
			t.Fatalf("%q passed", s)
		}
	})
}

// FuzzFeatures: no text breaks them, and none has many more than characters.
func FuzzFeatures(f *testing.F) {
	f.Add("Hello w0rld f*ck 你好 b.a.d aaaa")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 1<<12 {
			return
		}
		got := Features(s, 10)
		if len(got) > 1<<10 || len(got) > 40*(utf8.RuneCountInString(s)*18+1) {
			t.Fatalf("%d features of %d bytes", len(got), len(s))
		}
		for _, x := range got {
			if x >= 1<<10 {
				t.Fatal(x)
			}
		}
	})
}
