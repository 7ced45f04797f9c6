package ref

import "math"

// The functions below are float64 and written out because those of package math
// have assembly on some machines, and Go fuses products and sums on others.

// SinCos is the sine and cosine of x, |x| up to 1e6 or so, within 2 ulp of 1:
// x is reduced by multiples of π/2 in three parts, then Taylor series.
func SinCos(x float64) (sin, cos float64) {
	const (
		p1 = 1.57079632673412561417e+00 // the first 33 bits of π/2
		p2 = 6.07710050630396597660e-11 // the next 33
		p3 = 2.02226624879595063154e-21 // the rest
	)
	n := math.Floor(float64(x*(2/math.Pi)) + 0.5)
	r := x - float64(n*p1)
	r -= float64(n * p2)
	r -= float64(n * p3)
	z := float64(r * r)
	s, c := 0.0, 0.0
	for k := 17.0; k > 1; k -= 2 { // s = r·(1 - z/(2·3)·(1 - z/(4·5)·(…)))
		s = 1 - float64(float64(z/float64(k*(k-1)))*one(s))
		c = 1 - float64(float64(z/float64((k-1)*(k-2)))*one(c))
	}
	s = float64(s * r)
	switch int64(n) & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	default:
		return -c, s
	}
}

// one starts a nested series: its innermost term is 1.
func one(v float64) float64 {
	if v == 0 {
		return 1
	}
	return v
}

const (
	ln2Hi = 6.93147180369123816490e-01 // the first 33 bits of ln 2
	ln2Lo = 1.90821492927058770002e-10
)

// log is the natural logarithm of a positive finite x.
func log(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = m*2, e-1
	}
	s := (m - 1) / (m + 1)
	z := float64(s * s)
	t := 0.0
	for k := 23.0; k > 0; k -= 2 { // atanh
		t = 1/k + float64(t*z)
	}
	t = float64(2 * float64(t*s))
	return float64(float64(e)*ln2Hi) + (t + float64(float64(e)*ln2Lo))
}

// exp is e^x in float64 for |x| < 700.
func exp(x float64) float64 {
	n := math.Floor(float64(x*(1/math.Ln2)) + 0.5)
	r := x - float64(n*ln2Hi)
	r -= float64(n * ln2Lo)
	t := 1.0
	for k := 15.0; k > 0; k-- {
		t = 1 + float64(float64(t*r)/k)
	}
	return math.Ldexp(t, int(n))
}

// Pow is x^y for positive x, within a few ulp: e^(y·log x).
func Pow(x, y float64) float64 { return exp(float64(y * log(x))) }
