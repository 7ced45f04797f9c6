package sample

import "math"

// Every product that feeds an addition is written float64(a*b): the compiler
// may fuse it otherwise, and does on arm64, ppc64, riscv64 and s390x.

// exp returns e^x for x ≤ 0 with a relative error below 1e-15: x = k·ln2 + r,
// |r| ≤ ln2/2, Taylor series of degree 13 in r, scaled by 2^k. Below -708 it
// returns 0 (no subnormal results).
func exp(x float64) float64 {
	const (
		ln2hi = 6.93147180369123816490e-01
		ln2lo = 1.90821492927058770002e-10
	)
	if !(x > -708) {
		return 0
	}
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := x - float64(k*ln2hi) - float64(k*ln2lo)
	p := 1.0 / 6227020800
	for _, c := range expTaylor {
		p = float64(p*r) + c
	}
	return p * math.Float64frombits(uint64(int64(k)+1023)<<52)
}

// expTaylor holds 1/12! … 1/0!.
var expTaylor = [...]float64{
	1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
	1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 1.0 / 2, 1, 1,
}

// ln returns the natural logarithm of a finite x > 0 that is not subnormal:
// x = m·2^k with m in [√½, √2), ln m = 2·atanh((m-1)/(m+1)) as a series.
func ln(x float64) float64 {
	b := math.Float64bits(x)
	k := int64(b>>52) - 1023
	m := math.Float64frombits(b&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m, k = m/2, k+1
	}
	z := (m - 1) / (m + 1)
	zz := z * z
	p := 1.0 / 25
	for n := 23.0; n >= 1; n -= 2 {
		p = float64(p*zz) + 1/n
	}
	return float64(float64(k)*math.Ln2) + float64(2*z*p)
}
