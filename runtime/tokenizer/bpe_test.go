package tokenizer

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// naive merges by the definition: the lowest rank, the leftmost of those, again
// and again over the whole word.
func (b *bpe) naive(w string) []int32 {
	sc := new(scratch)
	b.symbols(sc, w)
	for {
		best, at, made := noRank, -1, int32(-1)
		for i := 0; i+1 < len(sc.ids); i++ {
			if r, id := b.pair(w, sc.ids[i], sc.ids[i+1], sc.start[i], sc.start[i+2]); r < best {
				best, at, made = r, i, id
			}
		}
		if at < 0 {
			return b.appendSymbols(nil, sc, w)
		}
		sc.ids[at] = made
		sc.ids, sc.start = slices.Delete(sc.ids, at+1, at+2), slices.Delete(sc.start, at+1, at+2)
	}
}

// randomBPE makes a vocabulary of few letters, so that merges overlap in every
// way, by list or by score.
func randomBPE(t *testing.T, rnd *rand.Rand, byteLevel, scored bool) *bpe {
	t.Helper()
	s := &source{cfg: newConfig("llama"), fields: fieldNames{tokens: "tokens", merges: "merges"}}
	s.cfg.Dec = decodeSpec{Kind: "sp"}
	if byteLevel {
		s.cfg.Model, s.cfg.Dec.Kind = "gpt2", "bytes"
	}
	have := map[string]bool{}
	add := func(tok string) bool {
		if have[tok] {
			return false
		}
		have[tok] = true
		s.tokens, s.types = append(s.tokens, tok), append(s.types, typeNormal)
		s.scores = append(s.scores, float32(-rnd.IntN(20)))
		return true
	}
	letters := "abc"[:1+rnd.IntN(3)]
	for _, c := range letters {
		add(string(c))
	}
	var merges [][2]string
	for range 5 + rnd.IntN(40) {
		l, r := s.tokens[rnd.IntN(len(s.tokens))], s.tokens[rnd.IntN(len(s.tokens))]
		if len(l)+len(r) <= 12 {
			add(l + r)
			merges = append(merges, [2]string{l, r})
		}
	}
	if rnd.IntN(2) == 0 { // not in the order in which tokens come to be
		rnd.Shuffle(len(merges), func(i, j int) { merges[i], merges[j] = merges[j], merges[i] })
	}
	if !scored {
		s.scores = nil
		s.merges = len(merges)
		var h hfTokens
		for _, m := range merges {
			h.merges = append(h.merges, m[0], m[1])
		}
		s.merge = h.mergeFunc()
	}
	tok, err := s.build()
	if err != nil {
		t.Fatal(err)
	}
	return tok.model.(*bpe)
}

// TestMergeExact compares the fast ways of merging with the definition, on
// vocabularies that are nothing like trained ones.
func TestMergeExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	blocks, whole, trees := 0, 0, 0
	for round := range 200 {
		byteLevel, scored := round%2 == 0, round%4 == 1
		b := randomBPE(t, rnd, byteLevel, scored)
		for range 6 {
			var sb strings.Builder
			for range []int{3, 30, 100, 256, 300, 900}[rnd.IntN(6)] {
				sb.WriteByte("abc"[rnd.IntN(3)])
			}
			w := sb.String()
			if rnd.IntN(4) == 0 {
				w = strings.Repeat(w[:1], len(w))
			}
			want := b.naive(w)
			sc := new(scratch)
			if got := b.merge(nil, sc, w); !slices.Equal(got, want) {
				t.Fatalf("round %d, %d bytes (by score: %v): got %v, want %v", round, len(w), scored, got, want)
			}
			b.symbols(sc, w)
			b.mergeLong(sc, w)
			if got := b.appendSymbols(nil, sc, w); !slices.Equal(got, want) {
				t.Fatalf("round %d, %d bytes, in one go: got %v, want %v", round, len(w), got, want)
			}
			if b.symbols(sc, w); len(sc.ids) >= 2 && len(sc.ids) <= maxTree {
				trees++
				b.mergeTree(sc, w)
				if got := b.appendSymbols(nil, sc, w); !slices.Equal(got, want) {
					t.Fatalf("round %d, %d bytes, by tree: got %v, want %v", round, len(w), got, want)
				}
			}
			if len(w) > 2*blockSize {
				if b.mergeBlocks(sc, w) {
					blocks++
				} else {
					whole++
				}
			}
		}
	}
	if blocks < 50 || whole == 0 || trees < 200 {
		t.Errorf("%d words in blocks, %d as a whole, %d by tree: every way should be tried", blocks, whole, trees)
	}
}

// TestMergeTrained compares blocks with the whole on trained vocabularies.
func TestMergeTrained(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, name := range bpeNames {
		b := load(t, filepath.Join("testdata", name)).model.(*bpe)
		for i, alphabet := range []string{"abcdefghijklmnopqrstuvwxyz", "e", "etaoin ", "0123456789", "éà中文🙂ab", " \n\t"} {
			chars := []rune(alphabet)
			var sb strings.Builder
			for sb.Len() < 1500 {
				sb.WriteRune(chars[rnd.IntN(len(chars))])
			}
			w := sb.String()
			want, sc := b.naive(w), new(scratch)
			if got := b.merge(nil, sc, w); !slices.Equal(got, want) {
				t.Errorf("%s, alphabet %d: merging differs from the definition", name, i)
			}
			b.symbols(sc, w)
			b.mergeLong(sc, w)
			if got := b.appendSymbols(nil, sc, w); !slices.Equal(got, want) {
				t.Errorf("%s, alphabet %d: merging in one go differs from the definition", name, i)
			}
		}
	}
}

func TestMergeErrors(t *testing.T) {
	for _, c := range []struct {
		merges []string
		want   string
	}{
		{[]string{"a b", "ab x"}, `merges[1]: "x" is no token`},
		{[]string{"x b"}, `merges[0]: "x" is no token`},
		{[]string{"b a"}, `merges[0]: "b" and "a" do not make a token`},
		{[]string{"ab"}, `merges[0]: want two tokens`},
		{[]string{"a b c"}, `merges[0]: want two tokens`},
	} {
		var h hfTokens
		for _, m := range c.merges {
			l, r, _ := cutMerge(m)
			h.merges = append(h.merges, l, r)
		}
		s := &source{cfg: newConfig("gpt2"), tokens: []string{"a", "b", "ab"}, types: []uint8{1, 1, 1}, merges: len(c.merges),
			merge: h.mergeFunc(), fields: fieldNames{tokens: "tokens", merges: "merges"}}
		s.cfg.Dec.Kind = "bytes"
		if _, err := s.build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.merges, err, c.want)
		}
	}
	s := &source{cfg: newConfig("gpt2"), tokens: []string{"a", "b", "a"}, types: []uint8{1, 1, 1}, fields: fieldNames{tokens: "the tokens"}}
	if _, err := s.build(); err == nil || !strings.Contains(err.Error(), "the tokens: ids 0 and 2") {
		t.Errorf("the same token twice: got %v", err)
	}
}
