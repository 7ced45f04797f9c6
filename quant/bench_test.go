package quant_test

import (
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

// values is one row block of a real model: 64 rows of 1,024 normal values.
func values() []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 64*1024)
	for i := range x {
		x[i] = float32(rng.NormFloat64()) * 0.02
	}
	return x
}

func BenchmarkEncode(b *testing.B) {
	x := values()
	for _, t := range append([]quant.Type{quant.F32}, encodable...) {
		b.Run(t.String(), func(b *testing.B) {
			n, _ := t.RowBytes(len(x))
			dst := make([]byte, n)
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				_ = quant.Encode(t, dst, x)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	x := values()
	rng := rand.New(rand.NewPCG(3, 4))
	for t := quant.Type(0); t < 64; t++ {
		if !t.CanDecode() {
			continue
		}
		b.Run(t.String(), func(b *testing.B) {
			n, _ := t.RowBytes(len(x))
			src := make([]byte, n)
			for i := range src {
				src[i] = byte(rng.Uint32())
			}
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				_ = quant.Decode(t, x, src)
			}
		})
	}
}

// BenchmarkBF16ToQ8_0 is the converter's main path: bytes per second of bf16.
func BenchmarkBF16ToQ8_0(b *testing.B) {
	x := values()
	src := make([]byte, 2*len(x))
	if err := quant.Encode(quant.BF16, src, x); err != nil {
		b.Fatal(err)
	}
	n, _ := quant.Q8_0.RowBytes(len(x))
	dst := make([]byte, n)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		_ = quant.Decode(quant.BF16, x, src)
		if quant.FirstNonFinite(x) >= 0 {
			b.Fatal("not finite")
		}
		_ = quant.Encode(quant.Q8_0, dst, x)
	}
}

func BenchmarkFirstNonFinite(b *testing.B) {
	x := values()
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		_ = quant.FirstNonFinite(x)
	}
}
