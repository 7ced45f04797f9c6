package x86

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// levels are the rungs by the names of the variants.
var levels = map[string]Level{"generic": None, "avx2": AVX2, "avx512": AVX512}

// integerTypes are the types that issue a kernel.
var integerTypes = []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.IQ4_NL,
	quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K}

// matrix is rows of random codes with extreme ones among them; scales of all
// signs, zero and subnormal. It ends at an unmapped page.
func matrix(t testing.TB, r *rand.Rand, typ quant.Type, rows, k int) []byte {
	t.Helper()
	n, ok := typ.RowBytes(k)
	if !ok {
		t.Fatalf("%v of %d", typ, k)
	}
	w := kerneltest.Guarded(t, rows*n)
	fill := []func() byte{func() byte { return byte(r.Uint32()) }, func() byte { return 0x80 }, func() byte { return 0x7f },
		func() byte { return 0xff }, func() byte { return 0 }}
	for i := range rows {
		f := fill[0]
		if i < 3*len(fill) {
			f = fill[i%len(fill)]
		}
		row := w[i*n : (i+1)*n]
		for j := range row {
			row[j] = f()
		}
	}
	block := typ.BlockBytes()
	for at := 0; at < len(w); at += block {
		for _, o := range halves(typ) {
			h := uint16(r.IntN(0x7c00)) // zero to the largest, subnormal ones among them
			switch r.IntN(8) {
			case 0:
				h = uint16(r.IntN(0x400))
			case 1:
				h = 0
			}
			h |= uint16(r.IntN(2)) << 15
			w[at+o], w[at+o+1] = byte(h), byte(h>>8)
		}
	}
	return w
}

// halves are the places of a block's scale and min.
func halves(t quant.Type) []int {
	switch t {
	case quant.Q8_0, quant.Q4_0, quant.Q5_0, quant.IQ4_NL:
		return []int{0}
	case quant.Q4_1, quant.Q5_1, quant.Q4_K, quant.Q5_K:
		return []int{0, 2}
	case quant.Q2_K:
		return []int{80, 82}
	case quant.Q3_K:
		return []int{108}
	case quant.Q6_K:
		return []int{208}
	}
	return nil
}

// activations of random tokens; every third has the largest codes throughout,
// one is zero.
func activations(r *rand.Rand, tokens, k int) (Acts, []ref.Act) {
	a := Acts{Tokens: tokens, Blocks: k / 32}
	acts := make([]ref.Act, tokens)
	for t := range acts {
		x := make([]float32, k)
		for i := range x {
			switch {
			case t%3 == 1:
				x[i] = float32(1 - 2*(i&t>>1&1))
			case t%5 != 4:
				x[i] = float32(r.NormFloat64()) * float32(math.Exp2(float64(r.IntN(20)-10)))
			}
		}
		acts[t].Quantize(x)
		a.Q, a.D, a.Sum = append(a.Q, acts[t].Q...), append(a.D, acts[t].D...), append(a.Sum, acts[t].Sum...)
	}
	return widened(a), acts
}

// widened adds what Widen makes.
func widened(a Acts) Acts {
	for i := 0; i < len(a.Sum); i += 2 {
		low, high := int32(a.Sum[i]), int32(a.Sum[i+1])
		a.Wide, a.Low, a.High = append(a.Wide, float32(low+high)), append(a.Low, -low), append(a.High, -high)
	}
	return a
}

func aligned(n int) []byte {
	return kerneltest.Unaligned(make([]byte, n), 0)
}

func TestIntegers(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		l := levels[v]
		r := rand.New(rand.NewPCG(1, 1))
		for _, typ := range integerTypes {
			for _, k := range []int{typ.Block(), 256, 544 / typ.Block() * typ.Block(), 896 / typ.Block() * typ.Block(), 1536, 8192 + 512} {
				for _, shape := range [][2]int{{1, 1}, {7, 2}, {16, 1}, {17, 13}, {33, 5}, {70, 1}, {40, 6}, {16, 2}, {37, 3}, {48, 4}, {21, 8}} {
					rows, tokens := shape[0], shape[1]
					w := matrix(t, r, typ, rows, k)
					a, acts := activations(r, tokens, k)
					stride := rows + r.IntN(3)
					y := kerneltest.GuardedF32(t, (tokens-1)*stride+rows)
					for i := range y {
						y[i] = 42
					}
					if !Integers(l, y, stride, typ, w, rows, a, aligned(ScratchBytes(l, typ, k))) {
						if v != "generic" && Assembly {
							t.Fatalf("no kernel for %v", typ)
						}
						continue
					}
					compare(t, fmt.Sprintf("%v k=%d", typ, k), y, stride, typ, w, rows, acts)
				}
			}
		}
	})
}

// compare checks y against ref and that nothing else was written.
func compare(t *testing.T, what string, y []float32, stride int, typ quant.Type, w []byte, rows int, acts []ref.Act) {
	t.Helper()
	n := len(w) / rows
	var row ref.Row
	for i := range rows {
		row.Unpack(typ, w[i*n:(i+1)*n])
		for tok := range acts {
			got, want := y[tok*stride+i], row.Spec(&acts[tok])
			if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
				t.Fatalf("%s: %d rows, %d tokens: row %d, token %d: got %x, want %x", what, rows, len(acts), i, tok, got, want)
			}
		}
	}
	for tok := range len(acts) - 1 {
		for _, v := range y[tok*stride+rows : (tok+1)*stride] {
			if v != 42 {
				t.Fatalf("%s: wrote beyond row %d", what, rows)
			}
		}
	}
}

// TestIntegersNotFinite: scales of all bits, infinities and NaN among them, give NaN
// where arm/ref does and its bits elsewhere: what is not finite stays in its row.
func TestIntegersNotFinite(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(5, 5))
		for _, typ := range integerTypes {
			for _, tokens := range []int{1, 3, 7} {
				const rows, k = 43, 768
				w := matrix(t, r, typ, rows, k)
				n := len(w) / rows
				for i := 0; i < rows; i += 2 { // each other row has one that is not finite
					at := i*n + r.IntN(n/typ.BlockBytes())*typ.BlockBytes()
					h := 0x7c00 | r.IntN(4)<<8 | r.IntN(2)<<15
					for _, o := range halves(typ) {
						w[at+o], w[at+o+1] = byte(h), byte(h>>8)
					}
				}
				a, acts := activations(r, tokens, k)
				y := kerneltest.GuardedF32(t, tokens*rows)
				if Integers(levels[v], y, rows, typ, w, rows, a, aligned(ScratchBytes(levels[v], typ, k))) {
					compare(t, typ.String(), y, rows, typ, w, rows, acts)
				}
			}
		}
	})
}
