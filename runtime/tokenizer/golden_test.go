package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// golden is a cases.json.
type golden struct {
	Len        int              `json:"len"`
	SpecialIDs map[string]int32 `json:"special_ids"`
	Cases      []struct {
		Text   string   `json:"text"`
		IDs    []int32  `json:"ids"`
		With   []int32  `json:"ids_with_special"`
		Tokens []string `json:"tokens"`
		Decode string   `json:"decode"`
		Skip   string   `json:"decode_skip_special"`
		SPIDs  []int32  `json:"sp_ids"`
		SPSame *bool    `json:"sp_same"`
	} `json:"cases"`
	Random []struct {
		IDs    []int32 `json:"ids"`
		Decode string  `json:"decode"`
		Skip   string  `json:"decode_skip_special"`
	} `json:"decode_random"`
	Chat []struct {
		Text string  `json:"text"`
		IDs  []int32 `json:"ids"`
	} `json:"chat"`
}

func readGolden(t testing.TB, name string) golden {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) < 50 || len(g.Random) < 10 {
		t.Fatalf("%s: only %d cases, %d random", name, len(g.Cases), len(g.Random))
	}
	return g
}

func load(t testing.TB, path string) *Tokenizer {
	t.Helper()
	tok, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// bpeNames are those whose text comes back as it was.
var bpeNames = []string{"qwen_A", "llama3_A", "spm_A"}

var goldenNames = []string{"qwen_A", "llama3_A", "spm_A", "bert_A", "clip_A", "unigram_A"}

func TestGolden(t *testing.T) {
	for _, name := range goldenNames {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, name)
			checkGolden(t, g, load(t, filepath.Join("testdata", name)))
		})
	}
}

// checkGolden compares everything a golden says.
func checkGolden(t *testing.T, g golden, tok *Tokenizer) {
	t.Helper()
	if tok.Len() != g.Len {
		t.Errorf("Len: got %d, want %d", tok.Len(), g.Len)
	}
	for name, want := range g.SpecialIDs {
		if id, ok := tok.ID(name); !ok || id != want || !tok.IsSpecial(id) {
			t.Errorf("special %q: got %d, special %v, want %d", name, id, tok.IsSpecial(id), want)
		}
	}
	for _, c := range g.Cases {
		got := tok.Encode(c.Text, EncodeOptions{})
		if !slices.Equal(got, c.IDs) {
			t.Errorf("Encode(%q)\n got %v\nwant %v", c.Text, got, c.IDs)
			continue
		}
		if got := tok.Encode(c.Text, EncodeOptions{AddSpecial: true}); !slices.Equal(got, c.With) {
			t.Errorf("Encode(%q) with special: got %v, want %v", c.Text, got, c.With)
		}
		for i, id := range got {
			if s := tok.Spelling(id); s != c.Tokens[i] {
				t.Errorf("Spelling(%d) in %q: got %q, want %q", id, c.Text, s, c.Tokens[i])
			}
		}
		checkDecode(t, tok, c.IDs, c.Decode, c.Skip)
	}
	for _, c := range g.Random {
		checkDecode(t, tok, c.IDs, c.Decode, c.Skip)
	}
	for _, c := range g.Chat {
		if got := tok.Encode(c.Text, EncodeOptions{}); !slices.Equal(got, c.IDs) {
			t.Errorf("chat %q: got %v, want %v", c.Text, got, c.IDs)
		}
	}
}

func checkDecode(t *testing.T, tok *Tokenizer, ids []int32, want, wantSkip string) {
	t.Helper()
	if got := tok.Decode(ids, false); got != want {
		t.Errorf("Decode(%v): got %q, want %q", ids, got, want)
	}
	if got := tok.Decode(ids, true); got != wantSkip {
		t.Errorf("Decode(%v) without special: got %q, want %q", ids, got, wantSkip)
	}
}
