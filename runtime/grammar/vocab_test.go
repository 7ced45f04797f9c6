package grammar

import (
	"fmt"
	"os"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// words is a vocabulary of strings. The last is the end token, the one before
// it is special.
type words [][]byte

func (w words) Len() int                { return len(w) }
func (w words) Token(id int32) []byte   { return w[id] }
func (w words) EOG(id int32) bool       { return int(id) == len(w)-1 }
func (w words) IsSpecial(id int32) bool { return int(id) >= len(w)-2 }

// testWords is every byte, some longer tokens that cut JSON badly, a token
// that writes nothing, and two special ones that look like text.
func testWords(more ...string) words {
	var w []string
	for b := range 256 {
		w = append(w, string([]byte{byte(b)}))
	}
	w = append(w, `{"`, `":`, `": `, `": "`, `",`, `", "`, `"}`, `"},{"`, `}}`, `}]}`, `]]`, `],[`, `, `, `,"`, ` {`, `["`, `"]`, `""`, `\"`, `\\`,
		`\n`, `\`+"u", `"\`, `1,`, `12`, `0.5`, `-1`, `e+`, `true`, `tru`, `e}`, `null`, `false,`, `ab`, `abc`, `abcdefgh`, `abcdefghijklmnopqrstuvwxyz`,
		`ab"`, `ab",`, `é`, `日本`, "\xe6\x97", "\xa5\xe6", "\xf0\x9f", "\x98\x80", "a\xf0", "\n\n", "  ", `name`, `name":`, `a"}]`, "")
	w = append(w, more...)
	var out words
	for _, s := range append(w, "{", "{}") {
		out = append(out, []byte(s))
	}
	return out
}

// qwen reads the vocabulary of Qwen2.5 (151,643 tokens).
func qwen(t testing.TB) Vocab {
	t.Helper()
	b, err := os.ReadFile(testdata.Shared(t, "data", "tokenizers", "qwen2.5", "vocab.json"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := byteLevel(b)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// compare checks a mask against the obvious: try every token.
func compare(m *Matcher) error {
	mask, err := m.Allowed()
	if err != nil {
		return err
	}
	got := append([]uint64(nil), mask...)
	for id := range int32(m.v.vocab.Len()) {
		want := m.Fork().Accept(id) == nil
		if has := got[id>>6]>>(id&63)&1 != 0; has != want {
			return fmt.Errorf("token %d %q: allowed %t, accepted %t", id, m.v.vocab.Token(id), has, want)
		}
	}
	for id := m.v.vocab.Len(); id < 64*len(got); id++ {
		if got[id>>6]>>(id&63)&1 != 0 {
			return fmt.Errorf("token %d is beyond the vocabulary", id)
		}
	}
	return nil
}
