package loss

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/testdata"
)

// Loss and gradients of both sides (the loss is symmetric) equal PyTorch's.
func TestCosineGolden(t *testing.T) {
	cases, x := goldens(t, "cosine_embedding")
	p := newPool(t, 2, "")
	for _, g := range cases {
		a, b := x[g.Case+".a"], x[g.Case+".b"]
		width := a.Shape[len(a.Shape)-1]
		n := a.Len() / width
		next := make([]int32, n)
		for i, v := range x[g.Case+".mask"].U8 {
			next[i] = int32(v) - 1
		}
		matrix := func(data []float32) kernel.F32 { return kernel.F32{Rows: n, Cols: width, Data: data} }
		for name, s := range map[string][2]*testdata.Array{"a": {a, b}, "b": {b, a}} {
			grad := make([]float32, n*width)
			st := States{Student: matrix(s[0].F32), Teacher: matrix(s[1].F32), DStudent: matrix(grad)}
			loss, _, err := Hidden{Kind: Cosine, Weight: 1}.Rows(p, st, next, 1/float64(g.N))
			if err != nil || !(math.Abs(loss-g.LossF64) <= g.LossTol) {
				t.Errorf("%s: loss %v, want %v, %v", g.Case, loss, g.LossF64, err)
			}
			for i, want := range x[g.Case+".grad."+name].F32 {
				if !(math.Abs(float64(grad[i]-want)) <= g.GradTol) {
					t.Fatalf("%s: gradient of %s %d is %v, want %v", g.Case, name, i, grad[i], want)
				}
			}
		}
	}
}

func randomMatrix(r *rand.Rand, rows, cols int) kernel.F32 {
	m := kernel.F32{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

func zero(m kernel.F32) kernel.F32 {
	return kernel.F32{Rows: m.Rows, Cols: m.Cols, Data: make([]float32, len(m.Data))}
}

// The gradients of states and projection are slopes of the loss, are added to
// what is there, and do not depend on threads.
func TestHiddenSlope(t *testing.T) {
	for _, kind := range []HiddenKind{MSE, Cosine} {
		r := rand.New(rand.NewPCG(19, 20))
		p, h := newPool(t, 1, ""), Hidden{Kind: kind, Weight: 0.3}
		next := []int32{1, -1, 0, 7}
		s := States{Student: randomMatrix(r, 4, 6), Teacher: randomMatrix(r, 4, 9), Proj: randomMatrix(r, 9, 6)}
		s.DStudent, s.DProj = zero(s.Student), zero(s.Proj)
		value := func(s States) float64 {
			s.DStudent, s.DProj = zero(s.Student), zero(s.Proj)
			loss, _, err := h.Rows(p, s, next, 0.5)
			if err != nil {
				t.Fatal(err)
			}
			return loss
		}
		if _, _, err := h.Rows(p, s, next, 0.5); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ x, d kernel.F32 }{"student": {s.Student, s.DStudent}, "projection": {s.Proj, s.DProj}} {
			for i := range c.x.Data {
				const step = 1.0 / 64
				old := c.x.Data[i]
				at := func(by float32) float64 {
					c.x.Data[i] = old + by
					defer func() { c.x.Data[i] = old }()
					return value(s)
				}
				got, want := (8*(at(step)-at(-step))-(at(2*step)-at(-2*step)))/(12*step), float64(c.d.Data[i])
				if math.Abs(got-want) > 2e-5*max(1, math.Abs(want)) {
					t.Fatalf("%s: %s %d: slope %v, gradient %v", kind, name, i, got, want)
				}
			}
		}
		if slices.ContainsFunc(s.DStudent.At(1), func(v float32) bool { return v != 0 }) {
			t.Errorf("%s: a position that is not scored has a gradient", kind)
		}
		again := s
		again.DStudent, again.DProj = zero(s.Student), zero(s.Proj)
		if _, _, err := h.Rows(newPool(t, 3, ""), again, next, 0.5); err != nil || !slices.Equal(again.DProj.Data, s.DProj.Data) || !slices.Equal(again.DStudent.Data, s.DStudent.Data) {
			t.Errorf("%s: three threads give other bits, %v", kind, err)
		}
		before := slices.Clone(s.DProj.Data)
		if _, _, err := h.Rows(p, s, next, 0.5); err != nil || s.DProj.Data[3] != 2*before[3] {
			t.Errorf("%s: the gradient is not added: %v after %v, %v", kind, s.DProj.Data[3], before[3], err)
		}
	}
}

func TestHiddenRefuses(t *testing.T) {
	p := newPool(t, 1, "")
	for _, h := range []Hidden{{}, {Kind: MSE}, {Kind: "l1", Weight: 1}, {Kind: MSE, Weight: math.NaN()}} {
		if h.Check() == nil {
			t.Errorf("%+v was accepted", h)
		}
	}
	r := rand.New(rand.NewPCG(21, 22))
	a, b := randomMatrix(r, 2, 3), randomMatrix(r, 2, 4)
	for name, s := range map[string]States{
		"widths":     {Student: a, Teacher: b, DStudent: zero(a)},
		"projection": {Student: a, Teacher: b, DStudent: zero(a), Proj: randomMatrix(r, 3, 4), DProj: randomMatrix(r, 3, 4)},
		"gradient":   {Student: a, Teacher: a, DStudent: zero(b)},
		"rows":       {Student: a, Teacher: randomMatrix(r, 3, 3), DStudent: zero(a)},
	} {
		if _, _, err := (Hidden{Kind: MSE, Weight: 1}).Rows(p, s, []int32{0, 0}, 1); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
