package arm

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

var encoded = []quant.Type{quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1}

// hardValues are made to sit on the edges of encoders: signs of zeros, values half
// way between two codes, equal magnitudes of both signs, subnormal values and
// scales, ranges that overflow, values that are not finite.
var hardValues = map[string]func(r *rand.Rand, x []float32){
	"normal": func(r *rand.Rand, x []float32) {
		scale := math.Exp2(float64(r.IntN(250) - 135))
		for i := range x {
			x[i] = float32(r.NormFloat64() * scale)
		}
	},
	"half way": func(r *rand.Rand, x []float32) {
		scale := math.Exp2(float64(r.IntN(12) - 6))
		for i := range x {
			x[i] = float32((float64(r.IntN(255)-127) + 0.5) * scale)
			if i%32 == 7 {
				x[i] = float32(128 * scale)
			}
		}
	},
	"both signs": func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(r.IntN(5)-2) * 0.37
			if x[i] == 0 && r.IntN(2) == 0 {
				x[i] = float32(math.Copysign(0, -1))
			}
		}
	},
	"zeros": func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(math.Copysign(0, float64(r.IntN(2))-0.5))
		}
	},
	"at least zero": func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(math.Copysign(0, float64(r.IntN(2))-0.5))
			if r.IntN(3) == 0 {
				x[i] = r.Float32()
			}
		}
	},
	"subnormal": func(r *rand.Rand, x []float32) {
		top := uint32(1) << r.IntN(26)
		for i := range x {
			x[i] = math.Float32frombits(r.Uint32N(top) | r.Uint32()&(1<<31))
		}
	},
	"huge": func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = (r.Float32() - 0.5) * 2 * math.MaxFloat32
		}
	},
	"any bits": func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = math.Float32frombits(r.Uint32())
		}
	},
	"not finite": func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(r.NormFloat64())
			if r.IntN(50) == 0 {
				x[i] = []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.Float32frombits(0xff800001)}[r.IntN(4)]
			}
		}
	},
}

func TestEncode(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(21, 21))
		for _, typ := range encoded {
			for name, fill := range hardValues {
				for round := range 12 {
					for _, n := range []int{0, 32, 64, 96, 992} {
						if typ.Block() == 1 && n > 0 {
							n -= 5 * round % 32
						}
						x := kerneltest.GuardedF32(t, n)
						fill(r, x)
						size, _ := typ.RowBytes(n)
						want, row := make([]byte, size), kerneltest.Guarded(t, size)
						if err := quant.Encode(typ, want, x); err != nil {
							t.Fatal(err)
						}
						if !Encode(l, row, typ, x) {
							t.Fatalf("%v: no kernel", typ)
						}
						b := typ.BlockBytes()
						for at := 0; at < size; at += b {
							if i := at / b * typ.Block(); !bytes.Equal(row[at:at+b], want[at:at+b]) {
								t.Fatalf("%v, %s, n=%d, block %d: got %x, want %x of %x", typ, name, n, at/b, row[at:at+b], want[at:at+b], x[i:i+typ.Block()])
							}
						}
					}
				}
			}
		}
		if Encode(l, make([]byte, 84), quant.Q2_K, make([]float32, 256)) {
			t.Error("Q2_K is encoded")
		}
	})
}
