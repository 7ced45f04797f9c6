package ref

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

var integerTypes = []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q2_K,
	quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.Q8_K, quant.IQ4_NL, quant.IQ4_XS}

// randomRow is n blocks of random bytes with finite scales.
func randomRow(r *rand.Rand, t quant.Type, blocks int) []byte {
	row := make([]byte, blocks*t.BlockBytes())
	for i := range row {
		row[i] = byte(r.Uint32())
	}
	half := func(b []byte) { le.PutUint16(b, quant.FloatToHalf(float32(r.NormFloat64())/64)) }
	for b := range blocks {
		block := row[b*t.BlockBytes():]
		switch t {
		case quant.Q2_K:
			half(block[80:])
			half(block[82:])
		case quant.Q3_K:
			half(block[108:])
		case quant.Q6_K:
			half(block[208:])
		case quant.Q8_K:
			le.PutUint32(block, math.Float32bits(float32(r.NormFloat64())))
		case quant.Q4_1, quant.Q5_1, quant.Q4_K, quant.Q5_K:
			half(block)
			half(block[2:])
		default:
			half(block)
		}
	}
	return row
}

func TestUnpackGivesDecodedWeights(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, typ := range integerTypes {
		row := randomRow(r, typ, 8)
		n := 8 * typ.Block()
		want := make([]float32, n)
		if err := quant.Decode(typ, want, row); err != nil {
			t.Fatal(err)
		}
		var u Row
		u.Unpack(typ, row)
		for k, w := range want {
			s := k / u.Sub()
			got := float32(float32(int32(u.Q[k])-u.Bias()) * u.Scale[s])
			if len(u.Min) > 0 {
				got -= u.Min[s]
			}
			if got != w {
				t.Fatalf("%v weight %d: got %v, want %v", typ, k, got, w)
			}
		}
	}
}

// extreme fills x with activations that quantize to codes at the ends of the
// range, which is where a digit could overflow.
func extreme(r *rand.Rand, x []float32, kind int) {
	for i := range x {
		switch kind {
		case 0:
			x[i] = float32(r.NormFloat64())
		case 1:
			x[i] = 1
		case 2:
			x[i] = -1
		default:
			x[i] = float32(r.IntN(2)*2 - 1)
		}
	}
}

func TestDotIsSpec(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for _, typ := range integerTypes {
		for trial := range 40 {
			row := randomRow(r, typ, 1+r.IntN(3))
			if trial < 8 { // all codes at an end, scales too
				for i := range row {
					row[i] = byte(-(trial >> 2))
				}
				row[len(row)-typ.BlockBytes()+1] = 0x3c
			}
			var u Row
			u.Unpack(typ, row)
			x := make([]float32, len(u.Q))
			extreme(r, x, trial%4)
			var a Act
			if i := a.Quantize(x); i >= 0 {
				t.Fatalf("x[%d] = %v", i, x[i])
			}
			a.Pairs()
			a.Quads()
			got, want := u.Dot(&a), u.Spec(&a)
			if math.Float32bits(got) != math.Float32bits(want) && !(got != got && want != want) {
				t.Fatalf("%v trial %d: got %v, want %v", typ, trial, got, want)
			}
			u.Spread()
			if got := u.Dot(&a); math.Float32bits(got) != math.Float32bits(want) && !(got != got && want != want) {
				t.Fatalf("%v trial %d, spread: got %v, want %v", typ, trial, got, want)
			}
			if typ == quant.Q8_0 {
				if got := DotQ8_0(row, &a); math.Float32bits(got) != math.Float32bits(want) && !(got != got && want != want) {
					t.Fatalf("DotQ8_0: got %v, want %v", got, want)
				}
			}
		}
	}
}

func TestQuantize(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, n := range []int{0, 1, 31, 32, 33, 64, 100} {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		var a Act
		if got := a.Quantize(x); got != -1 {
			t.Fatalf("n=%d: non-finite at %d", n, got)
		}
		for i := range a.Q {
			v, block := float32(0), x[i/32*32:min(n, i/32*32+32)]
			if i < n {
				v = x[i]
			}
			absmax := float32(0)
			for _, w := range block {
				absmax = max(absmax, float32(math.Abs(float64(w))))
			}
			want := int8(math.RoundToEven(float64(float32(v * (127 / absmax)))))
			if a.Q[i] != want || a.D[i/32] != absmax/127 {
				t.Fatalf("n=%d code %d of %v: got %d d %v, want %d d %v", n, i, v, a.Q[i], a.D[i/32], want, absmax/127)
			}
		}
		for s := range a.Sum {
			want := int16(0)
			for _, q := range a.Q[16*s : 16*s+16] {
				want += int16(q)
			}
			if a.Sum[s] != want {
				t.Fatalf("n=%d sum %d: got %d, want %d", n, s, a.Sum[s], want)
			}
		}
	}
}

func TestQuantizeEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name  string
		v     float32
		index int
	}{{"inf", inf, 40}, {"minus inf", -inf, 40}, {"nan", float32(math.NaN()), 40}, {"largest", math.MaxFloat32, -1}, {"subnormal", 1e-44, -1}} {
		x := make([]float32, 64)
		x[40] = c.v
		var a Act
		if got := a.Quantize(x); got != c.index {
			t.Errorf("%s: got index %d, want %d", c.name, got, c.index)
		}
		if c.index < 0 && (a.Q[40] != 0 && a.Q[40] != 127 || math.IsNaN(float64(a.D[1]))) {
			t.Errorf("%s: code %d, d %v", c.name, a.Q[40], a.D[1])
		}
	}
}

// TestHalfArithmetic compares all halves with the table of package quant.
func TestHalfArithmetic(t *testing.T) {
	for h := range 1 << 16 {
		got, want := half([]byte{byte(h), byte(h >> 8)}), quant.HalfToFloat(uint16(h))
		if math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("half %#04x: got %x, want %x", h, math.Float32bits(got), math.Float32bits(want))
		}
	}
}

func BenchmarkRowDot(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, typ := range integerTypes {
		k := 4864
		row := randomRow(r, typ, k/typ.Block())
		x := make([]float32, k)
		extreme(r, x, 0)
		var u Row
		var a Act
		a.Quantize(x)
		a.Pairs()
		a.Quads()
		gmac := func(b *testing.B) {
			b.ReportMetric(float64(k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GMAC/s")
		}
		b.Run(typ.String()+"/unpack+dot", func(b *testing.B) {
			b.SetBytes(int64(len(row)))
			for b.Loop() {
				if typ == quant.Q8_0 {
					sink = DotQ8_0(row, &a)
				} else {
					u.Unpack(typ, row)
					sink = u.Dot(&a)
				}
			}
			gmac(b)
		})
		u.Unpack(typ, row)
		u.Spread()
		b.Run(typ.String()+"/dot", func(b *testing.B) {
			b.SetBytes(int64(k))
			for b.Loop() {
				sink = u.Dot(&a)
			}
			gmac(b)
		})
	}
}

func BenchmarkQuantize(b *testing.B) {
	x := make([]float32, 4864)
	extreme(rand.New(rand.NewPCG(1, 1)), x, 0)
	var a Act
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		a.Quantize(x)
		a.Pairs()
	}
}
