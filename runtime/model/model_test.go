package model

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/kvcache"
)

// goldenModels are the decoders of goldens/models.
var goldenModels = []struct{ name, checkpoint string }{
	{"llama-tiny", "checkpoint"},
	{"llama-tiny", "checkpoint_bin"},
	{"qwen2-tiny", "checkpoint"},
	{"qwen2-untied-sharded-bf16", "checkpoint"},
	{"qwen3-tiny", "checkpoint"},
	{"qwen2_moe-tiny", "checkpoint"},
}

// converted is a golden checkpoint as a GGUF of one type.
func converted(t testing.TB, name, checkpoint, typ string) *gguf.File {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.gguf")
	_, err := convert.Quantize(context.Background(), convert.Options{Source: testdata.Shared(t, "goldens", "models", name, checkpoint), Out: out, Type: typ})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, out)
}

func open(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func cpu(t testing.TB, threads int, precise bool) *backend.CPU {
	t.Helper()
	return rung(t, backend.CPUOptions{Threads: threads, Precise: precise})
}

// rung is a device of the kernels that o names.
func rung(t testing.TB, o backend.CPUOptions) *backend.CPU {
	t.Helper()
	dev, err := backend.NewCPU(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	return dev
}

// eachRung runs f with every kernel variant; -short, for emulators, with the best
// alone.
func eachRung(t *testing.T, f func(t *testing.T, variant string)) {
	list := kernel.Variants()
	if testing.Short() {
		kerneltest.Require(t, list)
		f(t, "")
		return
	}
	kerneltest.Variants(t, list, f)
}

// bench is a model with a cache, for tests.
type bench struct {
	*Model
	t     testing.TB
	cache *kvcache.Cache
}

func bind(t testing.TB, f *gguf.File, dev backend.Device, kv quant.Type) *bench {
	t.Helper()
	m, err := New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := m.KVSpec(kv, 64)
	if err != nil {
		t.Fatal(err)
	}
	store, err := dev.KV(spec)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kvcache.New(store)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{m, t, c}
}

// run runs a batch and returns copies of its tensors.
func (b *bench) run(batch *Batch) [][]float32 {
	b.t.Helper()
	out, err := b.Run(batch)
	if err != nil {
		b.t.Fatal(err)
	}
	var r [][]float32
	for _, x := range out {
		h, err := b.dev.Host(x)
		if err != nil {
			b.t.Fatal(err)
		}
		if len(h) != x.Rows*x.Cols {
			b.t.Fatalf("tensor [%d, %d] with %d values", x.Rows, x.Cols, len(h))
		}
		r = append(r, slices.Clone(h))
	}
	return r
}

// feed runs ids through kv in chunks and returns all rows of logits.
func (b *bench) feed(kv *kvcache.Seq, ids []int32, chunk int) []float32 {
	b.t.Helper()
	var all []float32
	for len(ids) > 0 {
		n := min(chunk, len(ids))
		all = append(all, b.run(&Batch{IDs: ids[:n], Seqs: []Span{{KV: kv, Start: kv.Len(), N: n, Causal: true}}})[0]...)
		ids = ids[n:]
	}
	return all
}

func (b *bench) greedy(kv *kvcache.Seq, logits []float32, n int) (ids []int32) {
	row := logits[len(logits)-b.cfg.Vocab:]
	for len(ids) < n {
		best := 0
		for i, x := range row {
			if x > row[best] {
				best = i
			}
		}
		ids = append(ids, int32(best))
		row = b.feed(kv, ids[len(ids)-1:], 1)
	}
	return ids
}

func ids32(x []int64) (ids []int32) {
	for _, v := range x {
		ids = append(ids, int32(v))
	}
	return ids
}

func maxDiff(t testing.TB, got, want []float32) float64 {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	var d float64
	for i := range got {
		if e := math.Abs(float64(got[i]) - float64(want[i])); !(e <= d) {
			d = e
		}
	}
	return d
}

type expectation struct {
	Tolerance float64 `json:"tolerance_logits_max_abs"`
	Prompts   []struct {
		Prompt string
		Greedy []int32 `json:"greedy_ids"`
	}
}

func expected(t testing.TB, name string) (e expectation, arrays map[string]*testdata.Array) {
	t.Helper()
	dir := testdata.Shared(t, "goldens", "models", name)
	b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	if e.Tolerance == 0 || len(e.Prompts) == 0 {
		t.Fatal("expected.json without tolerance or prompts")
	}
	return e, testdata.NPZ(t, filepath.Join(dir, "expected.npz"))
}

// TestGoldens: logits at every position, the stream after every layer, and the
// greedy ids of the reference implementation.
func TestGoldens(t *testing.T) { eachRung(t, testGoldens) }

func testGoldens(t *testing.T, variant string) {
	for _, g := range goldenModels {
		t.Run(g.name+"/"+g.checkpoint, func(t *testing.T) {
			e, arrays := expected(t, g.name)
			b := bind(t, converted(t, g.name, g.checkpoint, "f32"), rung(t, backend.CPUOptions{Kernel: variant, Precise: true}), quant.F32)
			if !b.F32() {
				t.Error("the model is not F32")
			}
			for _, p := range e.Prompts {
				ids := ids32(arrays[p.Prompt+".input_ids"].I64)
				out := b.run(&Batch{IDs: ids, Seqs: []Span{{KV: b.cache.New(), N: len(ids), Causal: true}}, Want: backend.Logits | backend.Hidden | backend.AllHidden})
				worst := maxDiff(t, out[0], arrays[p.Prompt+".logits"].F32)
				if worst > e.Tolerance {
					t.Errorf("%s: logits off by %.3g, tolerance %.3g", p.Prompt, worst, e.Tolerance)
				}
				hidden := maxDiff(t, out[1], arrays[p.Prompt+".final_norm"].F32)
				hidden = max(hidden, maxDiff(t, out[2], arrays[p.Prompt+".embed"].F32))
				hidden = max(hidden, maxDiff(t, slices.Concat(out[3:]...), arrays[p.Prompt+".hidden"].F32))
				if hidden > 2e-4 {
					t.Errorf("%s: hidden states off by %.3g", p.Prompt, hidden)
				}
				kv := b.cache.New()
				if got := b.greedy(kv, b.feed(kv, ids, len(ids)), len(p.Greedy)); !slices.Equal(got, p.Greedy) {
					t.Errorf("%s: greedy %v, want %v", p.Prompt, got, p.Greedy)
				}
				kv.Release()
				t.Logf("%s: %d tokens, logits off by %.2g, hidden by %.2g", p.Prompt, len(ids), worst, hidden)
			}
		})
	}
}

// TestQuantized compares with the reference run on dequantized weights.
func TestQuantized(t *testing.T) { eachRung(t, testQuantized) }

func testQuantized(t *testing.T, variant string) {
	for name, types := range map[string][]string{
		"llama-tiny": {"Q8_0", "Q4_0"}, "qwen2-tiny": {"Q8_0", "Q4_0", "Q4_1", "F16"}, "qwen2-untied-sharded-bf16": {"Q8_0"},
	} {
		for _, typ := range types {
			t.Run(name+"/"+typ, func(t *testing.T) {
				e, arrays := expected(t, name)
				q := testdata.NPZ(t, testdata.Shared(t, "goldens", "models", name, "expected_quant.npz"))
				b := bind(t, converted(t, name, "checkpoint", typ), rung(t, backend.CPUOptions{Kernel: variant, Precise: true}), quant.F32)
				var worst float64
				n := 0
				for _, p := range e.Prompts {
					want, ok := q[p.Prompt+"."+typ+".logits_last4"]
					if !ok {
						continue // not every prompt has every type
					}
					n++
					kv := b.cache.New()
					got := b.feed(kv, ids32(arrays[p.Prompt+".input_ids"].I64), 64)
					kv.Release()
					worst = max(worst, maxDiff(t, got[len(got)-len(want.F32):], want.F32))
				}
				if worst > 5e-4 || n == 0 {
					t.Errorf("%d prompts: logits off by %.3g", n, worst)
				}
				t.Logf("logits off by %.2g", worst)
			})
		}
	}
}

func ramp(n, vocab int) (ids []int32) {
	for i := range n {
		ids = append(ids, int32((i*i*7+i*13+5)%vocab))
	}
	return ids
}

// TestNaiveGoldens holds the second implementation to the goldens too, so that
// a disagreement with the CPU has a judge.
func TestNaiveGoldens(t *testing.T) {
	for _, name := range []string{"llama-tiny", "qwen2-tiny", "qwen3-tiny", "qwen2_moe-tiny"} {
		e, arrays := expected(t, name)
		b := bind(t, converted(t, name, "checkpoint", "f32"), naive{}, quant.F32)
		got := b.feed(b.cache.New(), ids32(arrays["p1.input_ids"].I64), 64)
		d := maxDiff(t, got, arrays["p1.logits"].F32)
		if d > e.Tolerance {
			t.Errorf("%s: logits off by %.3g, tolerance %.3g", name, d, e.Tolerance)
		}
		t.Logf("%s: logits off by %.2g", name, d)
	}
}
func name(parts ...any) string { return fmt.Sprint(parts...) }
