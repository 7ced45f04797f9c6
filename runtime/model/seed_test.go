package model

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// seedFile converts a module of goldens/seed.
func seedFile(t testing.TB, name, typ string) *gguf.File {
	t.Helper()
	dir := testdata.Shared(t, "goldens", "seed", name)
	out := filepath.Join(t.TempDir(), "m.gguf")
	_, err := convert.Quantize(context.Background(), convert.Options{Source: dir + "/model.safetensors", Config: dir + "/info.json", Arch: "qwq-seed", Out: out, Type: typ})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, out)
}

func seedTolerance(t testing.TB, name string) float64 {
	t.Helper()
	b, err := os.ReadFile(testdata.Shared(t, "goldens", "seed", name, "info.json"))
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		Tolerance float64 `json:"tolerance_max_abs"`
	}
	if err := json.Unmarshal(b, &e); err != nil || e.Tolerance == 0 {
		t.Fatal(e, err)
	}
	return e.Tolerance
}

// turn makes [b, a, d] of [a, b, d].
func turn(x []float32, a, b, d int) []float32 {
	y := make([]float32, len(x))
	for i := range a {
		for j := range b {
			copy(y[(j*a+i)*d:(j*a+i+1)*d], x[(i*b+j)*d:])
		}
	}
	return y
}

// seedErrors is how far each golden may be off: F32 within the golden's tolerance,
// the others by what was measured and some room. Weights are random, which lose
// more than trained ones; of the whole model int8 sends tokens to other experts
// (the nearest gates are 0.0015 apart) and a mixture there replaces the stream, so
// its logits are held to the mean of the difference.
//
//	max |difference|    F16      Q8_0    Q4_0
//	block_d128          4.4e-4   0.0088  0.10
//	block_d64_ff2048    3.0e-4   0.013   0.11
//	moe_d64             3.4e-4   0.011   0.14
//	moe_d128_k1         4.0e-4   0.0095  0.097
//	moe_d32_kall        4.0e-4   0.013   0.11
//	qwq_d32             0.0038   1.1     4.4
//	qwq_d32 mean        2.9e-4   0.023   0.21
var seedErrors = []struct {
	name          string
	f16, q80, q40 float64
	seq, batch, d int
	whole         bool
}{
	{name: "block_d128", f16: 0.001, q80: 0.02, q40: 0.2, seq: 16, batch: 1, d: 128},
	{name: "block_d64_ff2048", f16: 0.001, q80: 0.02, q40: 0.2, seq: 7, batch: 3, d: 64},
	{name: "moe_d64", f16: 0.001, q80: 0.02, q40: 0.2, seq: 11, batch: 1, d: 64},
	{name: "moe_d128_k1", f16: 0.001, q80: 0.02, q40: 0.2, seq: 5, batch: 1, d: 128},
	{name: "moe_d32_kall", f16: 0.001, q80: 0.02, q40: 0.2, seq: 6, batch: 1, d: 32},
	{name: "qwq_d32", f16: 0.001, q80: 0.1, q40: 1, seq: 9, batch: 2, d: 32, whole: true},
}

// meanDiff is the mean of |got - want|.
func meanDiff(got, want []float32) float64 {
	sum := 0.0
	for i := range got {
		sum += math.Abs(float64(got[i]) - float64(want[i]))
	}
	return sum / float64(len(got))
}

// TestSeed holds the article's block, mixture and whole model to their goldens:
// the output and, of the whole model, the stream after every layer.
func TestSeed(t *testing.T) { eachRung(t, testSeed) }

