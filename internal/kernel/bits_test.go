package kernel

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

// TestBitsOfEveryMachine runs every operation on inputs made from integers and
// compares a hash of all output bits with a constant: amd64, arm64 and arm, with
// assembly or without, compute the same. A change here changes the logits of
// every model: it needs a reason, and a new constant.
func TestBitsOfEveryMachine(t *testing.T) {
	const want = "6813bf38bf38cc31"
	kerneltest.Variants(t, Variants(), func(t *testing.T, v string) {
		if got := hashOfEverything(t, newPool(t, 2, v)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// integerF32 has values of a few bits, the same on every machine.
func integerF32(r *rand.Rand, rows, cols int) F32 {
	m := newF32(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(r.IntN(1<<20)-1<<19) / float32(int(1)<<(17+r.IntN(8)))
	}
	return m
}

func hashOfEverything(t *testing.T, p *Pool) string {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	h := fnv.New64a()
	add := func(x []float32) {
		for _, v := range x {
			u := math.Float32bits(v)
			if v != v {
				t.Fatal("a NaN")
			}
			_, _ = h.Write([]byte{byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)})
		}
	}
	x := integerF32(r, 3, 512)
	for _, typ := range types {
		m := randomMatrix(t, r, typ, 20, 512)
		if typ.CanEncode() {
			if err := quant.Encode(typ, m.Data, integerF32(r, 20, 512).Data); err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []Fuse{{}, {Precise: true}} {
			y := newF32(3, 20)
			if err := p.MatMul([]F32{y}, x, []quant.Matrix{m}, f); err != nil {
				t.Fatal(err)
			}
			add(y.Data)
		}
	}
	for _, typ := range []quant.Type{quant.F32, quant.F16, quant.Q8_0} {
		s := newSequence(t, p, r, typ, 2, 32, 300, 300)
		k := integerF32(r, 300, 64)
		if err := p.StoreKV(k, integerF32(r, 300, 64), s.at(0, 300)); err != nil {
			t.Fatal(err)
		}
		q, y := integerF32(r, 5, 128), newF32(5, 128)
		if err := p.Attend(y, q, []KVPages{s.at(295, 5)}, Mask{Scale: 0.125, QHeads: 4}); err != nil {
			t.Fatal(err)
		}
		add(y.Data)
	}
	table := NewRopeTable(InvFreqs(1e6, 64), 1)
	table.Grow(5000)
	add(table.Cos)
	add(table.Sin)
	if err := p.RoPE(x, 64, 64, []int32{3, 77, 4999}, table, true); err != nil {
		t.Fatal(err)
	}
	add(x.Data)
	for _, a := range []Act{SiLU, GELU, GELUTanh} {
		y := newF32(3, 512)
		p.Act(y, x, a)
		add(y.Data)
	}
	w, y := integerF32(r, 1, 512).Data, newF32(3, 512)
	p.RMSNorm(y, x, w, 1e-6)
	add(y.Data)
	p.LayerNorm(y, x, w, w, 1e-5)
	add(y.Data)
	p.Softmax(y)
	add(y.Data)
	return fmt.Sprintf("%016x", h.Sum64())
}
