package model

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// specs covers what a file of these architectures can have.
var specs = map[string]modeltest.Spec{
	"llama":        {},
	"llama full":   {Biases: true, RopeFactors: true, KVHeads: 1, Tied: true},
	"llama window": {Window: 20, Layers: 3},
	"llama linear": {HeadDim: 24, KVs: []gguf.KV{{Key: "llama.rope.scaling.type", Value: gguf.String("linear")}, {Key: "llama.rope.scaling.factor", Value: gguf.Float32(4)}}},
	"qwen2":        {Arch: "qwen2"},
	"qwen2 yarn": {Arch: "qwen2", KVs: []gguf.KV{{Key: "qwen2.rope.scaling.type", Value: gguf.String("yarn")},
		{Key: "qwen2.rope.scaling.factor", Value: gguf.Float32(4)}, {Key: "qwen2.rope.scaling.original_context_length", Value: gguf.Uint32(128)}}},
	"qwen3":    {Arch: "qwen3", HeadDim: 64, Heads: 3, KVHeads: 3},
	"mixtral":  {Experts: 4},
	"qwen2moe": {Arch: "qwen2moe", Experts: 6, Used: 3},
	"qwen3moe": {Arch: "qwen3moe", Experts: 5, HeadDim: 64, Heads: 3, KVHeads: 3},
}

// TestNaive compares the CPU with a second implementation of every operation:
// a batch of prefills and decodes, spans without a cache, and every Want.
func TestNaive(t *testing.T) {
	for label, spec := range specs {
		t.Run(label, func(t *testing.T) {
			f := open(t, modeltest.Write(t, spec))
			var outs [2][][]float32
			for i, dev := range []backend.Device{naive{}, cpu(t, 2, true)} {
				b := bind(t, f, dev, quant.F32)
				ids := ramp(100, 320)
				old := b.cache.New()
				outs[i] = append(outs[i], b.feed(old, ids[:70], 33))
				outs[i] = append(outs[i], b.run(&Batch{
					IDs: ids[:60],
					Seqs: []Span{
						{KV: b.cache.New(), N: 10, Causal: true}, {KV: old, Start: 70, N: 1, Causal: true},
						{N: 20, Causal: true}, {N: 9}, {KV: old.Fork(), Start: 70, N: 20, Causal: true},
					},
					Rows: []int32{0, 9, 10, 30, 39, 59}, Want: backend.Logits | backend.Hidden,
				})...)
				outs[i] = append(outs[i], b.run(&Batch{IDs: ids[:5], Seqs: []Span{{N: 5, Causal: true}}, Rows: []int32{4}, Want: backend.Hidden | backend.AllHidden, Layers: 1})...)
				emb := backend.Tensor{Rows: 2, Cols: 64, Data: make([]float32, 128)}
				for k := range emb.Data {
					emb.Data[k] = float32(k%11) / 10
				}
				outs[i] = append(outs[i], b.run(&Batch{Embeds: emb, Seqs: []Span{{N: 2, Causal: true}}})...)
			}
			if len(outs[0]) != len(outs[1]) || len(outs[0]) != 1+2+3+1 {
				t.Fatalf("%d and %d tensors", len(outs[0]), len(outs[1]))
			}
			var worst float64
			for k := range outs[0] {
				worst = max(worst, maxDiff(t, outs[1][k], outs[0][k]))
			}
			if !(worst < 5e-5) {
				t.Errorf("differs by %.3g", worst)
			}
			t.Logf("differs by %.2g", worst)
		})
	}
}

// TestBits is the promise of design section 4: the same bits alone, in a mixed
// batch of four, with 1, 2 and 3 threads, in chunks of 1, 7 and 64, after a
// fork, for several weight and KV types.
func TestBits(t *testing.T) {
	for _, c := range []struct {
		w, kv   quant.Type
		experts int
	}{{w: quant.F32, kv: quant.F32}, {w: quant.F16, kv: quant.F16}, {w: quant.Q8_0, kv: quant.F16}, {w: quant.Q8_0, kv: quant.Q8_0}, {w: quant.Q4_0, kv: quant.F32},
		{quant.Q8_0, quant.F16, 6}, {quant.F32, quant.F32, 6}} {
		t.Run(name(c.w, "/", c.kv, "/", c.experts), func(t *testing.T) {
			spec := modeltest.Spec{Arch: "qwen2", Type: c.w, Heads: 4, HeadDim: 32}
			if c.experts > 0 {
				spec.Arch, spec.Experts, spec.ExpertFFN, spec.SharedFFN = "qwen2moe", c.experts, 64, 96
			}
			f := open(t, modeltest.Write(t, spec))
			if testing.Short() && c.kv != quant.F16 {
				t.Skip("-short")
			}
			prompt, more := ramp(280, 320), []int32{3, 1, 4} // beyond one split of attention
			var want []float32
			check := func(label string, got []float32) {
				t.Helper()
				if want == nil {
					want = got
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: bits differ (by at most %.3g)", label, maxDiff(t, got, want))
				}
			}
			for threads := 1; threads <= 3; threads++ {
				b := bind(t, f, cpu(t, threads, false), c.kv)
				for _, chunk := range []int{64, 7, 1}[:3-threads%2] {
					kv := b.cache.New()
					check(name(threads, " threads, chunks of ", chunk), append(b.feed(kv, prompt, chunk), b.feed(kv, more, 1)...))
					kv.Truncate(40)
					fork := kv.Fork()
					tail := append(b.feed(fork, prompt[40:], 64), b.feed(fork, more, 1)...)
					check("after a shared prefix of 40", append(slices.Clone(want[:40*320]), tail...))
					kv.Release()
					fork.Release()
				}
				check(name(threads, " threads, mixed batch"), b.mixed(prompt, more))
			}
		})
	}
}

