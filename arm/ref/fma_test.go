package ref

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

// bigFMA rounds the exact a·b+c to float32, by way of arbitrary precision.
func bigFMA(a, b, c float32) float32 {
	f := func(v float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(v)) }
	r, _ := f(0).Add(f(0).Mul(f(a), f(b)), f(c)).Float32()
	return r
}

// adversary draws values whose sums lie at or beside a halfway point, in every
// range: few mantissa bits, exponents that meet, subnormal and huge results.
func adversary(r *rand.Rand) (a, b, c float32) {
	bits := func() uint32 {
		m := r.Uint32() & 0x7fffff
		switch r.IntN(5) {
		case 0:
			m &= 0x7ff000
		case 1:
			m = 1 << r.IntN(23)
		case 2:
			m = 0x7fffff &^ (1 << r.IntN(23))
		case 3:
			m = 0
		}
		return m
	}
	make32 := func(exp int) float32 {
		return math.Float32frombits(r.Uint32()&(1<<31) | uint32(min(max(exp, 0), 254))<<23 | bits())
	}
	switch r.IntN(4) {
	case 0: // ordinary
		ea, eb := 100+r.IntN(50), 100+r.IntN(50)
		return make32(ea), make32(eb), make32(ea + eb - 127 + r.IntN(56) - 28)
	case 1: // around the subnormal range
		ea := r.IntN(200)
		eb := 127 - ea + r.IntN(60) - 40
		return make32(ea), make32(eb), make32(r.IntN(30))
	case 2: // around the largest number
		ea := 128 + r.IntN(120)
		return make32(ea), make32(254 + 127 - ea - r.IntN(4)), make32(254 - r.IntN(30))
	default:
		return make32(r.IntN(255)), make32(r.IntN(255)), make32(r.IntN(255))
	}
}

