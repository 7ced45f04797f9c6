package engine

import (
	"context"
	"os"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// FuzzModel: whatever a model file holds, opening it and running a step is an
// error or a token, never a crash.
func FuzzModel(f *testing.F) {
	for _, s := range []modeltest.Spec{
		{Layers: 1, Hidden: 32, FFN: 32, Heads: 2, KVHeads: 1, HeadDim: 16, Vocab: 8, RopeFactors: true, Window: 3, Context: 16},
		{Arch: "qwen2", Type: quant.Q8_0, Layers: 1, Hidden: 32, FFN: 32, Heads: 1, KVHeads: 1, HeadDim: 32, Vocab: 8, Tied: true, Context: 16,
			KVs: []gguf.KV{{Key: "qwen2.rope.scaling.type", Value: gguf.String("yarn")}, {Key: "qwen2.rope.scaling.factor", Value: gguf.Float32(4)},
				{Key: "qwen2.rope.scaling.original_context_length", Value: gguf.Uint32(8)}}},
		{Arch: "qwen3", Type: quant.F16, Layers: 1, Hidden: 32, FFN: 32, Heads: 1, KVHeads: 1, HeadDim: 32, Vocab: 8, Context: 16},
		{Layers: 1, Hidden: 8, FFN: 8, Heads: 1, KVHeads: 1, HeadDim: 8, Tokenizer: true, Tied: true},
	} {
		b, err := os.ReadFile(modeltest.Write(f, s))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { dev.Close() })
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := gguf.Parse(b)
		if err != nil {
			return
		}
		defer file.Close()
		m, err := New(file, Options{Device: dev})
		if err != nil {
			return
		}
		defer m.Close()
		n := 0
		for _, err := range m.Generate(context.Background(), Request{IDs: []int32{0, 1}, MaxTokens: 3}) {
			if n++; n > 4 {
				t.Fatal("more tokens than asked for", err)
			}
		}
	})
}
