package loss

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/internal/kernel"
)

// HiddenKind is a distance of hidden states.
type HiddenKind string

// The distances of one position's states a (the student's, projected) and b.
const (
	MSE    HiddenKind = "mse"    // Σ (a-b)²/width
	Cosine HiddenKind = "cosine" // 1 - a·b/(max(|a|, 1e-8)·max(|b|, 1e-8))
)

// Hidden is a loss between hidden states of student and teacher, whose widths may
// differ: a learned matrix brings the student's to the teacher's. Its products
// run in float32.
type Hidden struct {
	Kind   HiddenKind
	Weight float64 // factor of the loss
}

// Check reports a value out of range.
func (h Hidden) Check() error {
	if h.Kind != MSE && h.Kind != Cosine {
		return fmt.Errorf("loss: hidden states: kind %q: want mse or cosine", h.Kind)
	}
	if !(h.Weight > 0) || math.IsInf(h.Weight, 0) {
		return fmt.Errorf("loss: hidden states: weight %g: want more than 0", h.Weight)
	}
	return nil
}

// States are the operands of a Hidden loss, for some positions.
type States struct {
	Student, Teacher kernel.F32 // [positions, ds], [positions, dt]
	Proj             kernel.F32 // [dt, ds]; Data nil: none, and ds = dt
	DStudent         kernel.F32 // gradient of Student, added to
	DProj            kernel.F32 // gradient of Proj, added to
}

// Rows adds the gradients of scale·Weight·Σ distance over the positions whose
// next is not negative, and returns that value and the sum of the distances. a =
// Student·Projᵀ; dStudent += da·Proj; dProj += daᵀ·Student.
func (h Hidden) Rows(p *kernel.Pool, s States, next []int32, scale float64) (loss, sum float64, err error) {
	n, width := s.Teacher.Rows, s.Teacher.Cols
	same := func(a, b kernel.F32) bool {
		return a.Rows == b.Rows && a.Cols == b.Cols && len(a.Data) == a.Rows*a.Cols && len(b.Data) == len(a.Data)
	}
	projected := s.Proj.Data != nil
	switch {
	case len(next) != n || s.Student.Rows != n || len(s.Teacher.Data) != n*width || !same(s.Student, s.DStudent):
		return 0, 0, fmt.Errorf("loss: hidden states [%d, %d] of the student, [%d, %d] of the teacher, %d targets", s.Student.Rows, s.Student.Cols, n, width, len(next))
	case projected && (!same(s.Proj, s.DProj) || s.Proj.Rows != width || s.Proj.Cols != s.Student.Cols):
		return 0, 0, fmt.Errorf("loss: hidden states: projection [%d, %d] from %d to %d", s.Proj.Rows, s.Proj.Cols, s.Student.Cols, width)
	case !projected && s.Student.Cols != width:
		return 0, 0, fmt.Errorf("loss: hidden states of widths %d and %d need a projection", s.Student.Cols, width)
	}
	a := kernel.F32{Rows: n, Cols: width, Data: make([]float32, n*width)}
	if projected {
		if err := p.Gemm(a, s.Student, s.Proj, false, true, false); err != nil {
			return 0, 0, err
		}
	} else {
		copy(a.Data, s.Student.Data)
	}
	values := make([]float64, n)
	p.Parallel(n, 1, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			if next[i] < 0 {
				clear(a.At(i))
				continue
			}
			values[i] = h.row(a.At(i), s.Teacher.At(i), scale*h.Weight)
		}
	})
	for _, v := range values {
		sum += v
	}
	if !projected {
		p.Add(s.DStudent, a)
		return scale * h.Weight * sum, sum, nil
	}
	if err := p.Gemm(s.DStudent, a, s.Proj, false, false, true); err != nil {
		return 0, 0, err
	}
	return scale * h.Weight * sum, sum, p.Gemm(s.DProj, a, s.Student, true, false, true)
}

// row returns the distance of a and b and replaces a by factor times its gradient.
func (h Hidden) row(a, b []float32, factor float64) float64 {
	if h.Kind == MSE {
		sum, n := 0.0, float64(len(a))
		for i, v := range a {
			d := float64(v) - float64(b[i])
			sum += float64(d * d)
			a[i] = float32(2 * factor * d / n)
		}
		return sum / n
	}
	ab, aa, bb := 0.0, 0.0, 0.0
	for i, v := range a {
		x, y := float64(v), float64(b[i])
		ab, aa, bb = ab+float64(x*y), aa+float64(x*x), bb+float64(y*y)
	}
	// d(1-cos)/da = (cos·a/|a| - b/|b|)/|a|; below the floor |a| is a constant.
	const floor = 1e-8
	na, nb := max(math.Sqrt(aa), floor), max(math.Sqrt(bb), floor)
	cos := ab / (na * nb)
	along := cos / (na * na)
	if na == floor {
		along = 0
	}
	for i, v := range a {
		a[i] = float32(factor * (along*float64(v) - float64(b[i])/(na*nb)))
	}
	return 1 - cos
}
