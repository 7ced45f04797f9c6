package kernel

import "github.com/qwq-edge/qwq/arm/ref"

// RopeTable holds the cosines and sines of rotary embeddings for the positions
// met so far. The angles are position·frequency in float64, by functions that
// give the same bits on every machine.
type RopeTable struct {
	Cos, Sin []float32 // [positions, rot/2]
	Freqs    []float64 // rot/2 inverse frequencies, radians per position
	Scale    float32   // factor on every entry (YaRN's attention factor); 1 normally
}

// NewRopeTable makes a table without positions; Grow adds them. freqs is kept.
func NewRopeTable(freqs []float64, scale float32) *RopeTable {
	return &RopeTable{Freqs: freqs, Scale: scale}
}

// Len is the number of positions.
func (t *RopeTable) Len() int {
	if len(t.Freqs) == 0 {
		return 1<<31 - 1 // nothing to rotate by at any position
	}
	return len(t.Cos) / len(t.Freqs)
}

// Grow makes the table cover positions 0 to n-1. It must not run beside a step
// that uses the table. It grows by at least a quarter, so that decoding token by
// token copies little.
func (t *RopeTable) Grow(n int) {
	have := t.Len()
	if n <= have {
		return
	}
	n = max(n, have+have/4+64)
	cos, sin := make([]float32, n*len(t.Freqs)), make([]float32, n*len(t.Freqs))
	i := copy(cos, t.Cos)
	copy(sin, t.Sin)
	for pos := have; pos < n; pos++ {
		for _, f := range t.Freqs {
			s, c := ref.SinCos(float64(pos) * f)
			cos[i], sin[i] = float32(c)*t.Scale, float32(s)*t.Scale
			i++
		}
	}
	t.Cos, t.Sin = cos, sin
}

// InvFreqs returns base^(-2i/rot) for i in [0, rot/2), the same bits on every
// machine.
func InvFreqs(base float64, rot int) []float64 {
	freqs := make([]float64, rot/2)
	for i := range freqs {
		freqs[i] = ref.Pow(base, -2*float64(i)/float64(rot))
	}
	return freqs
}
