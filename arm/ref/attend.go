package ref

import "math"

// PagePositions is the number of positions in a page, SplitPositions in a split;
// both begin at multiples of themselves.
const (
	PagePositions  = 64
	SplitPositions = 256
)

// State is the softmax of one query row and head over a part of its positions.
//
// Scores are s = (q·k)·scale with q·k as Dot does it. Within a split, pages
// ascend: m' = max(m, max s); a = e^(m-m'); L = L·a + Σ e^(s-m'); O = O·a, then
// O[d] = FMA(e^(s-m'), v[d], O[d]) for each position, ascending. Σ has 16 lanes,
// position mod 16, ascending, added by Tree. Splits are merged in order:
// m' = max(m, m2); L = L·e^(m-m') + L2·e^(m2-m'), O likewise; the first split is
// taken as it is. The result is O·(1/L). All but the FMA is rounded per operation.
type State struct {
	M, L float32
	O    []float64 // head dimension; each holds a float32
}

// Reset makes s the state of no positions.
func (s *State) Reset() {
	s.M, s.L = float32(math.Inf(-1)), 0
	clear(s.O)
}

// Page adds a page's positions first to first+len(scores)-1, counted in the page.
// v has the rows of these positions, exp bounds its exponents (MinExp). The
// scores are overwritten.
func (s *State) Page(scores []float32, first int, v []float32, exp int) {
	m := s.M
	for _, x := range scores {
		m = max(m, x)
	}
	s.scale(Exp(s.M - m))
	s.M = m
	var lanes [16]float32
	for i, x := range scores {
		scores[i] = Exp(x - m)
		lanes[(first+i)&15] += scores[i]
	}
	s.L += Tree(&lanes)
	dim := len(s.O)
	for i, p := range scores {
		Axpy(s.O, p, v[i*dim:(i+1)*dim], exp)
	}
}

// scale multiplies sum and output by a.
func (s *State) scale(a float32) {
	if a == 1 {
		return
	}
	s.L = float32(s.L * a)
	for d, o := range s.O {
		s.O[d] = float64(float32(float32(o) * a))
	}
}

// Merge adds the split t, which follows s. t is overwritten.
func (s *State) Merge(t *State) {
	m := max(s.M, t.M)
	s.scale(Exp(s.M - m))
	t.scale(Exp(t.M - m))
	s.M = m
	s.L += t.L
	for d, o := range t.O {
		s.O[d] = float64(float32(s.O[d]) + float32(o))
	}
}

// Finish writes the attention's output.
func (s *State) Finish(y []float32) {
	inv := 1 / s.L
	for d, o := range s.O {
		y[d] = float32(o) * inv
	}
}
