package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/quant"
)

// types are all types that weights may have.
var types = []quant.Type{quant.F32, quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1,
	quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.Q8_K, quant.IQ4_NL, quant.IQ4_XS, quant.TQ1_0, quant.TQ2_0}

func randomF32(r *rand.Rand, rows, cols int) F32 {
	m := F32{rows, cols, make([]float32, rows*cols)}
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

// randomMatrix has random codes and small finite scales.
func randomMatrix(t testing.TB, r *rand.Rand, typ quant.Type, rows, cols int) quant.Matrix {
	t.Helper()
	n, ok := typ.RowBytes(cols)
	if !ok {
		t.Fatalf("%v with %d columns", typ, cols)
	}
	data := make([]byte, rows*n)
	if typ.CanEncode() {
		if err := quant.Encode(typ, data, randomF32(r, rows, cols).Data); err != nil {
			t.Fatal(err)
		}
	} else {
		for i := range data { // halves and floats of random bytes are finite below exponent 31
			data[i] = byte(r.Uint32()) &^ 0x40
		}
	}
	m, err := quant.NewMatrix(typ, rows, cols, data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newF32(rows, cols int) F32 { return F32{rows, cols, make([]float32, rows*cols)} }

func equalBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: value %d: got %x, want %x", what, i, got[i], want[i])
		}
	}
}

// specMatMul is the definition: one dot product of arm/ref at a time.
func specMatMul(t *testing.T, x F32, m quant.Matrix, precise bool) F32 {
	t.Helper()
	y := newF32(x.Rows, m.Rows)
	for i := range x.Rows {
		for j := range m.Rows {
			if integer, _ := ref.Integer(m.Type); integer && !precise {
				var a ref.Act
				var u ref.Row
				a.Quantize(x.At(i))
				u.Unpack(m.Type, m.Row(j))
				y.Data[i*m.Rows+j] = u.Spec(&a)
				continue
			}
			row := make([]float32, m.Cols)
			if err := quant.Decode(m.Type, row, m.Row(j)); err != nil {
				t.Fatal(err)
			}
			var w ref.Wide
			w.Widen(x.At(i))
			y.Data[i*m.Rows+j] = ref.Dot(row, ref.MinExp(row), &w)
		}
	}
	return y
}

func TestMatMulIsSpec(t *testing.T) {
	threads := []int{1, 2, 3}
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(1, 1))
		pools := make([]*Pool, len(threads))
		for i, n := range threads {
			pools[i] = newPool(t, n, v)
		}
		for _, typ := range types {
			cols := 256
			if typ.Block() == 1 {
				cols = 172
			}
			for _, shape := range [][2]int{{1, 1}, {1, 77}, {5, 9}, {3, 300}, {37, 70}} {
				x, m := randomF32(r, shape[0], cols), randomMatrix(t, r, typ, shape[1], cols)
				for _, precise := range []bool{false, true} {
					want := specMatMul(t, x, m, precise)
					for _, p := range pools {
						y := newF32(x.Rows, m.Rows)
						if err := p.MatMul([]F32{y}, x, []quant.Matrix{m}, Fuse{Precise: precise}); err != nil {
							t.Fatal(err)
						}
						equalBits(t, typ.String(), y.Data, want.Data)
					}
				}
			}
		}
	})
}

// TestMatMulBatch: a row's result does not depend on the rows beside it nor on
// the matrices of the call.
func TestMatMulBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	p := newPool(t, 2, "")
	x := randomF32(r, 37, 512)
	w := []quant.Matrix{randomMatrix(t, r, quant.Q4_K, 70, 512), randomMatrix(t, r, quant.F16, 33, 512), randomMatrix(t, r, quant.Q8_0, 130, 512)}
	whole := []F32{newF32(37, 70), newF32(37, 33), newF32(37, 130)}
	if err := p.MatMul(whole, x, w, Fuse{}); err != nil {
		t.Fatal(err)
	}
	for row := range x.Rows {
		for i, m := range w {
			y := newF32(1, m.Rows)
			if err := p.MatMul([]F32{y}, Row(x.At(row)), w[i:i+1], Fuse{}); err != nil {
				t.Fatal(err)
			}
			equalBits(t, m.Type.String(), y.Data, whole[i].At(row))
		}
	}
}

