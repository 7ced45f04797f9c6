package kernel

import "github.com/qwq-edge/qwq/arm/ref"

// states are the softmax states of some query rows and heads over a part of
// their positions: ref.State's fields, outputs as float32.
type states struct {
	dim  int
	m, l []float32 // [n]
	o    []float32 // [n, dim]
}

func (s *states) resize(n, dim int) {
	s.dim, s.m, s.l, s.o = dim, grow(s.m, n), grow(s.l, n), grow(s.o, n*dim)
}

// view is states lo to hi.
func (s *states) view(lo, hi int) states {
	return states{s.dim, s.m[lo:hi:hi], s.l[lo:hi:hi], s.o[lo*s.dim : hi*s.dim : hi*s.dim]}
}

func (s *states) out(i int) []float32 { return s.o[i*s.dim : (i+1)*s.dim : (i+1)*s.dim] }

func (s *states) reset() {
	for i := range s.m {
		s.m[i], s.l[i] = negInf, 0
	}
	clear(s.o)
}

// scale multiplies sum and output i by a.
func (s *states) scale(v variant, i int, a float32) {
	if a == 1 {
		return
	}
	s.l[i] = float32(s.l[i] * a)
	v.scale(s.out(i), s.out(i), a)
}

// merge adds the states of a split to those of the splits before, as ref.State's
// Merge does. A row that sees nothing of one side keeps the other as it is. part
// is overwritten.
func (s *states) merge(v variant, part *states) {
	for i := range s.m {
		switch {
		case part.l[i] == 0:
		case s.l[i] == 0:
			s.m[i], s.l[i] = part.m[i], part.l[i]
			copy(s.out(i), part.out(i))
		default:
			m := max(s.m[i], part.m[i])
			s.scale(v, i, ref.Exp(s.m[i]-m))
			part.scale(v, i, ref.Exp(part.m[i]-m))
			s.m[i] = m
			s.l[i] += part.l[i]
			v.add(s.out(i), part.out(i))
		}
	}
}

// refPage adds a page to state i by arm/ref, see ref.State.Page. o: [dim] scratch
func (s *states) refPage(i int, scores []float32, first int, v []float32, exp int, o []float64) {
	st := ref.State{M: s.m[i], L: s.l[i], O: o}
	for d, f := range s.out(i) {
		o[d] = float64(f)
	}
	st.Page(scores, first, v, exp)
	s.m[i], s.l[i] = st.M, st.L
	for d, f := range o {
		s.o[i*s.dim+d] = float32(f)
	}
}
