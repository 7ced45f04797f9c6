package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The gradients themselves are held against a float64 oracle in distill/tape.
// Here: the bits do not depend on the threads, and what does not fit is refused.

func TestGradThreads(t *testing.T) {
	for _, v := range Variants() {
		var want [][]float32
		for threads := 1; threads <= 3; threads++ {
			p, err := New(Options{Threads: threads, Variant: v})
			if err != nil {
				t.Fatal(err)
			}
			got := gradients(t, p)
			if threads == 1 {
				want = got
			}
			for i := range got {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("%s: output %d has other bits with %d threads", v, i, threads)
				}
			}
			p.Close()
		}
	}
}

func gradients(t *testing.T, p *Pool) (all [][]float32) {
	r := rand.New(rand.NewPCG(2, 3))
	mat := func(rows, cols int) F32 { m := randomF32(r, rows, cols); all = append(all, m.Data); return m }
	q, k, v, dy := mat(300, 64), mat(300, 32), mat(300, 32), mat(300, 64)
	dq, dk, dv := mat(300, 64), mat(300, 32), mat(300, 32)
	spans := []RowSpan{{N: 130, Causal: true}, {N: 170}}
	if err := p.AttendGrad(dq, dk, dv, q, k, v, dy, spans, Mask{Scale: 0.25, QHeads: 4, Window: 90}); err != nil {
		t.Fatal(err)
	}
	w, dw, sum := mat(1, 64), mat(1, 64), mat(1, 64)
	p.RMSNormGrad(mat(300, 64), dw.Data, dy, q, 64, w.Data, 1e-6, true)
	p.LayerNormGrad(mat(300, 64), dw.Data, dy, q, w.Data, 1e-6, true)
	p.SumRows(sum.Data, dy)
	ids := make([]int32, 300)
	for i := range ids {
		ids[i] = int32(i * i % 7)
	}
	p.ScatterRows(mat(7, 64), dy, ids)
	for _, a := range []Act{SiLU, GELU, GELUTanh, QuickGELU, Sigmoid, Tanh} {
		p.ActGrad(mat(300, 64), dy, q, a)
		p.GateUpGrad(mat(300, 64), mat(300, 64), q, dq, dy, a)
	}
	return all
}

func TestAttendGradErrors(t *testing.T) {
	p, err := New(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	mat := func(rows, cols int) F32 { return F32{rows, cols, make([]float32, rows*cols)} }
	for label, c := range map[string]struct {
		q, k, dq F32
		n, heads int
	}{
		"rows":       {mat(4, 8), mat(4, 4), mat(4, 8), 5, 2},
		"heads":      {mat(4, 8), mat(4, 4), mat(4, 8), 4, 3},
		"no heads":   {mat(4, 8), mat(4, 4), mat(4, 8), 4, 0},
		"kv heads":   {mat(4, 12), mat(4, 8), mat(4, 12), 4, 3},
		"gradient":   {mat(4, 8), mat(4, 4), mat(4, 4), 4, 2},
		"short data": {F32{4, 8, make([]float32, 31)}, mat(4, 4), mat(4, 8), 4, 2},
	} {
		if err := p.AttendGrad(c.dq, c.k, c.k, c.q, c.k, c.k, c.q, []RowSpan{{N: c.n}}, Mask{Scale: 1, QHeads: c.heads}); err == nil {
			t.Errorf("%s: no error", label)
		}
	}
}
