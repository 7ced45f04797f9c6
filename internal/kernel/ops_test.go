package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/quant"
)

func TestNormsAndActivations(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for threads := 1; threads <= 3; threads++ {
		p := newPool(t, threads, "")
		for _, shape := range [][2]int{{0, 8}, {1, 1}, {1, 896}, {40, 172}} {
			x, w, b := randomF32(r, shape[0], shape[1]), randomF32(r, 1, shape[1]).Data, randomF32(r, 1, shape[1]).Data
			y, z, s, g, want := newF32(x.Rows, x.Cols), newF32(x.Rows, x.Cols), newF32(x.Rows, x.Cols), newF32(x.Rows, x.Cols), make([]float32, x.Cols)
			p.RMSNorm(y, x, w, 1e-6)
			p.LayerNorm(z, x, w, b, 1e-6)
			copy(s.Data, x.Data)
			p.Softmax(s)
			p.Act(g, x, SiLU)
			for i := range x.Rows {
				ref.RMSNorm(want, x.At(i), w, 1e-6)
				equalBits(t, "rmsnorm", y.At(i), want)
				ref.LayerNorm(want, x.At(i), w, b, 1e-6)
				equalBits(t, "layernorm", z.At(i), want)
				copy(want, x.At(i))
				ref.Softmax(want)
				equalBits(t, "softmax", s.At(i), want)
				for j, v := range x.At(i) {
					want[j] = ref.SiLU(v)
				}
				equalBits(t, "silu", g.At(i), want)
			}
			sum, product := newF32(x.Rows, x.Cols), newF32(x.Rows, x.Cols)
			copy(sum.Data, y.Data)
			copy(product.Data, y.Data)
			p.Add(sum, x)
			p.Mul(product, x)
			for i, v := range x.Data {
				if sum.Data[i] != y.Data[i]+v || product.Data[i] != y.Data[i]*v {
					t.Fatalf("value %d: sum %v, product %v of %v and %v", i, sum.Data[i], product.Data[i], y.Data[i], v)
				}
			}
			p.RMSNorm(x, x, w, 1e-6)
			equalBits(t, "rmsnorm in place", x.Data, y.Data)
		}
	}
}

func TestRMSNormHeads(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	p := newPool(t, 2, "")
	x, w, y, want := randomF32(r, 3, 24), randomF32(r, 1, 8).Data, newF32(3, 24), make([]float32, 8)
	p.RMSNormHeads(y, x, 8, w, 1e-6)
	for h := range 9 {
		ref.RMSNorm(want, x.Data[h*8:h*8+8], w, 1e-6)
		equalBits(t, "head", y.Data[h*8:h*8+8], want)
	}
}

func TestRoPE(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	p := newPool(t, 2, "")
	table := NewRopeTable(InvFreqs(10000, 6), 1)
	table.Grow(10)
	before := append([]float32(nil), table.Cos[:30]...)
	table.Grow(200)
	equalBits(t, "grown table", table.Cos[:30], before)
	positions := []int32{0, 7, 199}
	for _, neox := range []bool{true, false} {
		x := randomF32(r, 3, 16) // two heads of 8, of which 6 turn
		got := F32{3, 16, append([]float32(nil), x.Data...)}
		if err := p.RoPE(got, 8, 6, positions, table, neox); err != nil {
			t.Fatal(err)
		}
		for row, pos := range positions {
			for h := range 2 {
				in, out := x.At(row)[8*h:8*h+8], got.At(row)[8*h:8*h+8]
				want := append([]float64(nil), 0, 0, 0, 0, 0, 0, float64(in[6]), float64(in[7]))
				for i := range 3 {
					a, b := i, i+3
					if !neox {
						a, b = 2*i, 2*i+1
					}
					s, c := math.Sincos(float64(pos) * math.Pow(10000, -float64(2*i)/6))
					want[a] = float64(in[a])*c - float64(in[b])*s
					want[b] = float64(in[a])*s + float64(in[b])*c
				}
				for d := range want {
					if math.Abs(float64(out[d])-want[d]) > 1e-6 {
						t.Fatalf("neox %v position %d head %d value %d: got %v, want %v", neox, pos, h, d, out[d], want[d])
					}
				}
			}
		}
	}
	for _, bad := range []int32{-1, int32(table.Len())} {
		if err := p.RoPE(newF32(1, 8), 8, 6, []int32{bad}, table, true); err == nil {
			t.Errorf("position %d: no error", bad)
		}
	}
	if err := p.RoPE(newF32(1, 8), 8, 8, []int32{0}, table, true); err == nil {
		t.Error("8 values with 3 frequencies: no error")
	}
}