// mixed feeds the sequence in a batch with three others that prefill and
// decode at the same time.
func (b *bench) mixed(prompt, more []int32) (all []float32) {
	kv := []*kvcache.Seq{b.cache.New(), b.cache.New(), b.cache.New(), b.cache.New()}
	defer func() {
		for _, s := range kv {
			s.Release()
		}
	}()
	step := func(n [4]int, ids []int32) []float32 {
		batch := &Batch{}
		at, lo := 0, 0
		for i, s := range kv {
			if i == 2 {
				lo = at
			}
			for k := range n[i] {
				if i == 2 {
					batch.IDs = append(batch.IDs, ids[k])
				} else {
					batch.IDs = append(batch.IDs, int32((s.Len()*31+k*5+i)%320))
				}
			}
			batch.Seqs = append(batch.Seqs, Span{KV: s, Start: s.Len(), N: n[i], Causal: true})
			at += n[i]
		}
		return b.run(batch)[0][lo*320 : (lo+n[2])*320]
	}
	all = append(all, step([4]int{5, 1, 30, 9}, prompt)...)
	all = append(all, step([4]int{1, 33, 50, 1}, prompt[30:])...)
	all = append(all, step([4]int{40, 1, 200, 1}, prompt[80:])...)
	all = append(all, step([4]int{1, 1, 1, 64}, more)...)
	all = append(all, step([4]int{1, 1, 1, 1}, more[1:])...)
	return append(all, step([4]int{17, 1, 1, 1}, more[2:])...)
}

// TestRowsOnly: selecting rows must not change them, and none is allowed.
func TestRowsOnly(t *testing.T) {
	b := bind(t, open(t, modeltest.Write(t, modeltest.Spec{Type: quant.Q8_0})), cpu(t, 2, false), quant.F16)
	ids := ramp(30, 320)
	all := b.feed(b.cache.New(), ids, 30)
	kv := b.cache.New()
	none := b.run(&Batch{IDs: ids[:29], Seqs: []Span{{KV: kv, N: 29, Causal: true}}, Rows: []int32{}})
	if len(none) != 1 || len(none[0]) != 0 || kv.Len() != 29 {
		t.Errorf("no rows: %d tensors, %d positions", len(none), kv.Len())
	}
	one := b.run(&Batch{IDs: ids[29:], Seqs: []Span{{KV: kv, Start: 29, N: 1, Causal: true}}, Rows: []int32{0}})
	if !slices.Equal(one[0], all[29*320:]) {
		t.Error("the last row differs when the rows before gave no outputs")
	}
}

