package grammar

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// BenchmarkCold is one mask of a state that is not in the cache: the worst state
// of those that texts pass, by the median over its passes.
func BenchmarkCold(b *testing.B) {
	vocab := qwen(b)
	v := NewVocabulary(vocab)
	v.load()
	for _, c := range benchTexts {
		b.Run(c.name, func(b *testing.B) {
			coldStates(b, v, benchGrammar(b, c.grammar), tokens(vocab, c.text))
		})
	}
}

// cold makes what is kept of a state.
func cold(b *testing.B, v *Vocabulary, g *Grammar, at frame) {
	b.Helper()
	e, err := v.newEntry(g, at)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := newAfter(g, g.states[at.state].frame, v.trie, e); err != nil {
		b.Fatal(err)
	}
}

func coldStates(b *testing.B, v *Vocabulary, g *Grammar, ids []int32) {
	times := map[head][]time.Duration{}
	for b.Loop() {
		m := v.Matcher(g)
		seen := map[head]bool{}
		for _, id := range ids {
			for _, h := range m.heads {
				h.below = 0
				if seen[h] {
					continue
				}
				seen[h] = true
				start := time.Now()
				cold(b, v, g, h.frame)
				times[h] = append(times[h], time.Since(start))
			}
			if err := m.Accept(id); err != nil {
				b.Fatal(err)
			}
		}
	}
	var worst time.Duration
	for _, t := range times {
		slices.Sort(t)
		worst = max(worst, t[len(t)/2])
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	b.ReportMetric(float64(len(times)), "states")
}

// BenchmarkColdAll is the same for every state of the grammars in ../shared.
func BenchmarkColdAll(b *testing.B) {
	v := NewVocabulary(qwen(b))
	v.load()
	files, err := filepath.Glob(filepath.Join(testdata.Shared(b, "data", "grammar", "gbnf"), "*.gbnf"))
	if err != nil || len(files) == 0 {
		b.Fatal(files, err)
	}
	for _, file := range files {
		b.Run(filepath.Base(file), func(b *testing.B) {
			text, err := os.ReadFile(file)
			if err != nil {
				b.Fatal(err)
			}
			g := mustGBNF(b, string(text))
			times := make([][]time.Duration, len(g.states))
			for b.Loop() {
				for s := range g.states {
					start := time.Now()
					cold(b, v, g, frame{int32(s), 0})
					times[s] = append(times[s], time.Since(start))
				}
			}
			var worst time.Duration
			for _, t := range times {
				slices.Sort(t)
				worst = max(worst, t[len(t)/2])
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
			b.ReportMetric(float64(len(times)), "states")
		})
	}
}

// TestQwenMasks compares masks over a real vocabulary with trying all of its tokens.
func TestQwenMasks(t *testing.T) {
	vocab := qwen(t)
	v := NewVocabulary(vocab)
	for _, c := range benchTexts {
		t.Run(c.name, func(t *testing.T) {
			m := v.Matcher(benchGrammar(t, c.grammar))
			for i, id := range tokens(vocab, c.text) {
				if i%16 == 1 {
					if err := compareText(m); err != nil {
						t.Fatalf("at token %d of the text: %v", i, err)
					}
				}
				if err := m.Accept(id); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// compareText is compare for many tokens: one matcher goes back after each.
func compareText(m *Matcher) error {
	mask, err := m.Allowed()
	if err != nil {
		return err
	}
	got := slices.Clone(mask)
	for id := range int32(m.v.vocab.Len()) {
		if m.v.vocab.EOG(id) || !m.v.text(id) {
			continue
		}
		heads, nodes := slices.Clone(m.heads), len(m.w.nodes)
		want := m.AcceptText(m.v.vocab.Token(id)) == nil
		m.heads, m.w.nodes = append(m.heads[:0], heads...), m.w.nodes[:nodes]
		if has := got[id>>6]>>(id&63)&1 != 0; has != want {
			return fmt.Errorf("token %d %q: allowed %t, accepted %t", id, m.v.vocab.Token(id), has, want)
		}
	}
	return nil
}

// TestCacheBound: the cache forgets what was asked for least recently, counts
// what it holds, and never holds more than its bound.
func TestCacheBound(t *testing.T) {
	sized := func(n int) *entry { return &entry{mask: make([]uint64, n)} }
	one := sized(1000).bytes()
	c := newCache(10 * one)
	k := func(i int) *key { return &key{state: int32(i)} }
	for i := range 100 {
		c.put(k(i), sized(1000))
		c.get(k(0)) // keeps it
		held := 0
		for _, it := range c.items {
			held += it.entry.bytes()
		}
		if held != c.bytes || held > c.most {
			t.Fatalf("%d bytes held, %d counted, %d allowed", held, c.bytes, c.most)
		}
	}
	for i := range 100 {
		if want := i == 0 || i > 90; (c.get(k(i)) != nil) != want {
			t.Errorf("entry %d: there %t", i, !want)
		}
	}
	if c.put(k(1000), sized(20000)); c.get(k(1000)) != nil {
		t.Error("an entry that is larger than the cache is there")
	}
}
