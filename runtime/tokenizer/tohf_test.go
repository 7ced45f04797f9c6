package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestHF: a folder's tokenizer, written and read back, gives the same ids and has
// the same special ones.
func TestHF(t *testing.T) {
	const folder = "../../testdata/tinystories-qwen2"
	tok, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	with, err := Load(folder) // another that puts tokens around a text
	if err != nil {
		t.Fatal(err)
	}
	with.cfg.Prefix, with.cfg.Suffix = []int32{2045}, []int32{2047, 2045}
	for i, tok := range []*Tokenizer{tok, with} {
		files, err := tok.HF()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, b := range files {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got.EOS() != tok.EOS() || got.Pad() != tok.Pad() || got.ChatTemplate() != tok.ChatTemplate() || got.Len() != tok.Len() {
			t.Errorf("%d: eos %d pad %d of %d tokens", i, got.EOS(), got.Pad(), got.Len())
		}
		for _, s := range []string{"", "Once upon a time, 1234 dogs!\n\n  don't", "<|im_start|>é\u0301中\x00 <|endoftext|>", " \t x"} {
			for _, o := range []EncodeOptions{{}, {AddSpecial: true}, {NoParseSpecial: true}} {
				if a, b := got.Encode(s, o), tok.Encode(s, o); !slices.Equal(a, b) {
					t.Errorf("%d: %q %+v: %v, want %v", i, s, o, a, b)
				}
			}
		}
	}
	with.cfg.Norm = []step{{Op: "strip"}}
	if _, err := with.HF(); err == nil {
		t.Error("a step that cannot be written was left out")
	}
	with.cfg.Norm = []step{{Op: "nfc"}}
	with.cfg.Model = "llama"
	if _, err := with.HF(); err == nil {
		t.Error("another model was written")
	}
}
