package server

import (
	"encoding/json"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

var threeFunctions = []function{
	{Name: "get", Parameters: json.RawMessage(`{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}`)},
	{Name: "get_weather", Parameters: json.RawMessage(`{"$defs":{"c":{"enum":["Paris","Rome"]}},"type":"object","properties":{"city":{"$ref":"#/$defs/c"},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"]}`)},
	{Name: "get_weather.now-2", Parameters: nil},
}

// TestCallForms: in every format, whatever the model would write, what the mask lets
// through are calls that our parser reads, and nothing else.
func TestCallForms(t *testing.T) {
	tok, err := tokenizer.Load(testdata.Shared(t, "data", "tokenizers", "qwen2.5"))
	if err != nil {
		t.Fatal(err)
	}
	v := grammar.NewVocabulary(tok)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, format := range []chat.Format{chat.FormatHermes, chat.FormatLlama3, chat.FormatMistral, chat.FormatDeepSeek} {
		seen, most := map[string]bool{}, 0
		for round := range 30 {
			c := choice{mode: choiceRequired, one: round%3 == 0}
			r, err := newCallRule(tok, format, false, threeFunctions, c)
			if err != nil {
				t.Fatal(err)
			}
			text := follow(t, &mask{words: (tok.Len() + 63) / 64, calls: &calling{callRule: r, v: v, token: tok.Token}}, tok, rng)
			reply := chat.ParseReply(text, chat.ParserOptions{Format: format})
			if n := len(reply.ToolCalls); n == 0 || reply.Content != "" || c.one && n != 1 {
				t.Fatalf("%v: %q is %+v", format, text, reply)
			}
			most = max(most, len(reply.ToolCalls))
			for _, call := range reply.ToolCalls {
				seen[call.Name] = true
				if call.Name == threeFunctions[2].Name {
					if !json.Valid(call.Arguments) {
						t.Errorf("%v: %s", format, call.Arguments)
					}
				} else if err := checkCall(call.Name, string(call.Arguments)); err != nil {
					t.Errorf("%v: %v", format, err)
				}
			}
		}
		if len(seen) != 3 || format != chat.FormatLlama3 && most < 2 {
			t.Errorf("%v: called %v, at most %d at a time", format, seen, most)
		}
	}
}

// follow writes what a mask allows, ending strings soon, and returns the text.
func follow(t *testing.T, m *mask, tok *tokenizer.Tokenizer, rng *rand.Rand) string {
	t.Helper()
	m.force = m.calls.begin()
	var ids []int32
	for len(ids) < 3000 {
		id := pick(m.Allowed(), tok, rng)
		if id < 0 {
			t.Fatalf("nothing is allowed after %q", tok.Decode(ids, false))
		}
		m.Accept(id)
		if tok.EOG(id) {
			return tok.Decode(ids, false)
		}
		ids = append(ids, id)
	}
	t.Fatalf("no end: %q", tok.Decode(ids[:200], false))
	return ""
}

// pick draws an allowed id; what closes strings and objects more often than not.
func pick(allowed []uint64, tok *tokenizer.Tokenizer, rng *rand.Rand) int32 {
	for _, text := range []string{"}", `"}`, `"`} {
		if id, ok := tok.ID(text); ok && allowed[id/64]>>(id%64)&1 != 0 && rng.IntN(3) > 0 {
			return id
		}
	}
	n := 0
	for _, w := range allowed {
		n += bits.OnesCount64(w)
	}
	if n == 0 {
		return -1
	}
	k := rng.IntN(n)
	for i, w := range allowed {
		if c := bits.OnesCount64(w); k >= c {
			k -= c
			continue
		}
		for ; ; k-- {
			if k == 0 {
				return int32(i*64 + bits.TrailingZeros64(w))
			}
			w &= w - 1
		}
	}
	return -1
}

// TestLazyCalls: text is free until the model begins a call, which then has to be one.
func TestLazyCalls(t *testing.T) {
	tok, err := tokenizer.Load(testdata.Shared(t, "data", "tokenizers", "qwen2.5"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := newCallRule(tok, chat.FormatHermes, false, threeFunctions, choice{})
	if err != nil || r == nil {
		t.Fatal(r, err)
	}
	m := &mask{words: (tok.Len() + 63) / 64, left: -1, calls: &calling{callRule: r, v: grammar.NewVocabulary(tok), token: tok.Token}}
	ids := tok.Encode("Let me look.\n<tool_call>", tokenizer.EncodeOptions{})
	for _, id := range ids {
		if a := m.Allowed(); a != nil {
			t.Fatalf("%q is restricted", tok.Spelling(id))
		}
		m.Accept(id)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for {
		id := pick(m.Allowed(), tok, rng)
		m.Accept(id)
		if tok.EOG(id) {
			break
		}
		ids = append(ids, id)
	}
	reply := chat.ParseReply(tok.Decode(ids, false), chat.ParserOptions{Format: chat.FormatHermes})
	if len(reply.ToolCalls) == 0 || reply.Content != "Let me look." {
		t.Errorf("%+v", reply)
	}
	for format, tags := range map[chat.Format]bool{chat.FormatLlama3: false, chat.FormatMistral: false, chat.FormatHermes: true} {
		if r, err := newCallRule(tok, format, tags, threeFunctions, choice{}); r != nil || err != nil {
			t.Errorf("%v: %+v, %v", format, r, err)
		}
	}
}
