package train

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model"
)

const wide = 40 // of the teacher's states

// stateTrainer trains the states after the embedding and layer 2 towards fixed ones
// through one learned matrix.
func stateTrainer(t testing.TB, f *gguf.File, threads int, kind loss.HiddenKind, o Options) *Trainer {
	t.Helper()
	pool, err := kernel.New(kernel.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	dev := tape.New(pool, tape.Options{Recompute: threads == 2})
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	proj, target := make([]float32, wide*64), make([]float32, 48*wide)
	for i := range proj {
		proj[i] = float32(r.NormFloat64() / 8)
	}
	for i := range target {
		target[i] = float32(r.NormFloat64())
	}
	raw := make([]byte, 4*len(proj))
	if err := quant.Encode(quant.F32, raw, proj); err != nil {
		t.Fatal(err)
	}
	if _, err := dev.Weight("proj", quant.Matrix{Type: quant.F32, Rows: wide, Cols: 64, Data: raw}); err != nil {
		t.Fatal(err)
	}
	p, err := dev.Params()
	if err != nil {
		t.Fatal(err)
	}
	last := len(p.Table) - 1
	h := loss.Hidden{Kind: kind, Weight: 0.5}
	o.Names, o.Chunk, o.Clip, o.Optim = []string{"loss", "hidden"}, 17, 1, optim.Options{Decoupled: true}
	o.Schedule = optim.Schedule{Shape: optim.Cosine, Peak: 1e-2}
	o.States = &States{Layers: []int{0, 2}, Loss: func(_ context.Context, b *distill.Batch, lo, hi int, x, dx []kernel.F32, grad []float32, scale float64, sums []float64) error {
		for i := range x {
			s := loss.States{Student: x[i], DStudent: dx[i], Teacher: kernel.F32{Rows: hi - lo, Cols: wide, Data: target[lo*wide : hi*wide]},
				Proj: kernel.F32{Rows: wide, Cols: 64, Data: p.Of(p.Flat, last)}, DProj: kernel.F32{Rows: wide, Cols: 64, Data: p.Of(grad, last)}}
			_, sum, err := h.Rows(pool, s, b.Next[lo:hi], scale)
			if err != nil {
				return err
			}
			sums[1] += sum
		}
		return nil
	}}
	none := func(_ context.Context, _ *distill.Batch, _, _ int, logits []float32, _ float64, _ []float64) error {
		clear(logits)
		return nil
	}
	tr, err := New(pool, dev, m, stream{}, none, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestStates: the gradient against differences of the loss, parameter by parameter;
// the same bits with any threads, layers run again or not.
func TestStates(t *testing.T) {
	f := file(t)
	b, _ := stream{}.Leaf(0, 0)
	for _, kind := range []loss.HiddenKind{loss.MSE, loss.Cosine} {
		tr := stateTrainer(t, f, 1, kind, Options{Steps: 1})
		eval := func(grad []float32) float64 {
			sums := make([]float64, 2)
			if err := tr.leaf(t.Context(), b, 1, grad, sums); err != nil {
				t.Fatal(err)
			}
			return sums[1] / 2 // the weight
		}
		p := tr.params
		grad, rest := make([]float32, len(p.Flat)), make([]float32, len(p.Flat))
		eval(grad)
		for threads := 2; threads <= 3; threads++ {
			other, g := stateTrainer(t, f, threads, kind, Options{Steps: 1}), make([]float32, len(p.Flat))
			if err := other.leaf(t.Context(), b, 1, g, make([]float64, 2)); err != nil || !slices.Equal(g, grad) {
				t.Errorf("%s: %d threads: other bits (%v)", kind, threads, err)
			}
		}
		r := rand.New(rand.NewPCG(1, 2))
		for i, e := range p.Table {
			w := p.Of(p.Flat, i)
			old, dir, dot := slices.Clone(w), make([]float64, len(w)), 0.0
			for k := range dir {
				dir[k] = r.NormFloat64()
				dot += dir[k] * float64(p.Of(grad, i)[k])
			}
			var side [2]float64
			for s, h := range []float64{2e-3, -2e-3} {
				for k := range w {
					w[k] = old[k] + float32(h*dir[k])
				}
				side[s] = eval(rest)
			}
			copy(w, old)
			// Sums of 500 are known to 1e-7 of themselves, their differences to 0.03.
			if want := (side[0] - side[1]) / 4e-3; !(math.Abs(dot-want) < 0.03+5e-3*math.Abs(want)) {
				t.Errorf("%s: %s: derivative %v, want %v", kind, e.Name, dot, want)
			}
		}
	}
}

// TestStatesTrain: the distance falls, and a run that ended goes on to the same bits,
// the learned matrix included.
func TestStatesTrain(t *testing.T) {
	f, dir := file(t), t.TempDir()
	var first, last float64
	whole := stateTrainer(t, f, 2, loss.MSE, Options{Steps: 30, Dir: dir, Every: 20, Report: func(m Metrics) {
		if last = m.Loss["hidden"]; m.Step == 1 {
			first = last
		}
	}})
	run(t, whole)
	if !(last < 0.8*first) {
		t.Errorf("distance from %v to %v", first, last)
	}
	part := stateTrainer(t, f, 3, loss.MSE, Options{Steps: 30, Dir: t.TempDir(), Every: 20})
	ctx, cancel := context.WithCancel(t.Context())
	part.opt.Report = func(m Metrics) {
		if m.Step == 25 {
			cancel()
		}
	}
	if err := part.Run(ctx); err == nil {
		t.Fatal("was not stopped")
	}
	rest := stateTrainer(t, f, 1, loss.MSE, part.opt)
	rest.opt.Report = nil
	if err := rest.Resume(); err != nil || rest.step != 20 {
		t.Fatalf("at step %d: %v", rest.step, err)
	}
	run(t, rest)
	same(t, "stopped", whole, rest)
	for _, layers := range [][]int{nil, {-1}, {3}} {
		o := whole.opt
		o.States = &States{Layers: layers, Loss: whole.opt.States.Loss}
		if _, err := New(whole.pool, whole.dev, whole.model, stream{}, hard, o); err == nil {
			t.Errorf("layers %v of 2: no error", layers)
		}
	}
}
