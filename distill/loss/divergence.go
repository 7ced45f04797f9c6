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
		lm, _ := mixed(s.Beta, p, q, lp, lq)
		g = (1 - s.Beta) * q * (lq - lm)
		return s.Beta*p*(lp-lm) + g, g
	case Skew:
		lm, part := mixed(s.Lambda, p, q, lp, lq)
		return p * (lp - lm), -(1 - s.Lambda) * p * part
	default: // SkewReverse
		lm, part := mixed(1-s.Lambda, p, q, lp, lq)
		f = q * (lq - lm)
		return f, f - s.Lambda*q*part
	}
}

// mixed is log m and q/m of m = a·p + (1-a)·q, from the logarithms where the masses
// are too small for one of their own.
func mixed(a, p, q, lp, lq float64) (lm, part float64) {
	if m := a*p + (1-a)*q; m > 1e-30 {
		return math.Log(m), q / m
	}
	x, y := math.Log(a)+lp, math.Log(1-a)+lq
	lm = max(x, y) + math.Log1p(math.Exp(-math.Abs(x-y)))
	return lm, math.Exp(lq - lm)
}
