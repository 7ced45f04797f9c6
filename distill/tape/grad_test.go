package tape

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// f32Matrix is a matrix with the given values.
func f32Matrix(t testing.TB, rows, cols int, x []float32) quant.Matrix {
	t.Helper()
	b := make([]byte, 4*len(x))
	if err := quant.Encode(quant.F32, b, x); err != nil {
		t.Fatal(err)
	}
	return quant.Matrix{Type: quant.F32, Rows: rows, Cols: cols, Data: b}
}

// shape is the weight of a case.
type shape struct{ rows, cols int }

// opCase is a small graph whose every gradient is compared.
type opCase struct {
	name    string
	x       shape // the input
	weights []shape
	views   []backend.KVView
	graph   func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor
}

var (
	ids  = []int32{3, 0, 3, 1, 2, 3}
	some = []int32{0, 2, 5}
)

func rope(neox bool) *backend.Rope {
	r := backend.NewRope([]float64{1, 0.3}, 1.25, neox)
	r.Grow(16)
	return r
}

func attention(heads, kv, dim, window int) func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
	return func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		q, k, v := o.QKV(x, [3]backend.Weight{w[0], w[1], w[2]}, [3]backend.Weight{w[3], nil, w[4]})
		o.StoreKV(0, k, v, o.In().Views)
		return o.Attend(0, q, k, v, o.In().Views, backend.Mask{Scale: 0.4, QHeads: heads, Window: window})
	}
}

func causal(n ...int) (v []backend.KVView) {
	for _, n := range n {
		v = append(v, backend.KVView{N: n, Causal: true})
	}
	return v
}

