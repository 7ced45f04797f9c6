package grammar

import (
	"slices"
	"testing"
	"time"
)

// tokens cuts a text greedily, the longest token first.
func tokens(v Vocab, text string) []int32 {
	index := map[string]int32{}
	for id := range int32(v.Len()) {
		if !v.IsSpecial(id) {
			index[string(v.Token(id))] = id
		}
	}
	var out []int32
	for at := 0; at < len(text); {
		n := min(len(text)-at, 128)
		for ; n > 0; n-- {
			if id, ok := index[text[at:at+n]]; ok {
				out = append(out, id)
				break
			}
		}
		if n == 0 {
			panic("no token for " + text[at:])
		}
		at += n
	}
	return out
}

var benchTexts = []struct{ name, grammar, text string }{ // a grammar that begins with a brace is a schema
	{"any object", `{"type":"object"}`, `{"name": "Ada Lovelace", "born": 1815, "works": [{"title": "Notes on the \"Analytical Engine\"", "pages": 66, "tags": ["first", null, true]}, {"title": "日本語のテキスト", "rating": -4.5e3}]}`},
	{"schema", moreSchemas[0], `{"name": "Ada Lovelace", "age": 36, "email": "ada@example.com", "tags": ["a", "b"], "address": {"street": "12 Some Street", "zip": "12345"}}`},
	{"json", jsonGBNF, `{"name": "Ada Lovelace", "born": 1815, "works": [{"title": "Notes on the \"Analytical Engine\"", "pages": 66, "tags": ["first", "program", null, true]}, {"title": "日本語のテキスト", "rating": -4.5e3}], "nested": {"a": {"b": {"c": [[1, 2], [3, 4]]}}}}`},
	{"words", `root ::= [^ \n]+ ([ \n] [^ \n]+)*`, "The quick brown fox\njumps over the lazy dog"},
	{"lines", "root ::= (\"- \" line \"\\n\")+\nline ::= [^\\n]{1,200}", "- one line of text\n- and another one, somewhat longer than the first\n"},
	{"arithmetic", "root ::= (expr \"=\" ws term \"\\n\")+\nexpr ::= term ([-+*/] term)*\nterm ::= ident | num | \"(\" ws expr \")\" ws\nident ::= [a-z] [a-z0-9_]* ws\nnum ::= [0-9]+ ws\nws ::= [ \\t\\n]*", "(alpha +12)*(b -c_3)=44\nx*y=z\n"},
}

func benchGrammar(t testing.TB, text string) *Grammar {
	if text[0] == '{' {
		return mustSchema(t, text, SchemaOptions{})
	}
	return mustGBNF(t, text)
}

// BenchmarkMask is the time for one token, Allowed and Accept, once all states
// are in the cache, and what a first pass took at most for one mask.
func BenchmarkMask(b *testing.B) {
	vocab := qwen(b)
	for _, c := range benchTexts {
		b.Run(c.name, func(b *testing.B) {
			benchMask(b, vocab, benchGrammar(b, c.grammar), c.text)
		})
	}
}

func benchMask(b *testing.B, vocab Vocab, g *Grammar, text string) {
	ids := tokens(vocab, text)
	v := NewVocabulary(vocab)
	v.load()
	pass := func() (worst time.Duration) {
		m := v.Matcher(g)
		for _, id := range ids {
			start := time.Now()
			if _, err := m.Allowed(); err != nil {
				b.Fatal(err)
			}
			worst = max(worst, time.Since(start))
			if err := m.Accept(id); err != nil {
				b.Fatal(err)
			}
		}
		return worst
	}
	var cold []time.Duration
	for range 5 {
		v.cache = newCache(CacheBytes)
		cold = append(cold, pass())
	}
	slices.Sort(cold)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		pass()
		n += len(ids)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/token")
	b.ReportMetric(float64(cold[2].Microseconds())/1000, "cold-ms")
	b.ReportMetric(float64(v.cache.bytes)/1e6, "cache-MB")
}

// BenchmarkTrie is what the first grammar of a model waits for.
func BenchmarkTrie(b *testing.B) {
	vocab := qwen(b)
	nodes := 0
	for b.Loop() {
		v := NewVocabulary(vocab)
		v.load()
		nodes = len(v.trie.byte)
	}
	b.ReportMetric(float64(nodes), "nodes")
}
