package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// without returns a copy of a golden's folder that lacks some files.
func without(t *testing.T, name string, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	entries, err := os.ReadDir(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if slices.Contains(files, e.Name()) {
			continue
		}
		b, err := os.ReadFile(filepath.Join("testdata", name, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOtherFiles wants the same from the other files of a folder as from its
// tokenizer.json, and through GGUF keys too.
func TestOtherFiles(t *testing.T) {
	for _, name := range []string{"qwen_A", "spm_A", "bert_A", "clip_A", "unigram_A"} {
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, name)
			tok := load(t, without(t, name, "tokenizer.json", "cases.json"))
			checkGolden(t, g, tok)
			checkGolden(t, g, viaGGUF(t, tok, tok.Len()))
		})
	}
}

// TestSentencePiece compares with the sentencepiece library on tokenizer.model
// alone, where special tokens in the text are text.
func TestSentencePiece(t *testing.T) {
	g := readGolden(t, "spm_A")
	tok := load(t, without(t, "spm_A", "tokenizer.json", "cases.json", "tokenizer_config.json", "special_tokens_map.json"))
	for _, c := range g.Cases {
		if c.SPIDs == nil {
			t.Fatalf("no sp_ids for %q", c.Text)
		}
		if got := tok.Encode(c.Text, EncodeOptions{NoParseSpecial: true}); !slices.Equal(got, c.SPIDs) {
			t.Errorf("Encode(%q): got %v, want %v", c.Text, got, c.SPIDs)
		}
	}
}
