package engine

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/vision"
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

// tinyCLIP is a CLIP of a few kilobytes.
func tinyCLIP(f *testing.F) []byte {
	f.Helper()
	l := gguf.Layout{KVs: []gguf.KV{
		{Key: arch.KeyArch, Value: gguf.String("clip")}, {Key: arch.KeyHasText, Value: gguf.Bool(true)}, {Key: arch.KeyHasVision, Value: gguf.Bool(true)},
		{Key: "clip.text.context_length", Value: gguf.Uint32(6)}, {Key: arch.KeyImageSize, Value: gguf.Uint32(4)}, {Key: arch.KeyPatchSize, Value: gguf.Uint32(2)},
		{Key: arch.KeyImageMean, Value: gguf.Float32s([]float32{0, 0, 0})}, {Key: arch.KeyImageStd, Value: gguf.Float32s([]float32{1, 1, 1})},
		{Key: "tokenizer.ggml.eos_token_id", Value: gguf.Uint32(7)},
	}}
	for _, tower := range []string{"clip.text.", "clip.vision."} {
		for key, n := range map[string]uint32{"embedding_length": 4, "feed_forward_length": 8, "block_count": 1, "attention.head_count": 2, "projection_dim": 3} {
			l.KVs = append(l.KVs, gguf.KV{Key: tower + key, Value: gguf.Uint32(n)})
		}
	}
	d := arch.Dims{Hidden: 4, FFN: 8, Heads: 2, KVHeads: 2, HeadDim: 2, Vocab: 8, Layers: 1, Positions: 6, Projection: 3}
	v := d
	v.Positions, v.Patch = 5, 2
	d.Vision = &v
	a, _ := arch.Lookup("clip")
	for _, n := range a.Expand(d) {
		var dims []uint64
		for _, s := range slices.Backward(n.Shape(d)) {
			dims = append(dims, uint64(s))
		}
		l.Tensors = append(l.Tensors, gguf.TensorInfo{Name: n.Name, Dims: dims})
	}
	path := filepath.Join(f.TempDir(), "clip.gguf")
	w, err := gguf.Create(path, l, true)
	if err != nil {
		f.Fatal(err)
	}
	for i, t := range l.Tensors {
		n := 1
		for _, d := range t.Dims {
			n *= int(d)
		}
		if err := w.WriteAt(i, 0, bytes.Repeat([]byte{0, 0, 0x80, 0x3e}, n)); err != nil { // 0.25
			f.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// FuzzEyes: whatever a file of CLIP holds, an image and a text get vectors of the
// length that the file says, or an error.
func FuzzEyes(f *testing.F) {
	b := tinyCLIP(f)
	f.Add(b)
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { dev.Close() })
	whole, err := gguf.Parse(b)
	if err != nil {
		f.Fatal(err)
	}
	if m, err := New(whole, Options{Device: dev}); err != nil || m.Info().Image != 4 {
		f.Fatalf("the seed is no model: %v", err)
	}
	img := &vision.RGB{W: 5, H: 3, Pix: bytes.Repeat([]byte{9, 80, 200}, 15)}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := gguf.Parse(b)
		if err != nil {
			return
		}
		defer file.Close()
		m, err := New(file, Options{Device: dev})
		if err != nil || m.Info().Image == 0 {
			return
		}
		defer m.Close()
		v, err := m.EmbedImages(t.Context(), []*vision.RGB{img})
		if err == nil && (len(v) != 1 || len(v[0]) != m.Info().Embedding) {
			t.Fatalf("%d vectors", len(v))
		}
		v, err = m.EmbedAll(t.Context(), [][]int32{{1, 2, 3}})
		if err == nil && (len(v) != 1 || len(v[0]) != m.Info().Embedding) {
			t.Fatalf("%d vectors", len(v))
		}
	})
}
