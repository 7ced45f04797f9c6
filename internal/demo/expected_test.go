package demo

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// TestExpected: the checkpoint's greedy text is the one that its training code
// and an independent implementation gave (expected.json; every margin is above
// 0.07, so no rounding can change it).
func TestExpected(t *testing.T) {
	src := filepath.Join(testdata.Root(t), "testdata", "tinystories-qwen2")
	b, err := os.ReadFile(filepath.Join(src, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Cases []struct {
			Prompt    string
			PromptIDs []int32 `json:"prompt_ids"`
			IDs       []int32
		}
	}
	if err := json.Unmarshal(b, &want); err != nil || len(want.Cases) == 0 {
		t.Fatalf("%d cases, %v", len(want.Cases), err)
	}
	out := filepath.Join(t.TempDir(), "f32.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: src, Out: out, Type: "f32"}); err != nil {
		t.Fatal(err)
	}
	m, err := engine.Open(out, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, c := range want.Cases {
		var ids []int32
		for tok, err := range m.Generate(t.Context(), engine.Request{Prompt: c.Prompt, MaxTokens: len(c.IDs), IgnoreEOS: true}) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, tok.ID)
		}
		if got := m.Tokenizer().Append(nil, c.Prompt, tokenizer.EncodeOptions{AddSpecial: true}); !slices.Equal(got, c.PromptIDs) {
			t.Errorf("%q: prompt ids %v, want %v", c.Prompt, got, c.PromptIDs)
		}
		if !slices.Equal(ids, c.IDs) {
			t.Errorf("%q: got %v, want %v", c.Prompt, ids, c.IDs)
		}
	}
}
