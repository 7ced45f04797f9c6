package ref

import (
	"math"
	"math/rand/v2"
	"testing"
)

// ulps is the distance of got from want in units of want's last float32 place.
func ulps(got float32, want float64) float64 {
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, e-24)
}

func TestExp(t *testing.T) {
	step := uint32(97)
	if testing.Short() {
		step = 7919
	}
	worst, at := 0.0, float32(0)
	for _, sign := range []uint32{0, 1 << 31} {
		for u := uint32(0); u < 0x42b20000; u += step {
			x := math.Float32frombits(u | sign)
			want := math.Exp(float64(x))
			if want > math.MaxFloat32 || want < 0x1p-126 {
				continue
			}
			if d := ulps(Exp(x), want); d > worst {
				worst, at = d, x
			}
		}
	}
	t.Logf("worst error %.3f ulp at %v", worst, at)
	if worst > 1.1 {
		t.Errorf("error %v ulp at %v, want at most 1.1", worst, at)
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct{ x, want float32 }{{0, 1}, {-88, 0}, {-inf, 0}, {89, inf}, {inf, inf}} {
		if got := Exp(c.x); got != c.want {
			t.Errorf("Exp(%v): got %v, want %v", c.x, got, c.want)
		}
	}
	if got := Exp(float32(math.NaN())); got == got {
		t.Errorf("Exp(NaN): got %v", got)
	}
}

func TestActivations(t *testing.T) {
	for name, c := range map[string]struct {
		f    func(float32) float32
		want func(float64) float64
	}{
		"SiLU":     {SiLU, func(x float64) float64 { return x / (1 + math.Exp(-x)) }},
		"GELU":     {GELU, func(x float64) float64 { return 0.5 * x * math.Erfc(-x/math.Sqrt2) }},
		"GELUTanh": {GELUTanh, func(x float64) float64 { return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x))) }},
	} {
		for x := float32(-100); x <= 100; x += 0.0078125 / 3 {
			got, want := float64(c.f(x)), c.want(float64(x))
			if d := math.Abs(got - want); d > 2e-7*math.Max(1, math.Abs(float64(x))) {
				t.Fatalf("%s(%v): got %v, want %v (off by %v)", name, x, got, want, d)
			}
		}
	}
}

func TestSoftmaxAndNorms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 15, 16, 17, 100, 896} {
		x, w, b := make([]float32, n), make([]float32, n), make([]float32, n)
		mean, sq, total := 0.0, 0.0, 0.0
		for i := range x {
			x[i], w[i], b[i] = float32(r.NormFloat64()), float32(r.NormFloat64()), float32(r.NormFloat64())
			mean += float64(x[i]) / float64(n)
			sq += float64(x[i]) * float64(x[i]) / float64(n)
			total += math.Exp(float64(x[i]))
		}
		y, z, s := make([]float32, n), make([]float32, n), append([]float32(nil), x...)
		RMSNorm(y, x, w, 1e-5)
		LayerNorm(z, x, w, b, 1e-5)
		Softmax(s)
		for i, v := range x {
			near(t, "RMSNorm", y[i], float64(v)/math.Sqrt(sq+1e-5)*float64(w[i]))
			near(t, "LayerNorm", z[i], (float64(v)-mean)/math.Sqrt(sq-mean*mean+1e-5)*float64(w[i])+float64(b[i]))
			near(t, "Softmax", s[i], math.Exp(float64(v))/total)
		}
	}
}

func near(t *testing.T, what string, got float32, want float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > 2e-6*math.Max(1, math.Abs(want)) {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func TestTrig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		x := math.Ldexp(r.Float64()*2-1, r.IntN(20))
		sin, cos := SinCos(x)
		if d := math.Max(math.Abs(sin-math.Sin(x)), math.Abs(cos-math.Cos(x))); d > 5e-16 {
			t.Fatalf("SinCos(%v): got %v %v, want %v %v", x, sin, cos, math.Sin(x), math.Cos(x))
		}
		base, y := math.Ldexp(1+r.Float64(), r.IntN(24)), -r.Float64()
		if got, want := Pow(base, y), math.Pow(base, y); math.Abs(got/want-1) > 1e-14 {
			t.Fatalf("Pow(%v, %v): got %v, want %v", base, y, got, want)
		}
	}
}

func TestRotate(t *testing.T) {
	cos, sin := []float32{0.5, 0.25}, []float32{0.125, 2}
	for _, c := range []struct {
		neox bool
		want []float32
	}{
		{true, []float32{1*0.5 - 3*0.125, 2*0.25 - 4*2, 1*0.125 + 3*0.5, 2*2 + 4*0.25, 5}},
		{false, []float32{1*0.5 - 2*0.125, 1*0.125 + 2*0.5, 3*0.25 - 4*2, 3*2 + 4*0.25, 5}},
	} {
		x := []float32{1, 2, 3, 4, 5}
		Rotate(x, cos, sin, c.neox)
		for i := range x {
			if x[i] != c.want[i] {
				t.Errorf("neox %v: got %v, want %v", c.neox, x, c.want)
				break
			}
		}
	}
}

// TestState compares attention over 600 positions, whole and from a window's
// first position, with the same in float64.
func TestState(t *testing.T) {
	const n, dim = 600, 24
	r := rand.New(rand.NewPCG(2, 2))
	scores, v := make([]float32, n), make([]float32, n*dim)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	for i := range scores {
		scores[i] = float32(r.NormFloat64() * 3)
	}
	for _, from := range []int{0, 70, 300} {
		all := State{O: make([]float64, dim)}
		for split := from / 256 * 256; split < n; split += 256 {
			part := State{O: make([]float64, dim)}
			part.Reset()
			for page := split; page < min(n, split+256); page += 64 {
				lo, hi := max(from, page), min(n, page+64)
				if lo < hi {
					part.Page(append([]float32(nil), scores[lo:hi]...), lo-page, v[lo*dim:], MinExp(v))
				}
			}
			if split <= from {
				all = part
			} else {
				all.Merge(&part)
			}
		}
		got := make([]float32, dim)
		all.Finish(got)
		for d := range dim {
			sum, want := 0.0, 0.0
			for i := from; i < n; i++ {
				p := math.Exp(float64(scores[i]))
				sum += p
				want += p * float64(v[i*dim+d])
			}
			near(t, "attention", got[d], want/sum)
		}
	}
}
