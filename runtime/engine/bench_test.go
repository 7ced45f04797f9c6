package engine

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"testing"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// benchModel is the file QWQ_BENCH_MODEL names, or a random one with the matrix
// shapes of a small model.
func benchModel(b *testing.B) *Model {
	path := os.Getenv("QWQ_BENCH_MODEL")
	if path == "" {
		path = modeltest.Write(b, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Layers: 4, Hidden: 512, FFN: 1536, Heads: 8, KVHeads: 2, HeadDim: 64, Vocab: 8192, Context: 4096, Tied: true})
	}
	m := load(b, path, Options{})
	b.SetBytes(int64(m.Info().Bytes))
	return m
}

func BenchmarkDecode(b *testing.B) {
	m := benchModel(b)
	s, err := m.NewSeq(Request{IDs: []int32{1}, IgnoreEOS: true, Sampling: sample.Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Release()
	one := []*Seq{s}
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Step(context.Background(), one); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkDecodeTogether decodes several sequences in one step: it reads the
// weights once.
func BenchmarkDecodeTogether(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			m := benchModel(b)
			seqs := make([]*Seq, n)
			for i := range seqs {
				s, err := m.NewSeq(Request{IDs: []int32{int32(i + 1)}, IgnoreEOS: true})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Release()
				seqs[i] = s
			}
			for b.Loop() {
				if err := m.Step(context.Background(), seqs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

func BenchmarkPrefill64(b *testing.B) {
	m := benchModel(b)
	ids := make([]int32, 64)
	for b.Loop() {
		s, err := m.NewSeq(Request{IDs: ids, MaxTokens: 1})
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Step(context.Background(), []*Seq{s}); err != nil {
			b.Fatal(err)
		}
		s.Release()
	}
	b.ReportMetric(64*float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// rssAnon is this process's anonymous resident memory, bytes.
func rssAnon(t testing.TB) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc/self/status: ", err)
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("RssAnon:")); ok {
			n, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Skip("no RssAnon in /proc/self/status")
	return 0
}

// TestOpenMemory: opening a model takes no anonymous memory for its weights,
// and running it none beyond KV and scratch. QWQ_BENCH_MODEL names a larger
// file.
func TestOpenMemory(t *testing.T) {
	path, limit := os.Getenv("QWQ_BENCH_MODEL"), int64(30<<20)
	if path == "" {
		path, limit = modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Hidden: 512, HeadDim: 64, Vocab: 24000, Tied: true}), 6<<20
	}
	before := rssAnon(t)
	m := load(t, path, Options{})
	opened := rssAnon(t) - before
	if opened > limit {
		t.Errorf("opening %d bytes took %d of anonymous memory, limit %d", m.Info().Bytes, opened, limit)
	}
	for _, err := range m.Generate(context.Background(), Request{IDs: []int32{1, 2, 3}, MaxTokens: 3, IgnoreEOS: true}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ran := rssAnon(t) - before
	if ran > limit+16<<20 {
		t.Errorf("running %d bytes took %d of anonymous memory", m.Info().Bytes, ran)
	}
	t.Logf("%d bytes: %d KiB after opening, %d KiB after running", m.Info().Bytes, opened>>10, ran>>10)
}