func TestFMA(t *testing.T) {
	n := 300_000
	if testing.Short() {
		n = 20_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	rare := 0
	for range n {
		a, b, c := adversary(r)
		got, want := FMA(a, b, c), bigFMA(a, b, c)
		if math.Float32bits(got) != math.Float32bits(want) && !(got == 0 && want == 0) {
			t.Fatalf("FMA(%x, %x, %x): got %x, want %x", a, b, c, got, want)
		}
		if s := float64(a)*float64(b) + float64(c); float32(s) != want {
			rare++
		}
	}
	if rare == 0 {
		t.Error("no case where rounding twice is wrong: the test cannot fail")
	}
	t.Logf("%d of %d cases need the correction", rare, n)
}

// TestFMAInteger compares with exact integer arithmetic: operands of few bits,
// so that every product and sum fits 64 bits and halfway cases are dense.
func TestFMAInteger(t *testing.T) {
	n := 2_000_000
	if testing.Short() {
		n = 100_000
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range n {
		a, b := int64(r.IntN(1<<24)), int64(r.IntN(1<<24))
		shift := r.IntN(15)
		c := int64(r.IntN(1<<24)) << (shift + 24)
		if r.IntN(2) == 0 {
			a |= 1
			b = 1 << r.IntN(24)
		}
		if r.IntN(2) == 0 {
			c = -c
		}
		got := FMA(float32(a), float32(b), float32(c))
		if want := roundInt(a*b + c); got != want {
			t.Fatalf("FMA(%d, %d, %d): got %v, want %v", a, b, c, got, want)
		}
	}
}

// roundInt rounds an integer to 24 bits, half to even.
func roundInt(v int64) float32 {
	neg := v < 0
	if neg {
		v = -v
	}
	shift := 0
	for v>>shift >= 1<<24 {
		shift++
	}
	q := v >> shift
	if shift > 0 {
		rest, half := v&(1<<shift-1), int64(1)<<(shift-1)
		if rest > half || rest == half && q&1 == 1 {
			q++
		}
	}
	f := float32(math.Ldexp(float64(q), shift))
	if neg {
		return -f
	}
	return f
}

func TestFMASpecial(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct{ a, b, c, want float32 }{
		{0, 0, 0, 0}, {1, 1, -1, 0}, {inf, 1, 0, inf}, {inf, 0, 1, nan}, {1, 1, nan, nan},
		{inf, 1, -inf, nan}, {math.MaxFloat32, 2, 0, inf}, {math.MaxFloat32, 1, -math.MaxFloat32, 0},
		{math.SmallestNonzeroFloat32, 0.5, 0, 0}, {math.SmallestNonzeroFloat32, 0.75, 0, math.SmallestNonzeroFloat32},
	} {
		got := FMA(c.a, c.b, c.c)
		if got != c.want && !(got != got && c.want != c.want) {
			t.Errorf("FMA(%v, %v, %v): got %v, want %v", c.a, c.b, c.c, got, c.want)
		}
	}
}

// plainDot is the definition of Dot.
func plainDot(w, x []float32) float32 {
	var lanes [16]float32
	for k := 0; k < (len(w)+15)&^15; k++ {
		wv, xv := float32(0), float32(0)
		if k < len(w) {
			wv, xv = w[k], x[k]
		}
		lanes[k%16] = FMA(wv, xv, lanes[k%16])
	}
	return Tree(&lanes)
}

func TestDot(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	for i := range n {
		k := r.IntN(100)
		w, x := make([]float32, k), make([]float32, k)
		for j := range w {
			switch i % 4 {
			case 0:
				w[j], x[j] = float32(r.NormFloat64()), float32(r.NormFloat64())
			case 1: // few bits: halfway cases are frequent
				w[j], x[j] = float32(r.IntN(4097)-2048), float32(math.Ldexp(float64(r.IntN(4097)), -r.IntN(30)))
			case 2: // subnormal products
				w[j], x[j] = float32(math.Ldexp(r.NormFloat64(), -60-r.IntN(20))), float32(math.Ldexp(r.NormFloat64(), -60-r.IntN(20)))
			default:
				w[j], x[j], _ = adversary(r)
			}
		}
		var wide Wide
		wide.Widen(x)
		got, want := Dot(w, MinExp(w), &wide), plainDot(w, x)
		if math.Float32bits(got) != math.Float32bits(want) && !(got != got && want != want) {
			t.Fatalf("case %d, k=%d: got %x, want %x", i, k, got, want)
		}
	}
}

func TestAxpy(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 5000 {
		n := r.IntN(20)
		o, v, want := make([]float64, n), make([]float32, n), make([]float32, n)
		var p float32
		for d := range o {
			var c float32
			if p, v[d], c = adversary(r); i%2 == 0 {
				p, v[d], c = float32(r.IntN(2049))/2048, float32(r.IntN(2049)), float32(r.IntN(1<<24))
			}
			o[d] = float64(c)
		}
		for d := range o {
			want[d] = FMA(p, v[d], float32(o[d]))
		}
		Axpy(o, p, v, MinExp(v))
		for d := range o {
			if math.Float32bits(float32(o[d])) != math.Float32bits(want[d]) && o[d] == o[d] {
				t.Fatalf("case %d, lane %d: got %x, want %x", i, d, o[d], want[d])
			}
		}
	}
}

func TestMinExp(t *testing.T) {
	for _, c := range []struct {
		x    []float32
		want int
	}{
		{nil, 1 << 10}, {[]float32{0, 0, 0, 0, 0}, 1 << 10}, {[]float32{1}, 0}, {[]float32{-4, 0, 2, 8, 3}, 1},
		{[]float32{1, 2, 3, 4, 0x1p-140}, -126}, {[]float32{0, 0, 0, 0x1p-30, 5, 5, 5, 5}, -30},
	} {
		if got := MinExp(c.x); got != c.want {
			t.Errorf("MinExp(%v): got %d, want %d", c.x, got, c.want)
		}
	}
}

// TestExponents: the bounds of raw rows hold for every length and smallest value.
func TestExponents(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 3000 {
		x := make([]float32, r.IntN(12))
		for i := range x {
			if x[i] = float32(math.Ldexp(1+r.Float64(), -r.IntN(150))); r.IntN(4) == 0 {
				x[i] = 0
			}
		}
		raw := make([]byte, 4*len(x))
		if err := quant.Encode(quant.F32, raw, x); err != nil {
			t.Fatal(err)
		}
		exact := MinExp(x)
		if got := ExpF32(raw); got != exact && (got != -63 || exact < -63) {
			t.Fatalf("ExpF32(%v): got %d, want %d", x, got, exact)
		}
		short := make([]byte, 2*len(x))
		_ = quant.Encode(quant.BF16, short, x)
		_ = quant.Decode(quant.BF16, x, short)
		exact = MinExp(x)
		if got := ExpBF16(short); got != exact+16 && (got != -63+16 || exact < -63) {
			t.Fatalf("ExpBF16(%v): got %d, want %d", x, got, exact+16)
		}
	}
}

func BenchmarkDot(b *testing.B) {
	for _, k := range []int{896, 4864} {
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			w, x := make([]float32, k), make([]float32, k)
			for i := range w {
				w[i], x[i] = rand.Float32()-0.5, rand.Float32()-0.5
			}
			var wide Wide
			wide.Widen(x)
			b.SetBytes(int64(4 * k))
			raw := make([]byte, 4*k)
			if err := quant.Encode(quant.F32, raw, w); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				sink = Dot(w, ExpF32(raw), &wide)
			}
			b.ReportMetric(float64(k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
		})
	}
}

var sink float32
