package engine

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestPrefillMemory: after a prompt of 2,048 tokens the process has taken at most
// 64 MiB of anonymous memory besides the KV cache: activations, packing scratch,
// tokenizer and the Go heap; weights stay in the mapping. QWQ_BENCH_MODEL names a
// larger file.
func TestPrefillMemory(t *testing.T) {
	const prompt, limit = 2048, 64 << 20
	path := os.Getenv("QWQ_BENCH_MODEL")
	if path == "" {
		// The 0.5B shape but for layers and vocabulary, which cost no scratch.
		path = modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Layers: 2, Hidden: 896, FFN: 4864, Heads: 14, KVHeads: 2, HeadDim: 64, Vocab: 4000, Tied: true, Biases: true, Context: 4096})
	}
	debug.FreeOSMemory() // what earlier tests left is not ours
	before := rssAnon(t)
	m := load(t, path, Options{Context: 4096})
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32(i*31%3000 + 5)
	}
	s, err := m.NewSeq(Request{IDs: ids, MaxTokens: 2, IgnoreEOS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	for s.Finish() == "" {
		if err := m.Step(context.Background(), []*Seq{s}); err != nil {
			t.Fatal(err)
		}
	}
	pages, _ := m.Pages()
	kv := int64(pages) * m.Info().KVBytes * 64
	took := rssAnon(t) - before
	if took-kv > limit {
		t.Errorf("%d bytes of anonymous memory, %d of them KV: %d beyond, limit %d", took, kv, took-kv, limit)
	}
	if took < kv/2 {
		t.Errorf("%d bytes of anonymous memory with a KV cache of %d: not measured", took, kv)
	}
	runtime.KeepAlive(m)
	t.Logf("%d bytes of file; %d KiB of anonymous memory, %d KiB of them KV, %d KiB beyond; batches of %d", m.Info().Bytes, took>>10, kv>>10, (took-kv)>>10, m.chunk)
}