var opCases = []opCase{
	{name: "embed", x: shape{6, 3}, weights: []shape{{4, 3}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Mul(o.Embed(w[0], o.In().IDs), x)
	}},
	{name: "rows", x: shape{6, 3}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.Rows(x, o.In().Rows)
	}},
	{name: "rmsnorm", x: shape{70, 19}, weights: []shape{{1, 19}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.RMSNorm(x, w[0], 1e-5)
	}},
	{name: "layernorm", x: shape{70, 19}, weights: []shape{{1, 19}, {1, 19}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.LayerNorm(x, w[0], w[1], 1e-5)
	}},
	{name: "headnorm", x: shape{5, 12}, weights: []shape{{1, 4}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.HeadNorm(x, 4, w[0], 1e-5)
	}},
	{name: "linear", x: shape{6, 5}, weights: []shape{{7, 5}, {1, 7}, {3, 7}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Linear(o.Linear(x, w[0], w[1]), w[2], nil)
	}},
	{name: "linear of a norm", x: shape{66, 5}, weights: []shape{{1, 5}, {7, 5}, {1, 7}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		n := o.RMSNorm(o.RMSNorm(x, w[0], 1e-5), w[0], 1e-5)
		return o.Linear(n, w[1], w[2])
	}},
	{name: "one weight twice", x: shape{6, 5}, weights: []shape{{5, 5}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Linear(o.Act(o.Linear(x, w[0], nil), backend.GELU), w[0], nil)
	}},
	{name: "gate up silu", x: shape{6, 5}, weights: []shape{{7, 5}, {7, 5}, {1, 7}, {3, 7}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Linear(o.GateUp(x, w[0], w[1], [2]backend.Weight{nil, w[2]}, backend.SiLU), w[3], nil)
	}},
	{name: "gate up gelu", x: shape{6, 5}, weights: []shape{{7, 5}, {7, 5}, {1, 7}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.GateUp(x, w[0], w[1], [2]backend.Weight{w[2], nil}, backend.GELU)
	}},
	{name: "rope halves", x: shape{6, 12}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.RoPE(x, 6, rope(true))
	}},
	{name: "rope pairs after a norm", x: shape{6, 12}, weights: []shape{{1, 6}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.RoPE(o.HeadNorm(x, 6, w[0], 1e-5), 6, rope(false))
	}},
	{name: "attend", x: shape{9, 6}, weights: []shape{{8, 6}, {8, 6}, {8, 6}, {1, 8}, {1, 8}}, views: causal(9), graph: attention(2, 2, 4, 0)},
	{name: "attend groups", x: shape{150, 6}, weights: []shape{{16, 6}, {8, 6}, {8, 6}, {1, 16}, {1, 8}}, views: causal(70, 3, 77), graph: attention(4, 2, 4, 0)},
	{name: "attend window", x: shape{150, 6}, weights: []shape{{16, 6}, {4, 6}, {4, 6}, {1, 16}, {1, 4}}, views: causal(150), graph: attention(4, 1, 4, 21)},
	{name: "attend both ways", x: shape{90, 6}, weights: []shape{{16, 6}, {16, 6}, {16, 6}, {1, 16}, {1, 16}}, views: []backend.KVView{{N: 67}, {N: 20, Causal: true}, {N: 3}}, graph: attention(1, 1, 16, 0)},
	{name: "add", x: shape{6, 5}, weights: []shape{{1, 5}, {5, 5}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		h := o.Add(x, o.Linear(o.RMSNorm(x, w[0], 1e-5), w[1], nil))
		return o.Add(h, o.Linear(o.RMSNorm(h, w[0], 1e-5), w[1], nil))
	}},
	{name: "mul", x: shape{6, 5}, weights: []shape{{5, 5}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		y := o.Linear(x, w[0], nil)
		return o.Mul(y, x)
	}},
	{name: "silu", x: shape{6, 50}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.Act(x, backend.SiLU)
	}},
	{name: "gelu", x: shape{6, 50}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.Act(x, backend.GELU)
	}},
	{name: "gelu tanh, then a matrix", x: shape{6, 5}, weights: []shape{{3, 5}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Linear(o.Act(x, backend.GELUTanh), w[0], nil)
	}},
	{name: "softmax", x: shape{6, 5}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.Softmax(x)
	}},
	{name: "mul rows", x: shape{6, 5}, weights: []shape{{1, 5}, {5, 5}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		s := o.Act(o.Linear(x, w[0], nil), backend.Sigmoid)
		return o.Mul(o.Linear(x, w[1], nil), s)
	}},
	{name: "tanh and quick gelu", x: shape{6, 50}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.Act(o.Act(x, backend.QuickGELU), backend.Tanh)
	}},
	{name: "pool mean", x: shape{90, 6}, views: []backend.KVView{{N: 67}, {N: 20}, {N: 3}}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.Pool(o.Act(x, backend.Tanh), o.In().Views, true)
	}},
	{name: "pool first", x: shape{9, 6}, views: []backend.KVView{{N: 1}, {N: 5}, {N: 3}}, graph: func(o backend.Ops, x backend.Tensor, _ []backend.Weight) backend.Tensor {
		return o.Pool(o.Act(x, backend.Tanh), o.In().Views, false)
	}},
	{name: "experts", x: shape{9, 5}, weights: []shape{{4, 5}, {4 * 3, 5}, {4 * 3, 5}, {4 * 5, 3}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Experts(x, o.Linear(x, w[0], nil), &backend.Experts{Gate: w[1], Up: w[2], Down: w[3], Used: 2, Act: backend.SiLU})
	}},
	{name: "experts of sum 1", x: shape{9, 5}, weights: []shape{{4, 5}, {4 * 3, 5}, {4 * 3, 5}, {4 * 5, 3}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Experts(x, o.Linear(x, w[0], nil), &backend.Experts{Gate: w[1], Up: w[2], Down: w[3], Used: 3, Norm: true, Act: backend.SiLU})
	}},
	{name: "experts of one matrix", x: shape{9, 5}, weights: []shape{{3, 5}, {3 * 5, 5}, {1, 3 * 5}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		return o.Experts(x, o.Linear(x, w[0], nil), &backend.Experts{Down: w[1], Bias: w[2], Used: 2})
	}},
	{name: "layers", x: shape{6, 5}, weights: []shape{{5, 5}, {1, 5}}, graph: func(o backend.Ops, x backend.Tensor, w []backend.Weight) backend.Tensor {
		for i := range 3 {
			x = o.Layer(i, x, func(o backend.Ops, _ int, x backend.Tensor) backend.Tensor {
				return o.Add(x, o.Linear(o.RMSNorm(x, w[1], 1e-5), w[0], nil))
			})
		}
		return x
	}},
}

