package x86

import "math"

// AdamArgs are the constants of one step of Adam for some parameters.
type AdamArgs struct {
	Scale   float32 // of the gradient
	L2      float32 // times w, added to the gradient
	Beta1C  float32 // 1 - β1
	Beta2   float32
	Beta2C  float32 // 1 - β2
	Correct float32 // 1/sqrt(1 - β2^t)
	Eps     float32
	Step    float32 // lr/(1 - β1^t)
	Keep    float32 // 1 - lr·(decoupled decay)
}

// Adam is, for every element, each operation rounded to float32:
//
//	g' = g·Scale + L2·w
//	m += (g' - m)·Beta1C
//	v  = v·Beta2 + g'²·Beta2C
//	w  = w·Keep - m/(sqrt(v)·Correct + Eps)·Step
//
// It returns false and has written nothing where there is no assembly.
func Adam(l Level, w, g, m, v []float32, a AdamArgs) bool {
	if len(g) != len(w) || len(m) != len(w) || len(v) != len(w) {
		panic("x86: Adam: lengths differ")
	}
	return adam(l, w, g, m, v, &a)
}

// Apply is Adam in plain Go: the specification.
func (a *AdamArgs) Apply(w, g, m, v []float32) {
	for i := range w {
		x := float32(g[i]*a.Scale) + float32(a.L2*w[i])
		m[i] += float32((x - m[i]) * a.Beta1C)
		v[i] = float32(v[i]*a.Beta2) + float32(float32(x*x)*a.Beta2C)
		d := float32(float32(math.Sqrt(float64(v[i])))*a.Correct) + a.Eps
		w[i] = float32(w[i]*a.Keep) - float32(m[i]/d*a.Step)
	}
}
