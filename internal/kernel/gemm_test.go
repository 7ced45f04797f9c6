package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/internal/x86"
)

// gemmWant is Gemm by arm/ref's FMA, one output at a time.
func gemmWant(c, a, b F32, ta, tb, add bool, round func(float32) float32) []float32 {
	k := a.Cols
	if ta {
		k = a.Rows
	}
	at := func(m F32, t bool, i, j int) float32 {
		if t {
			i, j = j, i
		}
		return round(m.Data[i*m.Cols+j])
	}
	want := make([]float32, len(c.Data))
	for i := range c.Rows {
		for j := range c.Cols {
			sum, started := c.Data[i*c.Cols+j], add
			for lo := 0; lo < k; lo += gemmBlock {
				acc := float32(0)
				for kk := lo; kk < min(lo+gemmBlock, k); kk++ {
					acc = ref.FMA(at(a, ta, i, kk), at(b, tb, kk, j), acc)
				}
				if started {
					acc += sum
				}
				sum, started = acc, true
			}
			want[i*c.Cols+j] = sum
		}
	}
	return want
}

// gemmOperands end at unmapped pages.
func gemmOperands(t testing.TB, r *rand.Rand, m, n, k int, ta, tb bool) (c, a, b F32) {
	random := func(rows, cols int, turn bool) F32 {
		if turn {
			rows, cols = cols, rows
		}
		x := F32{rows, cols, kerneltest.GuardedF32(t, rows*cols)}
		copy(x.Data, randomF32(r, rows, cols).Data)
		return x
	}
	return random(m, n, false), random(m, k, ta), random(k, n, tb)
}

func exact(v float32) float32 { return v }

var gemmShapes = [][3]int{
	{1, 1, 1}, {1, 33, 2}, {5, 16, 3}, {6, 15, 17}, {7, 17, 16}, {12, 32, 31}, {13, 31, 33}, {11, 64, 511}, {24, 256, 512}, {3, 257, 513}, {25, 300, 100}, {500, 40, 15}, {14, 48, 1100}, {2, 20, 513},
}

// gemmSkips leaves out the large shapes where the variant has no kernel of its own.
func gemmSkips(p *Pool, s [3]int) bool {
	return x86.GemmScratchBytes(p.variant.x86) == 0 && s[0]*s[1]*s[2] > 1<<15
}

// Every variant gives arm/ref's bits, for every transposition, at odd shapes, for
// any number of threads.
func TestGemm(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, variant string) {
		for threads := 1; threads <= 3; threads++ {
			p := newPool(t, threads, variant)
			for _, s := range gemmShapes {
				if gemmSkips(p, s) {
					continue
				}
				r := rand.New(rand.NewPCG(uint64(s[0]), uint64(s[2])))
				for flags := range 8 {
					ta, tb, add := flags&1 > 0, flags&2 > 0, flags&4 > 0
					c, a, b := gemmOperands(t, r, s[0], s[1], s[2], ta, tb)
					want := gemmWant(c, a, b, ta, tb, add, exact)
					if err := p.Gemm(c, a, b, ta, tb, add); err != nil {
						t.Fatal(err)
					}
					sameBits(t, fmt.Sprintf("%v threads, %v ta=%v tb=%v add=%v", threads, s, ta, tb, add), c.Data, want)
				}
			}
		}
	})
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, v := range got {
		if math.Float32bits(v) != math.Float32bits(want[i]) && (v == v || want[i] == want[i]) {
			t.Fatalf("%s: output %d is %v, want %v", what, i, v, want[i])
		}
	}
}

// GemmBF16 gives the bits of Gemm of rounded operands where the processor has no
// bfloat16 multiplication, and is close to them where it has; its bits do not
// depend on the threads.
func TestGemmBF16(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, variant string) {
		pools := []*Pool{newPool(t, 1, variant), newPool(t, 3, variant)}
		for _, s := range gemmShapes {
			if gemmSkips(pools[0], s) {
				continue
			}
			r := rand.New(rand.NewPCG(uint64(s[1]), uint64(s[2])))
			for flags := range 8 {
				ta, tb, add := flags&1 > 0, flags&2 > 0, flags&4 > 0
				c, a, b := gemmOperands(t, r, s[0], s[1], s[2], ta, tb)
				a.Data[0], b.Data[len(b.Data)-1] = 1+1.0/256, 1+3.0/256 // halfway: to even
				want := gemmWant(c, a, b, ta, tb, add, gemmShape{bf16: true}.round)
				size := gemmWant(F32{c.Rows, c.Cols, make([]float32, len(c.Data))}, a, b, ta, tb, add, func(v float32) float32 { return float32(math.Abs(float64(v))) })
				c2 := F32{c.Rows, c.Cols, append([]float32(nil), c.Data...)}
				for i, p := range pools {
					if err := p.GemmBF16([]F32{c, c2}[i], a, b, ta, tb, add); err != nil {
						t.Fatal(err)
					}
				}
				what := fmt.Sprintf("%v ta=%v tb=%v add=%v", s, ta, tb, add)
				sameBits(t, what+", 3 threads", c2.Data, c.Data)
				if pools[0].GemmRung() == "fp32" {
					sameBits(t, what, c.Data, want)
					continue
				}
				for i, v := range c.Data {
					if d := math.Abs(float64(v - want[i])); d > 1e-6*float64(size[i]) {
						t.Fatalf("%s: output %d is %v, want %v", what, i, v, want[i])
					}
				}
			}
		}
	})
}