func testSeed(t *testing.T, variant string) {
	for _, c := range seedErrors {
		arrays := testdata.NPZ(t, testdata.Shared(t, "goldens", "seed", c.name)+"/expected.npz")
		for _, typ := range []struct {
			name    string
			precise bool
			limit   float64
		}{{"f32", true, seedTolerance(t, c.name)}, {"f16", false, c.f16}, {"q8_0", false, c.q80}, {"q4_0", false, c.q40}} {
			m, err := New(seedFile(t, c.name, typ.name), rung(t, backend.CPUOptions{Kernel: variant, Precise: typ.precise}))
			if err != nil {
				t.Fatal(err)
			}
			b := &Batch{Want: backend.Hidden}
			for range c.batch {
				b.Seqs = append(b.Seqs, Span{N: c.seq})
			}
			worst := 0.0
			if !c.whole {
				b.Embeds = backend.Tensor{Rows: c.seq * c.batch, Cols: c.d, Data: turn(arrays["x"].F32, c.seq, c.batch, c.d)}
				out, err := m.Run(b)
				if err != nil {
					t.Fatal(err)
				}
				worst = maxDiff(t, turn(out[0].Data, c.batch, c.seq, c.d), arrays["y"].F32)
			} else {
				for _, id := range arrays["ids"].I64 {
					b.IDs = append(b.IDs, int32(id))
				}
				b.Want = backend.Logits | backend.AllHidden | backend.Pooled
				out, err := m.Run(b)
				if err != nil {
					t.Fatal(err)
				}
				worst = maxDiff(t, out[0].Data, arrays["logits"].F32)
				if len(out) != 1+25+1 {
					t.Fatalf("%d tensors", len(out))
				}
				for l, x := range out[1:26] {
					n := c.seq * c.batch * c.d
					worst = max(worst, maxDiff(t, turn(x.Data, c.batch, c.seq, c.d), arrays["hidden"].F32[l*n:(l+1)*n]))
				}
				t.Logf("%s %s: max %.2g, mean %.2g", c.name, typ.name, worst, meanDiff(out[0].Data, arrays["logits"].F32))
				if typ.name != "f32" {
					worst = meanDiff(out[0].Data, arrays["logits"].F32)
				}
				mean := make([]float32, c.d)
				backend.PoolMean(mean, out[25].Data[c.seq*c.d:])
				if maxDiff(t, out[26].Data[c.d:], mean) != 0 {
					t.Error("pooled is not the mean of the last states")
				}
			}
			if !(worst <= typ.limit) {
				t.Errorf("%s %s: off by %.3g, at most %.3g", c.name, typ.name, worst, typ.limit)
			}
		}
	}
}

// TestSeedRefuses: what a file of a module or a batch for it must not be.
func TestSeedRefuses(t *testing.T) {
	dev := cpu(t, 1, false)
	whole, err := New(seedFile(t, "qwq_d32", "f32"), dev)
	if err != nil {
		t.Fatal(err)
	}
	block, err := New(seedFile(t, "block_d128", "f32"), dev)
	if err != nil {
		t.Fatal(err)
	}
	long := make([]int32, 65) // the stored pe has 64 positions
	for name, c := range map[string]struct {
		m    *Model
		b    *Batch
		want string
	}{
		"long":   {whole, &Batch{IDs: long, Seqs: []Span{{N: 65}}}, "has 65 positions, the model has 64"},
		"causal": {whole, &Batch{IDs: long[:3], Seqs: []Span{{N: 3, Causal: true}}}, "has no KV cache"},
		"logits": {block, &Batch{Embeds: backend.Tensor{Rows: 1, Cols: 128, Data: make([]float32, 128)}, Seqs: []Span{{N: 1}}}, "hidden states only"},
		"ids":    {block, &Batch{IDs: long[:3], Seqs: []Span{{N: 3}}, Want: backend.Hidden}, "id 0"},
		"width":  {block, &Batch{Embeds: backend.Tensor{Rows: 1, Cols: 64, Data: make([]float32, 64)}, Seqs: []Span{{N: 1}}, Want: backend.Hidden}, "want 128"},
	} {
		if _, err := c.m.Run(c.b); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := New(seedFile(t, "dialog_d64", "f32"), dev); err == nil || !strings.Contains(err.Error(), "qwq-convert run") {
		t.Errorf("dialog as a model: %v", err)
	}
}
