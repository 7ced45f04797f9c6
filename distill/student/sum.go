package student

import (
	"fmt"
	"math"
	"math/bits"
)

// sum is a sum of numbers that are not negative as a fixed-point integer: Hi and
// Lo/2^64. Integer sums do not depend on the order, and neither do the ranks made
// of them.
type sum struct{ Hi, Lo uint64 }

// maxTerm bounds a term, so that 2^22 of them cannot overflow.
const maxTerm = 1 << 40

// add adds v, cut off below 2^-64.
func (s *sum) add(v float64) error {
	if !(v >= 0 && v < maxTerm) {
		return fmt.Errorf("student: a statistic of %g is not from 0 to 2^40", v)
	}
	whole := math.Floor(v)
	s.plus(sum{uint64(whole), uint64((v - whole) * (1 << 64))})
	return nil
}

func (s *sum) plus(t sum) {
	var c uint64
	s.Lo, c = bits.Add64(s.Lo, t.Lo, 0)
	s.Hi, _ = bits.Add64(s.Hi, t.Hi, c)
}

func (s sum) float() float64 { return float64(s.Hi) + math.Ldexp(float64(s.Lo), -64) }
