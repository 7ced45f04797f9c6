package model

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// TestBERT compares hidden states after every layer and the pooled vector with
// the reference: alone, as a pair of segments, and several texts of different
// lengths in one step.
func TestBERT(t *testing.T) { eachRung(t, testBERT) }

func testBERT(t *testing.T, variant string) {
	dir := testdata.Shared(t, "goldens", "models", "bert-tiny")
	b, err := os.ReadFile(dir + "/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Tolerance float64 `json:"tolerance_max_abs"`
	}
	if err := json.Unmarshal(b, &e); err != nil || e.Tolerance == 0 {
		t.Fatal(e, err)
	}
	arrays := testdata.NPZ(t, dir+"/expected.npz")
	// int8: measured 0.073; random weights lose more than trained ones.
	for _, typ := range []struct {
		name    string
		precise bool
		limit   float64
	}{{"f32", true, e.Tolerance}, {"q8_0", false, 0.1}} {
		m, err := New(converted(t, "bert-tiny", "checkpoint", typ.name), rung(t, backend.CPUOptions{Kernel: variant, Precise: typ.precise}))
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for _, key := range []string{"s0", "s1", "s2", "pair", "batch"} {
			ids, mask, kinds := arrays[key+".input_ids"], arrays[key+".attention_mask"].I64, arrays[key+".token_type_ids"].I64
			rows, cols := ids.Shape[0], ids.Shape[1]
			batch := &Batch{Want: backend.AllHidden | backend.Pooled}
			var at []int // of each row: its place in the padded reference
			for r := range rows {
				n := 0
				for c := range cols {
					if i := r*cols + c; mask[i] != 0 {
						batch.IDs = append(batch.IDs, int32(ids.I64[i]))
						batch.Segments = append(batch.Segments, int32(kinds[i]))
						at = append(at, i)
						n++
					}
				}
				batch.Seqs = append(batch.Seqs, Span{N: n})
			}
			out, err := m.Run(batch)
			if err != nil {
				t.Fatal(err)
			}
			hidden, h := arrays[key+".hidden"].F32, m.Hyper().Hidden
			if len(out) != m.Hyper().Layers+2 {
				t.Fatalf("%d tensors", len(out))
			}
			for l, x := range out[:len(out)-1] {
				for i, p := range at {
					want := hidden[(l*rows*cols+p)*h : (l*rows*cols+p+1)*h]
					worst = max(worst, maxDiff(t, x.Data[i*h:(i+1)*h], want))
				}
			}
			worst = max(worst, maxDiff(t, out[len(out)-1].Data, arrays[key+".pooler_output"].F32))
		}
		if !(worst <= typ.limit) {
			t.Errorf("%s: off by %.3g, at most %.3g", typ.name, worst, typ.limit)
		}
		t.Logf("%s: off by %.2g", typ.name, worst)
	}
}

// TestEncoderSame: a text's states have the same bits alone and beside others.
func TestEncoderSame(t *testing.T) {
	m, err := New(converted(t, "bert-tiny", "checkpoint", "q8_0"), cpu(t, 2, false))
	if err != nil {
		t.Fatal(err)
	}
	run := func(b *Batch) []float32 {
		out, err := m.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out[0].Data)
	}
	a, b := ramp(40, 1200), ramp(90, 1200)
	alone := run(&Batch{IDs: a, Seqs: []Span{{N: 40}}, Want: backend.Hidden})
	both := run(&Batch{IDs: append(slices.Clone(b), a...), Seqs: []Span{{N: 90}, {N: 40}}, Want: backend.Hidden})
	if !slices.Equal(alone, both[90*64:]) {
		t.Error("bits differ beside another text")
	}
	for name, bad := range map[string]*Batch{
		"too long":  {IDs: ramp(129, 1200), Seqs: []Span{{N: 129}}, Want: backend.Hidden},
		"causal":    {IDs: a, Seqs: []Span{{N: 40, Causal: true}}, Want: backend.Hidden},
		"segment":   {IDs: a[:1], Segments: []int32{2}, Seqs: []Span{{N: 1}}, Want: backend.Hidden},
		"no logits": {IDs: a, Seqs: []Span{{N: 40}}},
	} {
		if _, err := m.Run(bad); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
	if math.IsNaN(float64(alone[0])) {
		t.Error("NaN")
	}
}
