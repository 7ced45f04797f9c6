package eval

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// bigram scores each id by the id before it, from a table of logits.
type bigram struct {
	table [][]float32
	runs  [][]int32
	fail  error
}

func (b *bigram) Logits(_ context.Context, ids []int32, each func(int, []float32) error) error {
	b.runs = append(b.runs, slices.Clone(ids))
	for i, id := range ids {
		if b.fail != nil && i == 1 {
			return b.fail
		}
		if err := each(i, b.table[id]); err != nil {
			return err
		}
	}
	return nil
}

func table(n int, f func(i, j int) float32) *bigram {
	b := &bigram{}
	for i := range n {
		b.table = append(b.table, make([]float32, n))
		for j := range n {
			b.table[i][j] = f(i, j)
		}
	}
	return b
}

func TestUniform(t *testing.T) {
	s := table(8, func(i, j int) float32 { return 3 })
	ids := []int32{1, 2, 3, 4, 5, 6, 7, 0, 1, 2}
	r, err := Run(context.Background(), s, s, ids, Options{Context: 4, BOS: -1})
	if err != nil {
		t.Fatal(err)
	}
	// Windows 1234 5670 12: the first token of each has no context.
	if r.Tokens != 7 || math.Abs(r.Perplexity()-8) > 1e-9 || r.KLMean != 0 || r.KL999 != 0 || r.Top1 != 1 {
		t.Errorf("got %+v, perplexity %v", r, r.Perplexity())
	}
}

// TestEveryTokenOnce checks that any stride scores every token once, with all
// the context the window has.
func TestEveryTokenOnce(t *testing.T) {
	ids := make([]int32, 101)
	for i := range ids {
		ids[i] = int32(i)
	}
	for _, bos := range []int32{-1, 100} {
		for _, stride := range []int{0, 1, 3, 15, 16, 99} {
			ws, err := Options{Context: 16, Stride: stride, BOS: bos}.windows(ids[:100])
			if err != nil {
				t.Fatal(err)
			}
			var got []int32
			for _, w := range ws {
				if len(w.ids) > 16 || bos >= 0 && w.ids[0] != bos {
					t.Fatalf("window %v", w.ids)
				}
				got = append(got, w.ids[w.first+1:]...)
			}
			overlap := bos >= 0 || stride > 0 && stride < 16
			switch {
			case bos < 0 && overlap && !slices.Equal(got, ids[1:100]):
				t.Errorf("stride %d: scored %v", stride, got)
			case bos >= 0 && !slices.Equal(got, ids[:100]):
				t.Errorf("stride %d with BOS: scored %v", stride, got)
			case !overlap && len(got) != 100-7:
				t.Errorf("stride %d: %d scored, want all but 7 first tokens", stride, len(got))
			}
		}
	}
}

func TestLlamaCPP(t *testing.T) {
	s := table(64, func(i, j int) float32 { return 0 })
	ids := make([]int32, 35)
	for i := range ids {
		ids[i] = int32(i)
	}
	r, err := Run(context.Background(), s, nil, ids, Options{Context: 16, BOS: 63, Method: LlamaCPP})
	if err != nil {
		t.Fatal(err)
	}
	if r.Tokens != 2*(16-8-1) || len(s.runs) != 2 || s.runs[1][0] != 63 || s.runs[1][1] != 17 || ids[16] != 16 {
		t.Errorf("%d tokens in %v", r.Tokens, s.runs)
	}
}

func TestAgainstReference(t *testing.T) {
	ref := table(5, func(i, j int) float32 { return float32((i*j)%5) / 2 })
	s := table(5, func(i, j int) float32 { return float32((i*j+1)%5)/2 + 10 })
	ids := []int32{0, 1, 2, 3, 4, 0, 3, 1}
	r, err := Run(context.Background(), s, ref, ids, Options{Context: 8, BOS: -1})
	if err != nil {
		t.Fatal(err)
	}
	soft := func(x []float32) []float64 {
		p, sum := make([]float64, len(x)), 0.0
		for i, v := range x {
			p[i] = math.Exp(float64(v))
			sum += p[i]
		}
		for i := range p {
			p[i] /= sum
		}
		return p
	}
	var nll, kl, agree float64
	for i := range ids[:7] {
		p, q := soft(ref.table[ids[i]]), soft(s.table[ids[i]])
		nll -= math.Log(q[ids[i+1]])
		for k := range p {
			kl += p[k] * math.Log(p[k]/q[k])
		}
		if slices.Index(p, slices.Max(p)) == slices.Index(q, slices.Max(q)) {
			agree++
		}
	}
	if math.Abs(r.NLL-nll/7) > 1e-12 || math.Abs(r.KLMean-kl/7) > 1e-12 || r.Top1 != agree/7 || r.KLMedian <= 0 || r.KL999 < r.KLMedian {
		t.Errorf("got %+v, want nll %v, kl %v, top-1 %v", r, nll/7, kl/7, agree/7)
	}
}

func TestErrors(t *testing.T) {
	ok, boom := table(4, func(i, j int) float32 { return 0 }), errors.New("boom")
	bad := table(4, func(i, j int) float32 { return 0 })
	bad.fail = boom
	wide := table(5, func(i, j int) float32 { return 0 })
	ids := []int32{0, 1, 2, 3}
	ctx := context.Background()
	for _, c := range []struct {
		name   string
		s, ref Scorer
		ids    []int32
		o      Options
	}{
		{"window", ok, nil, ids, Options{Context: 1, BOS: -1}},
		{"stride", ok, nil, ids, Options{Context: 4, Stride: -1, BOS: -1}},
		{"method", ok, nil, ids, Options{Context: 4, BOS: -1, Method: "x"}},
		{"short", ok, nil, ids[:1], Options{Context: 4, BOS: -1}},
		{"short for a whole window", ok, nil, ids[:3], Options{Context: 4, BOS: -1, Method: LlamaCPP}},
		{"id", ok, nil, []int32{0, 9}, Options{Context: 4, BOS: -1}},
		{"vocabularies", ok, wide, ids, Options{Context: 4, BOS: -1}},
	} {
		if _, err := Run(ctx, c.s, c.ref, c.ids, c.o); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
	if _, err := Run(ctx, bad, nil, ids, Options{Context: 4, BOS: -1}); !errors.Is(err, boom) {
		t.Errorf("model fails: %v", err)
	}
	if _, err := Run(ctx, ok, bad, ids, Options{Context: 4, BOS: -1}); !errors.Is(err, boom) {
		t.Errorf("reference fails: %v", err)
	}
}
