package x86

import (
	"bytes"
	"fmt"
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
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(21, 21))
		for _, typ := range encoded {
			for name, fill := range hardValues {
				for round := range 60 {
					for _, n := range []int{0, 32, 64, 96, 992, mathLong / 32 * 32} {
						if n > 1000 && round > 1 {
							continue
						}
						if typ.Block() == 1 && n > 0 {
							n -= round % 32
						}
						x := kerneltest.GuardedF32(t, n)
						fill(r, x)
						size, _ := typ.RowBytes(n)
						want, row := make([]byte, size), kerneltest.Guarded(t, size)
						if err := quant.Encode(typ, want, x); err != nil {
							t.Fatal(err)
						}
						if !Encode(levels[v], row, typ, x) {
							if v != "generic" && Assembly {
								t.Fatalf("%v: no kernel", typ)
							}
							continue
						}
						if !bytes.Equal(row, want) {
							b := typ.BlockBytes()
							for at := 0; at < size; at += b {
								if !bytes.Equal(row[at:at+b], want[at:at+b]) {
									i := at / b * typ.Block()
									t.Fatalf("%v, %s, n=%d, block %d: got %x, want %x of %x", typ, name, n, at/b, row[at:at+b], want[at:at+b], x[i:i+typ.Block()])
								}
							}
						}
					}
				}
			}
		}
		if Encode(levels[v], make([]byte, 84), quant.Q2_K, make([]float32, 256)) {
			t.Error("Q2_K is encoded")
		}
	})
}

// BenchmarkEncode counts the bytes of float32 that are read, plain Go beside.
func BenchmarkEncode(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	x := make([]float32, 4096)
	for i := range x {
		x[i] = float32(r.NormFloat64()) * 0.02
	}
	for _, typ := range encoded {
		size, _ := typ.RowBytes(len(x))
		row := make([]byte, size)
		for name, f := range map[string]func(){
			"go":   func() { _ = quant.Encode(typ, row, x) },
			"avx2": func() { Encode(AVX2, row, typ, x) },
		} {
			b.Run(fmt.Sprintf("%v/%s", typ, name), func(b *testing.B) {
				b.SetBytes(int64(4 * len(x)))
				for b.Loop() {
					f()
				}
			})
		}
	}
}
