package arm

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// halves are where the scales of a type's block lie.
var halves = map[quant.Type][]int{
	quant.Q8_0: {0}, quant.Q4_0: {0}, quant.Q4_1: {0, 2}, quant.Q5_0: {0}, quant.Q5_1: {0, 2}, quant.IQ4_NL: {0},
	quant.IQ4_XS: {0}, quant.Q2_K: {80, 82}, quant.Q3_K: {108}, quant.Q4_K: {0, 2}, quant.Q5_K: {0, 2}, quant.Q6_K: {208},
}

// weights fills a matrix that ends at an unmapped page. kind chooses random
// codes, or all the lowest or the highest; scales are normal numbers, or
// subnormal, zero and negative ones by turns.
func weights(t testing.TB, r *rand.Rand, typ quant.Type, rows, cols int, kind string) quant.Matrix {
	t.Helper()
	n, ok := typ.RowBytes(cols)
	if !ok {
		t.Fatalf("%v with %d columns", typ, cols)
	}
	data := kerneltest.Guarded(t, n*rows)
	for i := range data {
		switch kind {
		case "low":
			data[i] = 0x80
			if typ != quant.Q8_0 {
				data[i] = 0
			}
		case "high":
			data[i] = 0x7f
			if typ != quant.Q8_0 {
				data[i] = 0xff
			}
		default:
			data[i] = byte(r.Uint32())
		}
	}
	odd := []uint16{0, 0x8000, 1, 0x83ff, 0x0400, 0xbc00, 0x3555}
	for b := 0; b < len(data); b += typ.BlockBytes() {
		for i, at := range halves[typ] {
			h := quant.FloatToHalf(float32(r.NormFloat64()) / 64)
			if kind == "scales" {
				h = odd[(b/typ.BlockBytes()+3*i)%len(odd)]
			}
			binary.LittleEndian.PutUint16(data[b+at:], h)
		}
	}
	m, err := quant.NewMatrix(typ, rows, cols, data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// activations quantizes tokens of n values, a multiple of 32: normal ones, or all
// at the ends of the range.
func activations(t testing.TB, r *rand.Rand, tokens, n int, kind string) Acts {
	t.Helper()
	x := make([]float32, tokens*n)
	for i := range x {
		switch kind {
		case "low":
			x[i] = 1
		case "high":
			x[i] = -3
		default:
			x[i] = float32(r.NormFloat64())
		}
	}
	var a ref.Act
	if i := a.Quantize(x); i >= 0 {
		t.Fatal(i)
	}
	// at the end of a page as well
	q := kerneltest.Guarded(t, len(a.Q))
	for i, v := range a.Q {
		q[i] = byte(v)
	}
	d := kerneltest.GuardedF32(t, len(a.D))
	copy(d, a.D)
	return Acts{tokens, n / 32, int8s(q), d, a.Sum}
}

var kinds = []string{"random", "low", "high", "scales"}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) && (got[i] == got[i] || want[i] == want[i]) { // one NaN is as good as another
			t.Fatalf("%s: value %d: got %v (%#08x), want %v (%#08x)", what, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}
