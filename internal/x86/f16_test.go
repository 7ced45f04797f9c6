package x86

import (
	"encoding/binary"
	"math"
	"runtime"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// kernels are the variants of this build on this machine. On another kind of
// processor they are the machine's, all of which forward to ref.
func kernels() []string {
	if Assembly || runtime.GOARCH != "amd64" {
		return cpu.Kernels()
	}
	return nil
}

// variants are the functions under test by variant; the higher rungs of the
// ladder have no version of their own and take AVX2's.
func variants(v string) func([]float32, []byte) {
	if v == "generic" {
		return ref.F16ToF32
	}
	return F16ToF32
}

func TestF16ToF32All(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		src, dst := make([]byte, 2<<16), make([]float32, 1<<16)
		for h := range dst {
			binary.LittleEndian.PutUint16(src[2*h:], uint16(h))
		}
		variants(v)(dst, src)
		for h, got := range dst {
			if want := quant.HalfToFloat(uint16(h)); math.Float32bits(got) != math.Float32bits(want) {
				t.Fatalf("half %#04x: got %#08x, want %#08x", h, math.Float32bits(got), math.Float32bits(want))
			}
		}
	})
}

func TestF16ToF32Shapes(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		for _, n := range kerneltest.Lengths(16) {
			for off := range 3 {
				src, dst := kerneltest.Guarded(t, 2*n), kerneltest.GuardedF32(t, n)
				for i := range src {
					src[i] = byte(31*i + n)
				}
				if off > 0 {
					src = kerneltest.Unaligned(src, off)
				}
				want := make([]float32, n)
				ref.F16ToF32(want, src)
				variants(v)(dst, src)
				for i := range want {
					if math.Float32bits(dst[i]) != math.Float32bits(want[i]) {
						t.Fatalf("n=%d offset %d: value %d: got %v, want %v", n, off, i, dst[i], want[i])
					}
				}
			}
		}
	})
}

// TestF32ToF16 rounds every half, its neighbours and what lies half way.
func TestF32ToF16(t *testing.T) {
	var src []float32
	for h := range 1 << 16 {
		if f := quant.HalfToFloat(uint16(h)); f == f {
			u := math.Float32bits(f)
			for _, d := range []uint32{0, 1, 0xfff, 0x1000, 0x1001, ^uint32(0)} {
				if g := math.Float32frombits(u + d); g == g {
					src = append(src, g)
				}
			}
		}
	}
	src = append(src, 65519, 65520, 1e30, -1e30, 1e-40)
	dst := make([]byte, 2*len(src))
	F32ToF16(dst, src)
	for i, f := range src {
		if got, want := binary.LittleEndian.Uint16(dst[2*i:]), quant.FloatToHalf(f); got != want {
			t.Fatalf("%v: got %#04x, want %#04x", f, got, want)
		}
	}
	for _, n := range kerneltest.Lengths(8) {
		dst, src := kerneltest.Guarded(t, 2*n), kerneltest.GuardedF32(t, n)
		for i := range src {
			src[i] = float32(i)
		}
		F32ToF16(dst, src)
		for i := range src {
			if got, want := binary.LittleEndian.Uint16(dst[2*i:]), quant.FloatToHalf(src[i]); got != want {
				t.Fatalf("n=%d: value %d: got %#04x, want %#04x", n, i, got, want)
			}
		}
	}
}

func TestF16ToF32Lengths(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wrong length does not panic")
		}
	}()
	F16ToF32(make([]float32, 4), make([]byte, 7))
}

func BenchmarkF16ToF32(b *testing.B) {
	dst, src := make([]float32, 4864), make([]byte, 2*4864)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		F16ToF32(dst, src)
	}
}
