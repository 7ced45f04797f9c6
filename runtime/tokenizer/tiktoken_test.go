package tokenizer

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rankText is a rank file of the 256 bytes and then these tokens.
func rankText(more ...string) string {
	var b strings.Builder
	for i := range 256 + len(more) {
		raw := []byte{byte(i)}
		if i >= 256 {
			raw = []byte(more[i-256])
		}
		fmt.Fprintf(&b, "%s %d\n", base64.StdEncoding.EncodeToString(raw), i)
	}
	return b.String()
}

// manyRanks is a rank file of n ranks: bytes, pairs, and triples of letters.
func manyRanks(n int) string {
	more := make([]string, 0, n)
	for i := range 1 << 16 {
		more = append(more, string([]byte{byte(i >> 8), byte(i)}))
	}
	for i := 0; len(more) < n-256; i++ {
		more = append(more, string([]byte{'a' + byte(i/64/256%64), byte(i / 256), byte(i)}))
	}
	return rankText(more[:n-256]...)
}

// writeFiles makes a folder of name, content, name, content …
func writeFiles(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRanksGolden compares with tiktoken 0.14.0, also through a GGUF file and
// when only tokenizer_config.json says whose file it is.
func TestRanksGolden(t *testing.T) {
	var g struct {
		Len   int
		Cases []struct {
			Text, Decode string
			IDs, Plain   []int32
		}
	}
	b, err := os.ReadFile(filepath.Join("testdata", "ranks_A", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &g); err != nil || len(g.Cases) < 60 {
		t.Fatalf("%d cases, %v", len(g.Cases), err)
	}
	file := filepath.Join("testdata", "ranks_A", "qwen.tiktoken")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tok := load(t, file)
	class := `{"tokenizer_class":"QWenTokenizer"}`
	for name, tok := range map[string]*Tokenizer{"file": tok, "folder": load(t, filepath.Join("testdata", "ranks_A")), "GGUF": viaGGUF(t, tok, tok.Len()),
		"class": load(t, writeFiles(t, "x.tiktoken", string(text), "tokenizer_config.json", class)),
		"model": load(t, writeFiles(t, "tokenizer.model", string(text), "tokenizer_config.json", class)),
		"other": load(t, filepath.Join(writeFiles(t, "ranks", strings.ReplaceAll(string(text), "\n", "\r\n"), "tokenizer_config.json", class), "ranks"))} {
		if id, ok := tok.ID("<|extra_204|>"); tok.Len() != g.Len || !ok || int(id) != g.Len-1 || !tok.IsSpecial(id) {
			t.Errorf("%s: %d tokens, the last is %d, want %d", name, tok.Len(), id, g.Len)
		}
		for _, c := range g.Cases {
			if got := tok.Encode(c.Text, EncodeOptions{}); !slices.Equal(got, c.IDs) || tok.Decode(got, false) != c.Decode {
				t.Errorf("%s: %q: got %v, want %v", name, c.Text, got, c.IDs)
			}
			if c.Plain == nil {
				c.Plain = c.IDs
			}
			if got := tok.Encode(c.Text, EncodeOptions{NoParseSpecial: true}); !slices.Equal(got, c.Plain) {
				t.Errorf("%s: %q without special tokens: got %v, want %v", name, c.Text, got, c.Plain)
			}
		}
	}
}

// naiveRanks is merging by the rank of the joined bytes, as tiktoken says it.
func naiveRanks(rank map[string]int32, word string) (ids []int32) {
	if id, ok := rank[word]; ok {
		return []int32{id}
	}
	parts := strings.Split(word, "")
	for {
		best, at := int32(-1), -1
		for i := range len(parts) - 1 {
			if id, ok := rank[parts[i]+parts[i+1]]; ok && (at < 0 || id < best) {
				best, at = id, i
			}
		}
		if at < 0 {
			break
		}
		parts = append(append(parts[:at:at], parts[at]+parts[at+1]), parts[at+2:]...)
	}
	for _, p := range parts {
		ids = append(ids, rank[p])
	}
	return ids
}

// TestRanksRandom takes vocabularies that no training would give: tokens in any
// order, made late, or by nothing.
func TestRanksRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, 1+rnd.IntN(n))
		for i := range b {
			b[i] = "abc"[rnd.IntN(3)]
		}
		return string(b)
	}
	unmade := 0
	for range 200 {
		rank := make(map[string]int32)
		for i := range 256 {
			rank[string([]byte{byte(i)})] = int32(i)
		}
		var more []string
		longest := 2 + rnd.IntN(5)
		for range 1 + rnd.IntN(40) {
			w := word(longest)
			if _, ok := rank[w]; !ok {
				rank[w] = int32(256 + len(more))
				more = append(more, w)
			}
		}
		tok := load(t, filepath.Join(writeFiles(t, "qwen.tiktoken", rankText(more...)), "qwen.tiktoken"))
		if tok.cfg.IgnoreMerges {
			unmade++
		}
		for range 100 {
			w := word(60)
			if got, want := tok.Encode(w, EncodeOptions{}), naiveRanks(rank, w); !slices.Equal(got, want) {
				t.Fatalf("%q of %q: got %v, want %v", w, more, got, want)
			}
		}
	}
	if unmade < 20 || unmade > 180 {
		t.Errorf("%d of 200 vocabularies have a token that nothing makes: want some and not all", unmade)
	}
}