// run is one case on a device: the weights, the inputs, and the graph.
func (c *opCase) inputs(x []float32) *backend.Inputs {
	in := &backend.Inputs{IDs: ids, Rows: some, Views: c.views, Embeds: backend.Tensor{Rows: c.x.rows, Cols: c.x.cols, Data: x}}
	for _, v := range c.views {
		for p := range v.N {
			in.Positions = append(in.Positions, int32(p))
		}
	}
	if c.views == nil {
		in.Positions = []int32{0, 1, 2, 0, 1, 9}
	}
	return in
}

func randoms(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// loss is Σ c·y over the graph's result on the oracle.
func (c *opCase) loss(o *oracle, in *backend.Inputs, w []backend.Weight, coef []float32) float64 {
	out, _ := o.Step(backend.StepKey{}, in, func(ops backend.Ops) ([]backend.Tensor, error) {
		return []backend.Tensor{c.graph(ops, ops.Input(), w)}, nil
	})
	sum := 0.0
	for i, y := range o.num(out[0]) {
		sum += y * float64(coef[i])
	}
	return sum
}

// TestGradients: each operation's gradients against central differences of a
// float64 implementation, for every weight and for the input.
func TestGradients(t *testing.T) {
	for _, variant := range kernel.Variants() {
		pool, err := kernel.New(kernel.Options{Threads: 2, Variant: variant})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range opCases {
			for _, recompute := range []bool{false, true} {
				t.Run(fmt.Sprint(variant, "/", c.name, "/", recompute), func(t *testing.T) { testGradients(t, pool, c, recompute) })
			}
		}
		pool.Close()
	}
}

func testGradients(t *testing.T, pool *kernel.Pool, c opCase, recompute bool) {
	r := rand.New(rand.NewPCG(1, 2))
	dev, ora := New(pool, Options{InputGrad: true, Recompute: recompute}), &oracle{}
	var w, ow []backend.Weight
	for i, s := range c.weights {
		m := f32Matrix(t, s.rows, s.cols, randoms(r, s.rows*s.cols))
		a, err := dev.Weight(fmt.Sprint("w", i), m)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ora.Weight(fmt.Sprint("w", i), m)
		if err != nil {
			t.Fatal(err)
		}
		w, ow = append(w, a), append(ow, b)
	}
	x := randoms(r, c.x.rows*c.x.cols)
	ora.embeds = wide(x)
	in := c.inputs(x)
	out, err := dev.Step(backend.StepKey{}, in, func(o backend.Ops) ([]backend.Tensor, error) {
		return []backend.Tensor{c.graph(o, o.Input(), w)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	coef := randoms(r, len(out[0].Data))
	c.loss(ora, in, ow, coef)
	for i, y := range ora.t[len(ora.t)-1] {
		if d := math.Abs(y - float64(out[0].Data[i])); !(d < 2e-5*(1+math.Abs(y))) {
			t.Fatalf("output %d: %v, want %v", i, out[0].Data[i], y)
		}
	}
	g, err := dev.Grad(out[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range coef {
		g[i] += f
	}
	p, err := dev.Params()
	if err != nil {
		t.Fatal(err)
	}
	grad := make([]float32, len(p.Flat))
	if err := dev.Backward(grad); err != nil {
		t.Fatal(err)
	}
	if dev.ops.mem.used != 0 {
		t.Errorf("%d floats still in use", dev.ops.mem.used)
	}
	check := func(label string, at []float64, got []float32) {
		t.Helper()
		step := 1 + len(at)/60 // of large inputs a sample
		size := 1.0
		for _, f := range got {
			size = max(size, math.Abs(float64(f)))
		}
		for i := 0; i < len(at); i += step {
			const h = 1e-5
			old := at[i]
			at[i] = old + h
			up := c.loss(ora, in, ow, coef)
			at[i] = old - h
			down := c.loss(ora, in, ow, coef)
			at[i] = old
			want := (up - down) / (2 * h)
			if d := math.Abs(want - float64(got[i])); !(d < 2e-5*size) {
				t.Errorf("%s: gradient %d of %d is %v, want %v", label, i, len(at), got[i], want)
				return
			}
		}
	}
	check("input", ora.embeds, dev.InputGrad())
	for i := range w {
		check(fmt.Sprint("weight ", i), ora.w[i].x, p.Of(grad, i))
	}
}
