package engine

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// TestEmbed: the vector is the mean of the hidden states of a run of its own over all
// rows at once, whatever the chunks.
func TestEmbed(t *testing.T) {
	f, err := gguf.Parse(demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(f, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ids := make([]int32, 300)
	for i := range ids {
		ids[i] = int32(i * 7 % 2000)
	}
	got, err := m.Embed(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	kv := m.cache.New()
	defer kv.Release()
	want := make([]float64, m.info.Hidden)
	b := &model.Batch{IDs: ids, Seqs: []model.Span{{KV: kv, N: len(ids), Causal: true}}, Want: backend.Hidden}
	if err := m.run(b, func(x []backend.Tensor) error {
		for i, v := range x[0].Data {
			want[i%len(want)] += float64(v) / float64(len(ids))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if math.Abs(float64(v)-want[i]) > 1e-5*(1+math.Abs(want[i])) {
			t.Fatalf("dimension %d: got %v, want %v", i, v, want[i])
		}
	}
	other, err := m.Embed(t.Context(), ids[1:])
	if err != nil || slices.Equal(got, other) {
		t.Errorf("another text has the same vector, %v", err)
	}
	for name, bad := range map[string][]int32{"empty": {}, "long": make([]int32, m.Context()+1), "range": {-1}} {
		if _, err := m.Embed(t.Context(), bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Embed(gone, ids); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// TestEmbedEncoder: an encoder's vector is the mean of its hidden states, or the first
// one where the file says so, and it does not write.
func TestEmbedEncoder(t *testing.T) {
	out := filepath.Join(t.TempDir(), "m.gguf")
	if _, err := convert.Quantize(t.Context(), convert.Options{Source: testdata.Shared(t, "goldens", "models", "bert-tiny", "checkpoint"), Out: out, Type: "f32"}); err != nil {
		t.Fatal(err)
	}
	m, err := Open(out, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ids := []int32{2, 40, 41, 42, 3}
	got, err := m.Embed(t.Context(), ids)
	if err != nil || !m.Info().Encoder {
		t.Fatal(err)
	}
	var rows []float32
	if err := m.run(&model.Batch{IDs: ids, Seqs: []model.Span{{N: len(ids)}}, Want: backend.Hidden}, func(x []backend.Tensor) error {
		rows = slices.Clone(x[0].Data)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	first := m.mdl.Hyper().Pooling == arch.FirstPooling
	for i, v := range got {
		want := rows[i]
		if !first {
			sum := 0.0
			for k := range ids {
				sum += float64(rows[k*len(got)+i])
			}
			want = float32(sum / float64(len(ids)))
		}
		if v != want {
			t.Fatalf("dimension %d: got %v, want %v", i, v, want)
		}
	}
	if _, err := m.NewSeq(Request{IDs: ids}); err == nil {
		t.Error("an encoder was to write")
	}
}
