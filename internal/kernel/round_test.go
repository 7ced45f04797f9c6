package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

// TestRoundF16 compares with quant's halves, over several pieces and threads.
func TestRoundF16(t *testing.T) {
	p, err := New(Options{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, roundPiece - 1, roundPiece + 1, 1<<17 + 3} {
		x, want, half := make([]float32, n), make([]float32, n), make([]byte, 2*n)
		for i := range x {
			x[i] = float32(math.Ldexp(r.NormFloat64(), r.IntN(60)-35))
		}
		if err := quant.Encode(quant.F16, half, x); err != nil {
			t.Fatal(err)
		}
		if err := quant.Decode(quant.F16, want, half); err != nil {
			t.Fatal(err)
		}
		p.RoundF16(x, x)
		for i := range x {
			if math.Float32bits(x[i]) != math.Float32bits(want[i]) {
				t.Fatalf("value %d of %d: %v, want %v", i, n, x[i], want[i])
			}
		}
	}
	x := []float32{65504, 65519, 65520, -1e9}
	p.RoundF16(x, x)
	if x[0] != 65504 || x[1] != 65504 || !math.IsInf(float64(x[2]), 1) || !math.IsInf(float64(x[3]), -1) {
		t.Errorf("around the largest: %v", x)
	}
}