func TestRanksFamilies(t *testing.T) {
	for _, c := range []struct {
		name     string
		ranks, n int
		ids      map[string]int32
		text     string
		words    []string
	}{
		{"cl100k_base.tiktoken", 100256, 100277, map[string]int32{"<|endoftext|>": 100257, "<|fim_suffix|>": 100260, "<|endofprompt|>": 100276}, "a1234 \n ", []string{"a", "123", "4", " \n "}},
		{"o200k_base.tiktoken", 199998, 200019, map[string]int32{"<|endoftext|>": 199999, "<|endofprompt|>": 200018}, "isNot's//\n \n ", []string{"is", "Not's", "//\n", " \n", " "}},
		{"tokenizer.model", 128000, 128256, map[string]int32{"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|reserved_special_token_3|>": 128005,
			"<|start_header_id|>": 128006, "<|end_header_id|>": 128007, "<|reserved_special_token_4|>": 128008, "<|eot_id|>": 128009, "<|reserved_special_token_250|>": 128255},
			"a1234 \n ", []string{"a", "123", "4", " \n", " "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := load(t, writeFiles(t, c.name, manyRanks(c.ranks)))
			for _, tok := range []*Tokenizer{tok, viaGGUF(t, tok, c.n)} {
				for name, want := range c.ids {
					if id, ok := tok.ID(name); !ok || id != want || !tok.IsSpecial(id) {
						t.Errorf("%s is %d, want %d", name, id, want)
					}
				}
				var want []int32
				for _, w := range c.words {
					want = append(want, tok.Encode(w, EncodeOptions{})...)
				}
				if got := tok.Encode(c.text, EncodeOptions{}); tok.Len() != c.n || !slices.Equal(got, want) {
					t.Errorf("%d tokens, %q is %v, want %d, %v", tok.Len(), c.text, got, c.n, want)
				}
				if llama := c.ranks == 128000; tok.AddBOS() != llama || llama && (tok.BOS() != 128000 || !tok.EOG(128001) || !tok.EOG(128009)) {
					t.Errorf("begins with %d (%v), ends with %v", tok.BOS(), tok.AddBOS(), tok.EOGs())
				}
			}
		})
	}
	dir := writeFiles(t, "tokenizer.model", manyRanks(128000), "tokenizer_config.json",
		`{"add_bos_token":false,"bos_token":"<b>","added_tokens_decoder":{"128000":{"content":"<b>","special":true}}}`)
	if tok := load(t, dir); tok.Len() != 128001 || tok.BOS() != 128000 || tok.AddBOS() {
		t.Errorf("the folder's own special tokens: %d tokens, bos %d", tok.Len(), tok.BOS())
	}
}