func TestMatMulFuse(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	p := newPool(t, 2, "")
	for _, tokens := range []int{1, 4} {
		x := randomF32(r, tokens, 256)
		w := []quant.Matrix{randomMatrix(t, r, quant.Q8_0, 100, 256), randomMatrix(t, r, quant.Q6_K, 100, 256)}
		bias := [][]float32{randomF32(r, 1, 100).Data, nil}
		plain := []F32{newF32(tokens, 100), newF32(tokens, 100)}
		if err := p.MatMul(plain, x, w, Fuse{}); err != nil {
			t.Fatal(err)
		}
		biased := []F32{newF32(tokens, 100), newF32(tokens, 100)}
		if err := p.MatMul(biased, x, w, Fuse{Bias: bias}); err != nil {
			t.Fatal(err)
		}
		for i := range plain[0].Data {
			plain[0].Data[i] += bias[0][i%100]
		}
		equalBits(t, "bias", biased[0].Data, plain[0].Data)
		equalBits(t, "no bias", biased[1].Data, plain[1].Data)
		for a, f := range map[Act]func(float32) float32{SiLU: ref.SiLU, GELU: ref.GELU, GELUTanh: ref.GELUTanh} {
			y, want := newF32(tokens, 100), newF32(tokens, 100)
			if err := p.MatMul([]F32{y}, x, w, Fuse{Bias: bias, GateUp: a}); err != nil {
				t.Fatal(err)
			}
			for i := range want.Data {
				want.Data[i] = f(plain[0].Data[i]) * plain[1].Data[i]
			}
			equalBits(t, "gate-up", y.Data, want.Data)
		}
	}
}

// TestNormActs: a product of a norm's codes is the product of its result, taken or
// made again.
func TestNormActs(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(6, 6))
		p := newPool(t, 2, v)
		for _, cols := range []int{256, 768, 4864} {
			for _, tokens := range []int{0, 1, 5, 64} {
				x, norm := randomF32(r, tokens, cols), randomF32(r, 1, cols).Data
				w := []quant.Matrix{randomMatrix(t, r, quant.Q8_0, 20, cols), randomMatrix(t, r, quant.Q8_K, 20, cols), randomMatrix(t, r, quant.F16, 20, cols), randomMatrix(t, r, quant.Q2_K, 20, cols)}
				product := func(x F32, acts uint64) (y []F32) {
					for range w {
						y = append(y, newF32(tokens, 20))
					}
					if err := p.MatMul(y, x, w, Fuse{Acts: acts}); err != nil {
						t.Fatal(err)
					}
					return y
				}
				n := newF32(tokens, cols)
				p.RMSNorm(n, x, norm, 1e-6)
				want, twice := product(n, 0), newF32(tokens, cols)
				for i := range n.Data {
					twice.Data[i] = n.Data[i] + n.Data[i]
				}
				for name, f := range map[string]func() ([]F32, []F32){
					"taken": func() ([]F32, []F32) {
						y := newF32(tokens, cols)
						acts := p.RMSNormActs(y, x, norm, 1e-6)
						if !p.holds(acts, y) {
							t.Error("the codes are lost")
						}
						equalBits(t, "norm", y.Data, n.Data)
						return product(y, acts), want
					},
					"used twice": func() ([]F32, []F32) {
						y := newF32(tokens, cols)
						acts := p.RMSNormActs(y, x, norm, 1e-6)
						_ = product(y, acts)
						if tokens > 0 && p.holds(acts, y) {
							t.Error("the codes outlive a job")
						}
						return product(y, acts), want
					},
					"written by a call": func() ([]F32, []F32) {
						y := newF32(tokens, cols)
						acts := p.RMSNormActs(y, x, norm, 1e-6)
						p.Add(y, n)
						return product(y, acts), product(twice, 0)
					},
					"another call's": func() ([]F32, []F32) {
						y := newF32(tokens, cols)
						acts := p.RMSNormActs(y, x, norm, 1e-6)
						p.RMSNormActs(newF32(1, cols), randomF32(r, 1, cols), norm, 1e-6)
						return product(y, acts), want
					},
				} {
					got, want := f()
					for i := range got {
						equalBits(t, name+", "+w[i].Type.String(), got[i].Data, want[i].Data)
					}
				}
			}
		}
		x := randomF32(r, 2, 256)
		x.Data[300] = float32(math.Inf(1))
		y, m := newF32(2, 256), randomMatrix(t, r, quant.F16, 3, 256)
		acts := p.RMSNormActs(y, x, randomF32(r, 1, 256).Data, 1e-6)
		if err := p.MatMul([]F32{newF32(2, 3)}, y, []quant.Matrix{m}, Fuse{Acts: acts}); err == nil || !strings.Contains(err.Error(), "row 1") {
			t.Errorf("a norm that is not finite: %v", err)
		}
	})
}

func TestMatMulErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	p := newPool(t, 2, "")
	x, m := randomF32(r, 2, 64), randomMatrix(t, r, quant.Q8_0, 8, 64)
	nan, inf := randomF32(r, 2, 64), randomF32(r, 2, 64)
	nan.Data[64+7], inf.Data[3] = float32(math.NaN()), float32(math.Inf(-1))
	short := m
	short.Data = short.Data[1:]
	for _, c := range []struct {
		name string
		y    []F32
		x    F32
		w    []quant.Matrix
		f    Fuse
		want string
	}{
		{"nan", []F32{newF32(2, 8)}, nan, []quant.Matrix{m}, Fuse{}, "row 1, column 7 is NaN"},
		{"inf precise", []F32{newF32(2, 8)}, inf, []quant.Matrix{m}, Fuse{Precise: true}, "row 0, column 3 is -Inf"},
		{"output rows", []F32{newF32(1, 8)}, x, []quant.Matrix{m}, Fuse{}, "output 0"},
		{"output cols", []F32{newF32(2, 9)}, x, []quant.Matrix{m}, Fuse{}, "output 0"},
		{"no output", nil, x, []quant.Matrix{m}, Fuse{}, "1 matrices with 0 outputs"},
		{"columns", []F32{newF32(2, 8)}, randomF32(r, 2, 32), []quant.Matrix{m}, Fuse{}, "64 columns"},
		{"data", []F32{newF32(2, 8)}, x, []quant.Matrix{short}, Fuse{}, "bytes"},
		{"type", []F32{newF32(2, 8)}, x, []quant.Matrix{{Type: quant.IQ2_S, Rows: 8, Cols: 64}}, Fuse{}, "IQ2_S"},
		{"bias", []F32{newF32(2, 8)}, x, []quant.Matrix{m}, Fuse{Bias: [][]float32{make([]float32, 7)}}, "bias"},
		{"gate alone", []F32{newF32(2, 8)}, x, []quant.Matrix{m}, Fuse{GateUp: SiLU}, "gate"},
		{"x", []F32{newF32(2, 8)}, F32{2, 64, make([]float32, 5)}, []quant.Matrix{m}, Fuse{}, "x is"},
	} {
		err := p.MatMul(c.y, c.x, c.w, c.f)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "kernel: ") {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	y := newF32(0, 8)
	if err := p.MatMul([]F32{y}, newF32(0, 64), []quant.Matrix{m}, Fuse{}); err != nil {
		t.Errorf("no rows: %v", err)
	}
}

// TestMatMulGuarded: no read beyond the weights.
func TestMatMulGuarded(t *testing.T) {
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(5, 5))
		p := newPool(t, 2, v)
		for _, typ := range types {
			m := randomMatrix(t, r, typ, 3, 256)
			g := kerneltest.Guarded(t, len(m.Data))
			copy(g, m.Data)
			m.Data = g
			for _, tokens := range []int{1, 2} {
				y := newF32(tokens, 3)
				if err := p.MatMul([]F32{y}, randomF32(r, tokens, 256), []quant.Matrix{m}, Fuse{}); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// TestMatMulGolden compares with products of the dequantized operands summed in
// float64. The golden's activations are Q8_0 blocks; decoded and quantized again
// they keep codes and scale, because each block has a code of 127.
func TestMatMulGolden(t *testing.T) {
	g := testdata.NPZ(t, testdata.Shared(t, "goldens", "quant", "matmul.npz"))
	p := newPool(t, 2, "")
	compared := 0
	for c := 0; g[fmt.Sprintf("m%d.W", c)] != nil; c++ {
		get := func(name string) *testdata.Array { return g[fmt.Sprintf("m%d.%s", c, name)] }
		x := F32{get("X").Shape[0], get("X").Shape[1], get("X").F32}
		rows := get("W").Shape[0]
		x8 := newF32(x.Rows, x.Cols)
		if err := quant.Decode(quant.Q8_0, x8.Data, get("X_Q8_0").U8); err != nil {
			t.Fatal(err)
		}
		for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.F16} {
			m, err := quant.NewMatrix(typ, rows, x.Cols, get(typ.String()+".bytes").U8)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range []struct {
				name string
				x    F32
				f    Fuse
			}{{"y_deq", x, Fuse{Precise: true}}, {"y_q8act", x8, Fuse{}}} {
				want := get(typ.String() + "." + v.name)
				if want == nil {
					continue
				}
				y := newF32(x.Rows, rows)
				if err := p.MatMul([]F32{y}, v.x, []quant.Matrix{m}, v.f); err != nil {
					t.Fatal(err)
				}
				worst := 0.0
				for i, w := range want.F32 {
					worst = max(worst, math.Abs(float64(y.Data[i]-w)))
				}
				if worst > 1e-5 {
					t.Errorf("m%d %v %s: error %g, want at most 1e-5", c, typ, v.name, worst)
				}
				compared++
			}
		}
	}
	if compared != 15 {
		t.Errorf("%d comparisons, want 15", compared)
	}
}
