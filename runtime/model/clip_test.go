package model

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/vision"
)

// TestCLIP compares both towers with the reference: hidden states, embeddings, and
// the logits of every image and text.
func TestCLIP(t *testing.T) { eachRung(t, testCLIP) }

func testCLIP(t *testing.T, variant string) {
	dir := testdata.Shared(t, "goldens", "models", "clip-tiny")
	b, err := os.ReadFile(dir + "/expected.json")
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Embeds float64 `json:"tolerance_embeds_max_abs"`
		Logits float64 `json:"tolerance_logits_max_abs"`
	}
	if err := json.Unmarshal(b, &e); err != nil || e.Embeds == 0 || e.Logits == 0 {
		t.Fatal(e, err)
	}
	arrays := testdata.NPZ(t, dir+"/expected.npz")
	// F16 and int8 as measured, and some room: random weights lose more than trained ones.
	for _, typ := range []struct {
		name                   string
		precise                bool
		hidden, embeds, logits float64
	}{{"f32", true, 2e-4, e.Embeds, e.Logits}, {"f16", false, 5e-3, 1e-3, 1e-2}, {"q8_0", false, 0.2, 0.012, 0.05}} {
		f := converted(t, "clip-tiny", "checkpoint", typ.name)
		dev := rung(t, backend.CPUOptions{Kernel: variant, Precise: typ.precise})
		text, err := New(f, dev)
		if err != nil {
			t.Fatal(err)
		}
		eyes, err := NewVision(f, dev)
		if err != nil {
			t.Fatal(err)
		}
		m, err := f.Tensor("logit_scale").Matrix()
		if err != nil {
			t.Fatal(err)
		}
		ln := make([]float32, 1)
		if err := quant.Decode(m.Type, ln, m.Data); err != nil {
			t.Fatal(err)
		}
		h, scale := eyes.Hyper(), math.Exp(float64(ln[0]))
		hidden := 0.0
		run := func(m *Model, b *Batch, name string, at []int) []float32 {
			b.Want = backend.Hidden | backend.AllHidden | backend.Pooled
			out, err := m.Run(b)
			if err != nil {
				t.Fatal(err)
			}
			all, width := arrays[name+"_hidden"], m.Hyper().Hidden
			per := all.Shape[1] * all.Shape[2]
			if len(out) != m.Hyper().Layers+3 {
				t.Fatalf("%d tensors", len(out))
			}
			for i, p := range at {
				last := arrays[name+"_last_hidden_state"].F32[p*width : (p+1)*width]
				hidden = max(hidden, maxDiff(t, out[0].Data[i*width:(i+1)*width], last))
				for l, x := range out[1 : len(out)-1] {
					want := all.F32[(l*per+p)*width : (l*per+p+1)*width]
					hidden = max(hidden, maxDiff(t, x.Data[i*width:(i+1)*width], want))
				}
			}
			return normalised(out[len(out)-1])
		}
		ids, mask := arrays["input_ids"], arrays["attention_mask"].I64
		tb, at := &Batch{}, []int(nil)
		for r := range ids.Shape[0] {
			n := 0
			for c := range ids.Shape[1] {
				if i := r*ids.Shape[1] + c; mask[i] != 0 {
					tb.IDs, at = append(tb.IDs, int32(ids.I64[i])), append(at, i)
					n++
				}
			}
			tb.Seqs = append(tb.Seqs, Span{N: n})
		}
		texts := run(text, tb, "text", at)
		ib, cols := &Batch{}, 3*h.Patch*h.Patch
		ib.Embeds = backend.Tensor{Rows: 3 * h.Context, Cols: cols, Data: make([]float32, 3*h.Context*cols)}
		at = nil
		for i := range 3 {
			vision.Patches(ib.Embeds.Data[i*h.Context*cols:], arrays[fmt.Sprintf("image%d.pixel_values", i)].F32, h.Image, h.Patch)
			ib.Seqs = append(ib.Seqs, Span{N: h.Context})
			for p := range h.Context {
				at = append(at, i*h.Context+p)
			}
		}
		images := run(eyes, ib, "vision", at)
		embeds := max(maxDiff(t, texts, arrays["text_embeds"].F32), maxDiff(t, images, arrays["image_embeds"].F32))
		logits, dim := make([]float32, 0, 9), h.Projection
		for i := range 3 {
			for j := range 3 {
				dot := 0.0
				for k := range dim {
					dot += float64(images[i*dim+k]) * float64(texts[j*dim+k])
				}
				logits = append(logits, float32(scale*dot))
			}
		}
		worst := maxDiff(t, logits, arrays["logits_per_image"].F32)
		if !(hidden <= typ.hidden && embeds <= typ.embeds && worst <= typ.logits) {
			t.Errorf("%s: hidden states off by %.3g, embeddings %.3g, logits %.3g; at most %g, %g, %g", typ.name, hidden, embeds, worst, typ.hidden, typ.embeds, typ.logits)
		}
		t.Logf("%s: hidden states off by %.2g, embeddings %.2g, logits %.2g", typ.name, hidden, embeds, worst)
	}
}