func TestEmbedRows(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	p := newPool(t, 2, "")
	for _, typ := range types {
		m := randomMatrix(t, r, typ, 9, 256)
		ids := []int32{8, 0, 3, 3}
		y, want := newF32(4, 256), make([]float32, 256)
		if err := p.EmbedRows(y, m, ids); err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			if err := m.DecodeRow(want, int(id)); err != nil {
				t.Fatal(err)
			}
			equalBits(t, typ.String(), y.At(i), want)
		}
		for _, id := range []int32{-1, 9} {
			if err := p.EmbedRows(newF32(1, 256), m, []int32{id}); err == nil {
				t.Errorf("id %d: no error", id)
			}
		}
	}
	if err := p.EmbedRows(newF32(1, 256), quant.Matrix{Type: quant.IQ1_S, Rows: 1, Cols: 256}, []int32{0}); err == nil {
		t.Error("IQ1_S: no error")
	}
}

func TestNoAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	p := newPool(t, 2, "")
	seq := newSequence(t, p, r, quant.F16, 2, 64, 300, 300)
	x, norm := randomF32(r, 3, 256), randomF32(r, 1, 256).Data
	w := []quant.Matrix{randomMatrix(t, r, quant.Q8_0, 200, 256), randomMatrix(t, r, quant.Q4_K, 200, 256), randomMatrix(t, r, quant.F16, 200, 256)}
	y := []F32{newF32(3, 200), newF32(3, 200), newF32(3, 200)}
	q, o, kv := randomF32(r, 3, 256), newF32(3, 256), randomF32(r, 3, 128)
	seqs := []KVPages{seq.at(297, 3)}
	table := NewRopeTable(InvFreqs(1e6, 64), 1)
	table.Grow(10)
	pos, ids := []int32{1, 2, 3}, []int32{1, 2, 3}
	for name, f := range map[string]func(){
		"matmul":  func() { _ = p.MatMul(y, x, w, Fuse{}) },
		"gate-up": func() { _ = p.MatMul(y[:1], x, w[:2], Fuse{GateUp: SiLU}) },
		"precise": func() { _ = p.MatMul(y, x, w, Fuse{Precise: true}) },
		"attend":  func() { _ = p.Attend(o, q, seqs, Mask{1, 0, 4}) },
		"store":   func() { _ = p.StoreKV(kv, kv, seqs[0]) },
		"normed": func() {
			_ = p.MatMul(y, q, w, Fuse{Acts: p.RMSNormActs(q, x, norm, 1e-6)})
		},
		"rmsnorm": func() { p.RMSNorm(o, x, norm, 1e-6) },
		"heads":   func() { p.RMSNormHeads(o, x, 64, norm[:64], 1e-6) },
		"rope":    func() { _ = p.RoPE(o, 64, 64, pos, table, true) },
		"add":     func() { p.Add(o, x) },
		"act":     func() { p.Act(o, x, GELU) },
		"embed":   func() { _ = p.EmbedRows(o, w[0], ids) },
	} {
		// A worker takes its scratch when it first gets a share, which on a busy
		// machine may be late: what must be zero is the steady state.
		n := testing.AllocsPerRun(20, f)
		for try := 0; n != 0 && try < 10; try++ {
			n = testing.AllocsPerRun(20, f)
		}
		if n != 0 {
			t.Errorf("%s: %v allocations per call", name, n)
		}
	}
}
