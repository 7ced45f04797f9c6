package loss

import "math"

// term is one summand f of the divergence and q·df/dq, up to a constant multiple
// of q (which the gradient does not see). p and q are masses of the teacher and
// the student, lp and lq their logarithms.
func (s Spec) term(kind Kind, p, q, lp, lq float64) (f, g float64) {
	switch kind {
	case Forward:
		if p == 0 {
			return 0, 0
		}
		return p * (lp - lq), -p
	case Reverse:
		f = q * (lq - lp)
		return f, f
	case JSD: // the derivatives of log m cancel
		lm := mixed(s.Beta, p, q, lp, lq)
		g = (1 - s.Beta) * q * (lq - lm)
		return s.Beta*p*(lp-lm) + g, g
	case Skew:
		lm := mixed(s.Lambda, p, q, lp, lq)
		return p * (lp - lm), -(1 - s.Lambda) * p * math.Exp(lq-lm)
	default: // SkewReverse
		lm := mixed(1-s.Lambda, p, q, lp, lq)
		f = q * (lq - lm)
		return f, f - s.Lambda*q*math.Exp(lq-lm)
	}
}

// mixed is log(a·p + (1-a)·q), from the logarithms where the masses are too small
// for one of their own.
func mixed(a, p, q, lp, lq float64) float64 {
	if m := a*p + (1-a)*q; m > 1e-30 {
		return math.Log(m)
	}
	x, y := math.Log(a)+lp, math.Log(1-a)+lq
	if x < y {
		x, y = y, x
	}
	return x + math.Log1p(math.Exp(y-x))
}