func TestRanksErrors(t *testing.T) {
	ok := rankText("ab")
	for _, c := range []struct{ name, file, text, want string }{
		{"bad base64", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", "A!== 1\n", 1), "line 2: offset 7: token: illegal base64"},
		{"no rank", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", "AQ==\n", 1), "line 2: offset 7: no space"},
		{"rank is text", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", "AQ== x\n", 1), `line 2: offset 7: rank: "x"`},
		{"negative", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", "AQ== -1\n", 1), `rank: "-1"`},
		{"too great", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", "AQ== 257\n", 1), "rank: 257, but the file has only 257"},
		{"rank twice", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", "AQ== 0\n", 1), "rank: 0 for the second time"},
		{"empty token", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", " 1\n", 1), "line 2: offset 7: token: empty"},
		{"token twice", "qwen.tiktoken", rankText("ab", "ab"), "ranks 256 and 257 are the same"},
		{"long", "qwen.tiktoken", rankText(strings.Repeat("a", 513)), "line 257"},
		{"longer", "qwen.tiktoken", rankText(strings.Repeat("a", 9999)), "more than 512 bytes"},
		{"a byte is missing", "qwen.tiktoken", strings.Replace(ok, "AQ== 1\n", "AQEB 1\n", 1), "single byte 0x01"},
		{"empty", "qwen.tiktoken", "", "no token is the single byte"},
		{"many lines", "qwen.tiktoken", strings.Repeat("A\n", maxTokens+1), "lines, more than"},
		{"unknown", "x.tiktoken", ok, `257 ranks, but which pre-tokenizer`},
		{"unknown size", "tokenizer.model", ok, `"tokenizer.model" of tokenizer_class ""`},
		{"another size", "cl100k_base.tiktoken", ok, "257 ranks, but cl100k_base.tiktoken has 100256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(writeFiles(t, c.file, c.text))
			var fe *FormatError
			if !errors.As(err, &fe) || !strings.HasSuffix(fe.File, c.file) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Load(writeFiles(t, "a.tiktoken", ok, "qwen.tiktoken", ok)); err == nil || !strings.Contains(err.Error(), "2 files") {
		t.Errorf("two rank files: %v", err)
	}
	added := `{"tokenizer_class":"QWenTokenizer","added_tokens_decoder":{"5":{"content":"<x>"}}}`
	if _, err := Load(writeFiles(t, "qwen.tiktoken", ok, "tokenizer_config.json", added)); err == nil || !strings.Contains(err.Error(), "tokenizer_config.json: added_tokens: id 5") {
		t.Errorf("a special token in the place of a rank: %v", err)
	}
}

func FuzzTiktoken(f *testing.F) {
	f.Add([]byte(rankText("ab", "abc", "xyz")), "abcxyz")
	f.Add([]byte("IQ== 0\n"), "")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		r, err := parseRanks(data)
		if err != nil || len(text) > 1<<12 {
			return
		}
		tok, err := r.build("qwen.tiktoken", &hfConfig{bosID: -1, padID: -1})
		if err != nil {
			return
		}
		use(t, tok)
		rank := make(map[string]int32, len(r.at))
		for i, at := range r.at {
			rank[string(r.raw[at[0]:at[1]])] = int32(i)
		}
		for _, w := range strings.Fields(text) {
			if strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") == "" {
				if got, want := tok.Encode(w, EncodeOptions{}), naiveRanks(rank, w); !slices.Equal(got, want) {
					t.Fatalf("%q: got %v, want %v", w, got, want)
				}
			}
		}
	})
}
