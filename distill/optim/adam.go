package optim

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/internal/kernel"
)

// Options is Adam's configuration. The zero value is Adam without decay.
type Options struct {
	Beta1     float64 // decay of the first moment, in [0, 1); 0 means 0.9
	Beta2     float64 // decay of the second moment, in [0, 1); 0 means 0.999
	Eps       float64 // added to the root of the second moment; 0 means 1e-8
	Decay     float64 // weight decay, 0 or more
	Decoupled bool    // AdamW: decay shrinks the weights by lr·Decay; else Decay·w joins the gradient
}

// Check reports a value out of range.
func (o Options) Check() error {
	switch o = o.defaults(); {
	case !(o.Beta1 > 0 && o.Beta1 < 1) || !(o.Beta2 > 0 && o.Beta2 < 1):
		return fmt.Errorf("optim: betas %g and %g: want 0 to 1, 1 excluded", o.Beta1, o.Beta2)
	case !(o.Eps > 0 && o.Eps < 1):
		return fmt.Errorf("optim: eps %g: want 0 to 1", o.Eps)
	case !(o.Decay >= 0 && o.Decay <= 1):
		return fmt.Errorf("optim: weight decay %g: want 0 to 1", o.Decay)
	}
	return nil
}

func (o Options) defaults() Options {
	if o.Beta1 == 0 {
		o.Beta1 = 0.9
	}
	if o.Beta2 == 0 {
		o.Beta2 = 0.999
	}
	if o.Eps == 0 {
		o.Eps = 1e-8
	}
	return o
}

// State is Adam's memory of the parameters Lo to Lo+len(M)-1: a rank may hold its
// share only.
type State struct {
	Lo    int
	M, V  []float32 // first and second moments
	Steps int       // updates done
}

// NewState is the state of parameters lo to hi-1 before the first update.
func NewState(lo, hi int) *State {
	return &State{Lo: lo, M: make([]float32, hi-lo), V: make([]float32, hi-lo)}
}

// Range is the state of parameters lo to hi-1, which s holds; it shares s's moments
// and counts its own updates.
func (s *State) Range(lo, hi int) *State {
	return &State{Lo: lo, M: s.M[lo-s.Lo : hi-s.Lo], V: s.V[lo-s.Lo : hi-s.Lo], Steps: s.Steps}
}

// Update says how one step is taken.
type Update struct {
	LR    float64
	Scale float64 // factor of the gradient: of clipping, and the inverse of the loss scale
}

// Step updates the parameters that s holds the state of, where groups say so. w
// and grad are whole: [parameters].
//
//	g = Scale·grad (+ Decay·w)
//	m += (1-β1)·(g-m);  v = β2·v + (1-β2)·g²
//	w = w·(1 - LR·Decay) - LR/(1-β1^t) · m/(sqrt(v/(1-β2^t)) + Eps)
func (o Options) Step(p *kernel.Pool, s *State, w, grad []float32, groups []Group, u Update) {
	o = o.defaults()
	s.Steps++
	t := float64(s.Steps)
	a := kernel.AdamArgs{
		Scale: float32(u.Scale), Beta1C: float32(1 - o.Beta1), Beta2: float32(o.Beta2), Beta2C: float32(1 - o.Beta2),
		Correct: float32(1 / math.Sqrt(1-math.Pow(o.Beta2, t))), Eps: float32(o.Eps),
		Step: float32(u.LR / (1 - math.Pow(o.Beta1, t))),
	}
	for _, g := range groups {
		lo, hi := max(g.Lo, s.Lo), min(g.Hi, s.Lo+len(s.M))
		if g.Frozen || lo >= hi {
			continue
		}
		a.L2, a.Keep = 0, 1
		switch {
		case !g.Decay:
		case o.Decoupled:
			a.Keep = float32(1 - u.LR*o.Decay)
		default:
			a.L2 = float32(o.Decay)
		}
		p.Adam(w[lo:hi], grad[lo:hi], s.M[lo-s.Lo:hi-s.Lo], s.V[lo-s.Lo:hi-s.Lo], a)
	}
}