func TestObserve(t *testing.T) {
	b := bind(t, open(t, modeltest.Write(t, modeltest.Spec{Tied: true})), cpu(t, 1, false), quant.F32)
	seen := map[string]int{}
	b.run(&Batch{IDs: []int32{1, 2, 3}, Seqs: []Span{{N: 3, Causal: true}}, Observe: func(w string, expert int, x backend.Tensor) {
		if expert != -1 || x.Rows != 3 || len(x.Data) != x.Rows*x.Cols {
			t.Errorf("%s: expert %d, [%d, %d] with %d values", w, expert, x.Rows, x.Cols, len(x.Data))
		}
		seen[w] = x.Cols
	}})
	want := map[string]int{"token_embd.weight": 64}
	for _, l := range []string{"blk.0.", "blk.1."} {
		want[l+"attn_q.weight"], want[l+"attn_k.weight"], want[l+"attn_v.weight"] = 64, 64, 64
		want[l+"attn_output.weight"], want[l+"ffn_gate.weight"], want[l+"ffn_up.weight"], want[l+"ffn_down.weight"] = 128, 64, 64, 96
	}
	for k, v := range want {
		if seen[k] != v {
			t.Errorf("%s: input of %d columns, want %d", k, seen[k], v)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("observed %v", seen)
	}
}

func TestBindErrors(t *testing.T) {
	b := bind(t, open(t, modeltest.Write(t, modeltest.Spec{})), cpu(t, 1, false), quant.F32)
	kv := b.cache.New()
	b.feed(kv, []int32{1, 2}, 2)
	span := []Span{{N: 2, Causal: true}}
	for label, batch := range map[string]*Batch{
		"id beyond the vocabulary": {IDs: []int32{1, 320}, Seqs: span},
		"negative id":              {IDs: []int32{-1, 3}, Seqs: span},
		"no rows":                  {},
		"too few rows in spans":    {IDs: []int32{1, 2, 3}, Seqs: span},
		"too many":                 {IDs: []int32{1}, Seqs: span},
		"gap in the cache":         {IDs: []int32{1, 2}, Seqs: []Span{{KV: kv, Start: 3, N: 2}}},
		"start without a cache":    {IDs: []int32{1, 2}, Seqs: []Span{{Start: 3, N: 2}}},
		"row out of range":         {IDs: []int32{1, 2}, Seqs: span, Rows: []int32{2}},
		"rows out of order":        {IDs: []int32{1, 2}, Seqs: span, Rows: []int32{1, 1}},
		"layers":                   {IDs: []int32{1, 2}, Seqs: span, Layers: 3},
		"embeddings":               {Embeds: backend.Tensor{Rows: 2, Cols: 3, Data: make([]float32, 6)}, Seqs: span},
		"one cache in two spans":   {IDs: []int32{1, 2}, Seqs: []Span{{KV: kv, Start: 2, N: 1}, {KV: kv, Start: 2, N: 1}}},
		"pooled":                   {IDs: []int32{1, 2}, Seqs: span, Want: backend.Pooled},
	} {
		if _, err := b.Run(batch); err == nil {
			t.Errorf("%s: no error", label)
		}
	}
	full := b.cache.New()
	if _, err := b.Run(&Batch{IDs: ramp(64*64, 320), Seqs: []Span{{KV: full, N: 64 * 64, Causal: true}}}); !errors.Is(err, kvcache.ErrFull) {
		t.Errorf("out of pages: %v", err)
	}
	if kv.Len() != 2 || full.Len() != 0 {
		t.Errorf("sequences moved: %d, %d", kv.Len(), full.Len())
	}
	if _, err := b.KVSpec(quant.Q4_0, 1); err == nil {
		t.Error("kv type Q4_0 passed")
	}
}

func TestNoAllocation(t *testing.T) {
	b := bind(t, open(t, modeltest.Write(t, modeltest.Spec{Type: quant.Q8_0})), cpu(t, 2, false), quant.F16)
	kv := b.cache.New()
	batch := &Batch{IDs: []int32{5}, Rows: []int32{0}, Seqs: []Span{{KV: kv, N: 1, Causal: true}}}
	step := func() {
		batch.Seqs[0].Start = kv.Len()
		if _, err := b.Run(batch); err != nil {
			t.Fatal(err)
		}
	}
	for range 140 {
		step()
	}
	if n := testing.AllocsPerRun(100, step); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

// TestNew: what a file may lack or have too much.
func TestNew(t *testing.T) {
	dev := cpu(t, 1, false)
	for _, c := range []struct {
		label, want string
		spec        modeltest.Spec
	}{
		{"scaling", "rope.scaling.type", modeltest.Spec{KVs: []gguf.KV{{Key: "llama.rope.scaling.type", Value: gguf.String("longrope")}}}},
		{"yarn base", "freq_base", modeltest.Spec{KVs: []gguf.KV{{Key: "llama.rope.scaling.type", Value: gguf.String("yarn")}, {Key: "llama.rope.freq_base", Value: gguf.Float32(1)},
			{Key: "llama.rope.scaling.factor", Value: gguf.Float32(4)}, {Key: "llama.rope.scaling.original_context_length", Value: gguf.Uint32(128)}}}},
		{"heads", "head_count_kv", modeltest.Spec{Heads: 4, KVHeads: 3}},
	} {
		f := open(t, modeltest.Write(t, c.spec))
		if _, err := New(f, dev); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.label, err, c.want)
		}
	}
	if got := Architectures(); !slices.Equal(got, []string{"bert", "clip", "llama", "qwen2", "qwen2moe", "qwen3", "qwen3moe", "qwq-seed"}) {
		t.Errorf("architectures %v", got)
	}
}