func normalised(x backend.Tensor) []float32 {
	y := slices.Clone(x.Data)
	for r := range x.Rows {
		row, sum := y[r*x.Cols:(r+1)*x.Cols], 0.0
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		for i := range row {
			row[i] = float32(float64(row[i]) / math.Sqrt(sum))
		}
	}
	return y
}

// TestTowerSame: an image and a text have the same embedding alone, beside others
// and with padding after the end; and what a tower cannot do is an error.
func TestTowerSame(t *testing.T) {
	f := converted(t, "clip-tiny", "checkpoint", "q8_0")
	dev := cpu(t, 2, false)
	text, err := New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	eyes, err := NewVision(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	run := func(m *Model, b *Batch) []float32 {
		t.Helper()
		b.Want = backend.Pooled
		out, err := m.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out[0].Data)
	}
	const eos = 1025
	a, b := []int32{1024, 3, 4, 5, eos}, []int32{1024, 9, 8, 7, 6, 5, eos}
	alone := run(text, &Batch{IDs: a, Seqs: []Span{{N: 5}}})
	both := run(text, &Batch{IDs: slices.Concat(b, a, []int32{eos, eos}), Seqs: []Span{{N: 7}, {N: 7}}})
	if !slices.Equal(alone, both[64:]) {
		t.Error("a text's bits differ beside another one and with padding")
	}
	if slices.Equal(alone, both[:64]) {
		t.Error("two texts have one embedding")
	}
	h := eyes.Hyper()
	rows, cols := h.Context, 3*h.Patch*h.Patch
	x := backend.Tensor{Rows: 2 * rows, Cols: cols, Data: make([]float32, 2*rows*cols)}
	for i := range x.Data {
		x.Data[i] = float32(i%31-15) / 15
	}
	clear(x.Data[rows*cols:][:cols])
	clear(x.Data[:cols])
	one := run(eyes, &Batch{Embeds: backend.Tensor{Rows: rows, Cols: cols, Data: x.Data[rows*cols:]}, Seqs: []Span{{N: rows}}})
	two := run(eyes, &Batch{Embeds: x, Seqs: []Span{{N: rows}, {N: rows}}})
	if !slices.Equal(one, two[64:]) {
		t.Error("an image's bits differ beside another one")
	}
	if slices.Equal(one, two[:64]) {
		t.Error("two images have one embedding")
	}
	for name, bad := range map[string]func() (*Model, *Batch){
		"text logits":  func() (*Model, *Batch) { return text, &Batch{IDs: a, Seqs: []Span{{N: 5}}} },
		"long text":    func() (*Model, *Batch) { return text, &Batch{IDs: ramp(33, 1000), Seqs: []Span{{N: 33}}} },
		"text segment": func() (*Model, *Batch) { return text, &Batch{IDs: a, Segments: make([]int32, 5), Seqs: []Span{{N: 5}}} },
		"image width": func() (*Model, *Batch) {
			return eyes, &Batch{Embeds: backend.Tensor{Rows: 1, Cols: 64, Data: make([]float32, 64)}, Seqs: []Span{{N: 1}}}
		},
	} {
		m, b := bad()
		if name != "text logits" {
			b.Want = backend.Pooled
		}
		if _, err := m.Run(b); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Log(err)
		}
	}
	if _, err := NewVision(converted(t, "bert-tiny", "checkpoint", "f32"), dev); err == nil {
		t.Error("a BERT has eyes")
	}
}
