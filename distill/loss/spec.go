package loss

import (
	"fmt"
	"math"
)

// Kind is a divergence between the teacher p and the student q.
type Kind string

// The divergences.
const (
	Forward     Kind = "forward"      // KL(p ‖ q); "" means this
	Reverse     Kind = "reverse"      // KL(q ‖ p)
	JSD         Kind = "jsd"          // β·KL(p ‖ m) + (1-β)·KL(q ‖ m), m = β·p + (1-β)·q; β 0: Forward, 1: Reverse
	Skew        Kind = "skew"         // KL(p ‖ λ·p + (1-λ)·q)
	SkewReverse Kind = "skew-reverse" // KL(q ‖ (1-λ)·p + λ·q)
)

// Reduction is what the divergence of a position is divided by, besides N.
type Reduction string

// The reductions.
const (
	BatchMean Reduction = "batchmean" // by nothing; "" means this
	Mean      Reduction = "mean"      // by the size of the vocabulary: PyTorch's kl_div as often written
)

// Spec is a loss over logits. Both weights are named; one of them is above 0.
type Spec struct {
	Soft        float64 // weight of the divergence from the teacher
	Hard        float64 // weight of the cross-entropy with the next id
	Temperature float64 // T of the divergence; 0 means 1
	Kind        Kind
	Beta        float64 // β of JSD, in [0, 1]
	Lambda      float64 // λ of Skew and SkewReverse, in [0, 1)
	Reduction   Reduction
	Unscaled    bool // leave out the factor T²
	// Sampled takes the teacher's samples instead of its likeliest ids: the
	// divergence is then an unbiased estimate of the cross-entropy, whose gradient
	// is Forward's.
	Sampled bool
}

// Article is the loss of the article: soft + hard at temperature 3.
func Article(r Reduction) Spec { return Spec{Soft: 1, Hard: 1, Temperature: 3, Reduction: r} }

// Check reports a value out of range.
func (s Spec) Check() error {
	unit := func(v float64) bool { return v >= 0 && v <= 1 }
	weight := func(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }
	switch s.kind() {
	case Forward, Reverse, JSD, Skew, SkewReverse:
	default:
		return fmt.Errorf("loss: kind %q: want forward, reverse, jsd, skew or skew-reverse", s.Kind)
	}
	switch {
	case !weight(s.Soft) || !weight(s.Hard) || s.Soft+s.Hard == 0:
		return fmt.Errorf("loss: weights soft %g and hard %g: want 0 or more, and not both 0", s.Soft, s.Hard)
	case s.Temperature != 0 && !(s.Temperature >= 0.01 && s.Temperature <= 100):
		return fmt.Errorf("loss: temperature %g: want 0.01 to 100", s.Temperature)
	case !unit(s.Beta) || !unit(s.Lambda) || s.Lambda == 1:
		return fmt.Errorf("loss: beta %g, lambda %g: want 0 to 1, lambda below", s.Beta, s.Lambda)
	case s.Reduction != "" && s.Reduction != BatchMean && s.Reduction != Mean:
		return fmt.Errorf("loss: reduction %q: want batchmean or mean", s.Reduction)
	case s.Sampled && s.kind() != Forward:
		return fmt.Errorf("loss: samples of the teacher give the forward divergence only, not %s", s.Kind)
	}
	return nil
}

// kind is Kind without the special cases.
func (s Spec) kind() Kind {
	switch {
	case s.Kind == "" || s.Kind == JSD && s.Beta == 0 || s.Kind == Skew && s.Lambda == 0:
		return Forward
	case s.Kind == JSD && s.Beta == 1 || s.Kind == SkewReverse && s.Lambda == 0:
		return Reverse
	}
	return s.Kind
}

func (s Spec) temperature() float64 {
	if s.Temperature == 0 {
		return 1
	}
	return s.Temperature
}

// factor is what a position's divergence is multiplied with, scale apart.
func (s Spec) factor(vocab int) float64 {
	f := s.Soft
	if !s.Unscaled {
		f *= s.temperature() * s.temperature()
	}
	if s.Reduction == Mean {
		f /= float64(vocab)
	}
	return f
}
