package data

import (
	"math"
	"testing"
)

// TestPeek: the beginning of files of every kind tells how many tokens there are.
func TestPeek(t *testing.T) {
	tok := load(t)
	text := corpus(4000)
	for _, ext := range []string{".jsonl", ".jsonl.gz", ".jsonl.zst"} {
		o := Options{Files: []string{write(t, "a"+ext, string(pack(t, ext[6:], text)))}, Tokenizer: tok, Length: 32, KeepDuplicates: true}
		all, err := Peek(t.Context(), o, math.MaxInt)
		if err != nil {
			t.Fatalf("%s: %v", ext, err)
		}
		if want := float64(build(t, o).Stats.Tokens); all.Part != 1 || all.Tokens != want {
			t.Errorf("%s: %g tokens in %g of it, want %g in all", ext, all.Tokens, all.Part, want)
		}
		some, err := Peek(t.Context(), o, int(all.Tokens)/2)
		if off := some.Tokens/all.Tokens - 1; err != nil || some.Part == 0 || math.Abs(off) > 0.6 {
			t.Errorf("%s: %g of %g tokens after %.2f of it, %v", ext, some.Tokens, all.Tokens, some.Part, err)
		}
		b := some.Batch(3, 16)
		if err := b.Check(); err != nil || b.Rows != 3 || b.Scored() < 24 {
			t.Errorf("%s: %d rows, %d scored, %v", ext, b.Rows, b.Scored(), err)
		}
	}
	short, err := Peek(t.Context(), Options{Files: []string{write(t, "b.txt", "Once upon a time")}, Tokenizer: tok, Length: 32}, 100)
	if err != nil {
		t.Fatal(err)
	}
	if b := short.Batch(4, 64); b.Check() != nil || b.Rows != 1 {
		t.Errorf("%d rows of a short text, %v", b.Rows, b.Check())
	}
}
