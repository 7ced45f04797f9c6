package engine

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant/eval"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func quantized(t testing.TB, source, typ string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), typ+".gguf")
	if _, err := convert.Quantize(context.Background(), convert.Options{Source: source, Out: out, Type: typ}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGreedy: the reference's ids through the public API with default options,
// end tokens and padded ids included.
func TestGreedy(t *testing.T) {
	for _, name := range []string{"llama-tiny", "qwen2-tiny", "qwen2-untied-sharded-bf16", "qwen3-tiny", "qwen2_moe-tiny"} {
		b, err := os.ReadFile(filepath.Join(testdata.Shared(t, "goldens", "models", name), "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Prompts []struct {
				Prompt string
				Input  []int32 `json:"input_ids"`
				Greedy []int32 `json:"greedy_ids"`
			}
		}
		if err := json.Unmarshal(b, &e); err != nil || len(e.Prompts) == 0 {
			t.Fatal(len(e.Prompts), err)
		}
		m := load(t, quantized(t, testdata.Shared(t, "goldens", "models", name, "checkpoint"), "f32"), Options{})
		for _, p := range e.Prompts {
			if ids, _, _ := collect(t, m, Request{IDs: p.Input, MaxTokens: len(p.Greedy), IgnoreEOS: true}); !slices.Equal(ids, p.Greedy) {
				t.Errorf("%s %s: %v, want %v", name, p.Prompt, ids, p.Greedy)
			}
		}
	}
}

// TestQ8Quality: int8 against F32 on text that the F32 model wrote. The whole
// proof takes 20 kB (QWQ_LONG=1); 1.5 kB are enough to see a mistake.
func TestQ8Quality(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	size := 1500
	if os.Getenv("QWQ_LONG") == "1" {
		size = 20000
	}
	source := testdata.Shared(t, "data", "llm", "stories260K", "stories260K.gguf")
	ref := load(t, source, Options{})
	var text string
	for seed := uint64(1); len(text) < size; seed++ {
		_, story, _ := collect(t, ref, Request{Prompt: "", MaxTokens: 400, Sampling: sample.Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, Seed: seed}})
		text += story + "\n"
	}
	ids := ref.Tokenizer().Encode(text[:size], tokenizer.EncodeOptions{})
	o := eval.Options{Context: 512, BOS: ref.Tokenizer().BOS()}
	base, err := eval.Run(context.Background(), ref, nil, ids, o)
	if err != nil {
		t.Fatal(err)
	}
	path := quantized(t, source, "q8_0")
	for _, c := range []struct {
		precise bool
		worse   float64 // perplexity, relative
	}{{false, 0.0025}, {true, 0.0015}} {
		m := load(t, path, Options{Precise: c.precise})
		r, err := eval.Run(context.Background(), m, ref, ids, o)
		if err != nil {
			t.Fatal(err)
		}
		rise := r.Perplexity()/base.Perplexity() - 1
		if r.KLMean > 1e-3 || rise > c.worse {
			t.Errorf("precise %v: mean KL %.3g, perplexity %+.3f %%", c.precise, r.KLMean, 100*rise)
		}
		t.Logf("precise %v: %d tokens, KL mean %.2g median %.2g 99.9%% %.2g, top-1 %.4f, perplexity %.4f to %.4f (%+.3f %%)",
			c.precise, r.Tokens, r.KLMean, r.KLMedian, r.KL999, r.Top1, base.Perplexity(), r.Perplexity(), 100*rise)
	}
}
