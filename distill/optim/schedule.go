package optim

import (
	"fmt"
	"math"
)

// Shape is how the learning rate falls after the warm-up.
type Shape string

// The shapes; "" means Constant.
const (
	Constant Shape = "constant"
	Linear   Shape = "linear"
	Cosine   Shape = "cosine"
)

// Schedule is the learning rate of each step.
type Schedule struct {
	Shape  Shape
	Peak   float64 // the rate at the end of the warm-up
	Final  float64 // the rate after the last step, of Linear and Cosine
	Warmup int     // steps that rise to Peak in equal parts; 0: none
	Steps  int     // all steps, the warm-up included
}

// Check reports a value out of range.
func (s Schedule) Check() error {
	switch {
	case s.Shape != "" && s.Shape != Constant && s.Shape != Linear && s.Shape != Cosine:
		return fmt.Errorf("optim: schedule %q: want constant, linear or cosine", s.Shape)
	case !(s.Peak > 0) || math.IsInf(s.Peak, 0) || !(s.Final >= 0 && s.Final <= s.Peak):
		return fmt.Errorf("optim: learning rate %g to %g", s.Peak, s.Final)
	case s.Steps < 1 || s.Warmup < 0 || s.Warmup > s.Steps:
		return fmt.Errorf("optim: %d steps, %d of warm-up", s.Steps, s.Warmup)
	}
	return nil
}

// LR is the learning rate of a step, counted from 0. Step Warmup-1 has Peak;
// step Steps, which would be the first after the last, has Final.
func (s Schedule) LR(step int) float64 {
	if step < s.Warmup {
		return s.Peak * float64(step+1) / float64(s.Warmup)
	}
	at := min(1, float64(step-s.Warmup)/float64(max(1, s.Steps-s.Warmup)))
	switch s.Shape {
	case Linear:
		return s.Peak + (s.Final-s.Peak)*at
	case Cosine:
		return s.Final + (s.Peak-s.Final)*(1+math.Cos(math.Pi*at))/2
	default:
		return s.Peak
	}
}