// What lies beside a matrix, or is padding inside the kernels, reaches no result;
// a value that is not finite reaches those it belongs to and no others.
func TestGemmNotFinite(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, variant string) {
		p := newPool(t, 1, variant)
		nan, inf := float32(math.NaN()), float32(math.Inf(1))
		for flags := range 8 {
			ta, tb, bf16 := flags&1 > 0, flags&2 > 0, flags&4 > 0
			r := rand.New(rand.NewPCG(3, 4))
			gemm := p.Gemm
			if bf16 {
				gemm = p.GemmBF16
			}
			// A first product leaves NaN in the scratch.
			c, a, b := gemmOperands(t, r, 24, 64, 64, ta, tb)
			for i := range a.Data {
				a.Data[i] = nan
			}
			for i := range b.Data {
				b.Data[i] = inf
			}
			if err := gemm(c, a, b, ta, tb, false); err != nil {
				t.Fatal(err)
			}
			c, a, b = gemmOperands(t, r, 13, 35, 7, ta, tb)
			i, j := 2, 3 // of op(a): row 2; of op(b): column 3
			if ta {
				a.Data[4*13+i] = nan
			} else {
				a.Data[i*7+4] = nan
			}
			if tb {
				b.Data[j*7+5] = inf
			} else {
				b.Data[5*35+j] = inf
			}
			if err := gemm(c, a, b, ta, tb, false); err != nil {
				t.Fatal(err)
			}
			for at, v := range c.Data {
				row, col := at/35, at%35
				finite := !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
				switch {
				case row == i && v == v:
					t.Errorf("ta=%v tb=%v bf16=%v: [%d, %d] is %v, want NaN", ta, tb, bf16, row, col, v)
				case row != i && col == j && !math.IsInf(float64(v), 0):
					t.Errorf("ta=%v tb=%v bf16=%v: [%d, %d] is %v, want an infinity", ta, tb, bf16, row, col, v)
				case row != i && col != j && !finite:
					t.Errorf("ta=%v tb=%v bf16=%v: [%d, %d] is %v", ta, tb, bf16, row, col, v)
				}
			}
		}
	})
}

// The sum of k products stays close to the exact one.
func TestGemmAccuracy(t *testing.T) {
	p := newPool(t, 2, "")
	r := rand.New(rand.NewPCG(5, 6))
	c, a, b := gemmOperands(t, r, 10, 12, 6000, false, true)
	if err := p.Gemm(c, a, b, false, true, false); err != nil {
		t.Fatal(err)
	}
	for i := range c.Rows {
		for j := range c.Cols {
			want, size := 0.0, 0.0
			for k, v := range a.At(i) {
				x := float64(v) * float64(b.At(j)[k])
				want, size = want+x, size+math.Abs(x)
			}
			if d := math.Abs(want - float64(c.At(i)[j])); d > 1e-6*size {
				t.Fatalf("[%d, %d]: off by %g of %g", i, j, d, size)
			}
		}
	}
}

func TestGemmRefuses(t *testing.T) {
	p := newPool(t, 1, "")
	for _, s := range [][3]F32{
		{newF32(2, 3), newF32(2, 4), newF32(5, 3)},
		{newF32(2, 2), newF32(2, 4), newF32(4, 3)},
		{newF32(3, 3), newF32(2, 4), newF32(4, 3)},
		{newF32(2, 3), newF32(2, 4), F32{4, 3, make([]float32, 11)}},
	} {
		if p.Gemm(s[0], s[1], s[2], false, false, false) == nil {
			t.Errorf("[%d, %d] = [%d, %d]·[%d, %d] was accepted", s[0].Rows, s[0].Cols, s[1].Rows, s[1].Cols, s[2].Rows, s[2].Cols)
		}
	}
	c := F32{2, 2, []float32{1, 2, 3, 4}}
	if err := p.Gemm(c, newF32(2, 0), newF32(0, 2), false, false, true); err != nil || c.Data[3] != 4 {
		t.Errorf("k = 0 and add: %v, %v", c.Data, err)
	}
	if err := p.Gemm(c, newF32(2, 0), newF32(0, 2), false, false, false); err != nil || c.Data[3] != 0 {
		t.Errorf("k = 0: %v, %v", c.Data, err)
	}
}
