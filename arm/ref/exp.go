package ref

import "math"

const (
	expMax = 88.72283  // the largest x with a finite exp
	expMin = -87.33654 // below: smaller than 2^-126, taken as 0
)

// Exp is e^x, within 1.1 ulp; below 2^-126 it is 0. With n = x·log2(e) rounded
// half to even and r = x - n·ln 2, the result is 2^n·(1 + (r + r²·q(r))).
func Exp(x float32) float32 {
	switch {
	case x > expMax:
		return float32(math.Inf(1))
	case x < expMin:
		return 0
	case x != x:
		return x
	}
	const magic = 3 << 22 // the sum's last bits are the rounded integer
	n := float32(x*1.44269504) + magic
	i := int32(math.Float32bits(n)) - 0x4b400000
	n -= magic
	r := x - float32(n*0.693359375) // exact: 9 bits of ln 2
	r -= float32(n * -2.12194440e-4)
	q := float32(0.000198993186)
	q = float32(q*r) + 0.00139336762
	q = float32(q*r) + 0.00833329843
	q = float32(q*r) + 0.0416664647
	q = float32(q*r) + 0.166666667
	q = float32(q*r) + 0.500000001
	y := float32(float32(r*r)*q) + r + 1
	return float32(y*pow2(i>>1)) * pow2(i-i>>1)
}

// pow2 is 2^n for n in [-126, 127].
func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

// SiLU is x/(1+e^-x).
func SiLU(x float32) float32 { return x / (1 + Exp(-x)) }

// Sigmoid is 1/(1+e^-x).
func Sigmoid(x float32) float32 { return 1 / (1 + Exp(-x)) }

// Tanh is (1-e^-2|x|)/(1+e^-2|x|) with the sign of x, within 1.2e-7.
func Tanh(x float32) float32 {
	if x < 0 {
		return -Tanh(-x)
	}
	e := Exp(-2 * x)
	return (1 - e) / (1 + e)
}

// ReLU is max(x, 0); NaN stays.
func ReLU(x float32) float32 {
	if x < 0 {
		return 0
	}
	return x
}

// QuickGELU is CLIP's x/(1+e^-1.702x).
func QuickGELU(x float32) float32 { return x / (1 + Exp(float32(x*-1.702))) }

// GELUTanh is the tanh form of GELU, x·(1+tanh u)/2 = x/(1+e^-2u), with
// u = sqrt(2/π)·(x + 0.044715·x³).
func GELUTanh(x float32) float32 {
	cubic := float32(float32(float32(x*x)*x) * 0.044715)
	return x / (1 + Exp(float32((x+cubic)*-1.5957691)))
}

// gelu are the coefficients of -log(1-Φ(t)) on [0, 6].
var gelu = [...]float32{0.6931471722, 0.7978851548, 0.3183032698, 0.03636264680, -0.004834646075, 1.613801146e-05,
	0.0001857876497, -5.051990539e-05, 7.145617306e-06, -5.492518786e-07, 1.803998887e-08}

// GELU is x·Φ(x), Φ being the normal distribution (the erf form), within
// 2e-7·max(1, |x|). With h = 1-Φ(|x|) it is x - x·h or, for negative x, x·h;
// beyond |x| = 6, where |x|·h is below 6e-9, h is 0.
func GELU(x float32) float32 {
	t := x
	if t < 0 {
		t = -t
	}
	if t > 6 {
		if x < 0 {
			return 0
		}
		return x
	}
	p := gelu[len(gelu)-1]
	for i := len(gelu) - 2; i >= 0; i-- {
		p = float32(p*t) + gelu[i]
	}
	h := Exp(-p)
	if x < 0 {
		return x * h
	}
	return x - float32(x*h)
}

// Softmax replaces x by e^(x-max)/Σ. The sum has 16 lanes, i mod 16, ascending,
// added by Tree.
func Softmax(x []float32) {
	if len(x) == 0 {
		return
	}
	m := x[0]
	for _, v := range x {
		m = max(m, v)
	}
	var lanes [16]float32
	for i, v := range x {
		x[i] = Exp(v - m)
		lanes[i&15] += x[i]
	}
	sum := Tree(&lanes)
	for i := range x {
		x[i] /= sum
	}
}
