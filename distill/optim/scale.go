package optim

import "math"

// Scaler is dynamic loss scaling for float16: the loss is multiplied by Scale
// before backward, so that small gradients do not vanish, and Scale is halved
// when one overflows. Its fields are a checkpoint's; the zero value does not
// scale.
type Scaler struct {
	Scale   float64 // 0: no scaling, as 1
	Every   int     // updates in a row without overflow after which Scale is doubled; 0 means 2000
	Clean   int     // updates since the last overflow or doubling
	Skipped int     // steps that were left out
}

// Factor is what the loss is multiplied with.
func (s *Scaler) Factor() float64 {
	if s.Scale == 0 {
		return 1
	}
	return s.Scale
}

// Update takes the norm of the scaled gradient and says whether the step may be
// taken. If not, the gradient has overflowed: the step is skipped and, where
// there is scaling, the scale is halved, to 1 at the least.
func (s *Scaler) Update(norm float64) bool {
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		s.Skipped++
		s.Clean = 0
		if s.Scale != 0 {
			s.Scale = max(1, s.Scale/2)
		}
		return false
	}
	every := s.Every
	if every == 0 {
		every = 2000
	}
	if s.Clean++; s.Clean >= every && s.Scale != 0 {
		s.Scale, s.Clean = min(s.Scale*2, 1<<24), 0
	}
	return true
}
