package optim

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/internal/testdata"
)

func newPool(t testing.TB, threads int, variant string) *kernel.Pool {
	t.Helper()
	p, err := kernel.New(kernel.Options{Threads: threads, Variant: variant})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// trace is a golden run of PyTorch's optimizers: the gradients that it recorded
// drive ours.
type trace struct {
	Optimizer string
	LR        float64
	Decay     float64 `json:"weight_decay"`
	Betas     [2]float64
	Eps       float64
	Clip      float64 `json:"clip_grad_norm"`
	Params    map[string][]int
	Steps     []struct {
		Norm float64 `json:"grad_norm"`
	}
}

func TestGoldens(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(testdata.Shared(t, "goldens", "train"), "*"))
	if err != nil || len(dirs) < 8 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			kerneltest.Variants(t, kernel.Variants(), func(t *testing.T, variant string) {
				runTrace(t, newPool(t, 2, variant), dir)
			})
		})
	}
}

func runTrace(t *testing.T, p *kernel.Pool, dir string) {
	var info trace
	text, err := os.ReadFile(filepath.Join(dir, "info.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &info); err != nil {
		t.Fatal(err)
	}
	rec := testdata.NPZ(t, filepath.Join(dir, "trace.npz"))
	var params []Param
	n := 0
	for name := range info.Params {
		size := rec["step0.param."+name].Len()
		params = append(params, Param{Name: name, Rows: size, Cols: 1, Off: n})
		n += size
	}
	groups, err := Groups(params, Rules{DecayVectors: true})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Beta1: info.Betas[0], Beta2: info.Betas[1], Eps: info.Eps, Decay: info.Decay, Decoupled: info.Optimizer == "adamw"}
	w, grad, s := initial(t, dir, params, n), make([]float32, n), NewState(0, n)
	for i, step := range info.Steps {
		for _, p := range params {
			copy(grad[p.Off:], rec[fmt.Sprintf("step%d.grad.%s", i, p.Name)].F32)
		}
		norm := Norm(p, grad, groups)
		if math.Abs(norm-step.Norm) > 2e-6*norm {
			t.Errorf("step %d: norm %g, want %g", i, norm, step.Norm)
		}
		o.Step(p, s, w, grad, groups, Update{LR: info.LR, Scale: Clip(norm, info.Clip)})
		for _, p := range params {
			loose := rec["loose."+p.Name]
			for j, want := range rec[fmt.Sprintf("step%d.param.%s", i, p.Name)].F32 {
				limit := 1e-6
				if loose != nil && loose.U8[j] != 0 {
					limit = 2 * info.LR * float64(i+1)
				}
				if d := math.Abs(float64(w[p.Off+j] - want)); !(d <= limit) {
					t.Fatalf("step %d: %s[%d] is %v, want %v", i, p.Name, j, w[p.Off+j], want)
				}
			}
		}
	}
}

// A rank that owns a range of the parameters does what one owner of all does, for
// any number of threads.
func TestRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	n := 3*Block + 777
	w, grad := make([]float32, n), make([]float32, n)
	for i := range w {
		w[i], grad[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	groups := []Group{{Lo: 0, Hi: 1000, Frozen: true}, {Lo: 1000, Hi: 2 * Block, Decay: true}, {Lo: 2*Block + 5, Hi: n}}
	o, u := Options{Decoupled: true, Decay: 0.1}, Update{LR: 0.01, Scale: 0.5}
	whole := slices.Clone(w)
	norm := Norm(newPool(t, 1, ""), grad, groups)
	o.Step(newPool(t, 1, ""), NewState(0, n), whole, grad, groups, u)
	p := newPool(t, 3, "")
	parts := slices.Clone(w)
	sums := make([]float64, Blocks(n))
	for _, b := range [][2]int{{2, 4}, {0, 2}} {
		lo, hi := b[0]*Block, min(b[1]*Block, n)
		o.Step(p, NewState(lo, hi), parts, grad, groups, u)
		Squares(p, sums[b[0]:b[1]], grad, groups, b[0], b[1])
	}
	if !slices.Equal(whole, parts) {
		t.Error("the ranges give other parameters")
	}
	if got := Root(sums); got != norm {
		t.Errorf("norm of the ranges %v, of all %v", got, norm)
	}
	if !slices.Equal(parts[:1000], w[:1000]) || !slices.Equal(parts[2*Block:2*Block+5], w[2*Block:2*Block+5]) {
		t.Error("frozen parameters changed")
	}
	want := 0.0
	for _, g := range groups[1:] {
		for _, v := range grad[g.Lo:g.Hi] {
			want += float64(v) * float64(v)
		}
	}
	if want = math.Sqrt(want); math.Abs(norm-want) > 1e-12*want {
		t.Errorf("norm %v, want %v", norm, want)
	}
}

func TestGroups(t *testing.T) {
	params := []Param{{"a.weight", 4, 4, 0}, {"a.bias", 1, 4, 16}, {"b.weight", 2, 4, 32}, {"c.weight", 2, 4, 40}}
	got, err := Groups(params, Rules{Freeze: []string{"b.*"}})
	want := []Group{{0, 16, true, false}, {16, 20, false, false}, {32, 40, true, true}, {40, 48, true, false}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = Groups(params, Rules{DecayVectors: true})
	if want = []Group{{0, 20, true, false}, {32, 48, true, false}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, pattern := range []string{"d.*", "[a"} {
		if _, err := Groups(params, Rules{Freeze: []string{pattern}}); err == nil {
			t.Errorf("freeze %q was accepted", pattern)
		}
	}
	if _, err := Groups([]Param{{"a", 2, 2, 0}, {"b", 2, 2, 3}}, Rules{}); err == nil {
		t.Error("overlapping parameters were accepted")
	}
}

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		s    Schedule
		step int
		want float64
	}{
		{Schedule{Constant, 2, 0, 4, 10}, 0, 0.5}, {Schedule{Constant, 2, 0, 4, 10}, 3, 2}, {Schedule{Constant, 2, 0, 4, 10}, 9, 2},
		{Schedule{Linear, 2, 1, 0, 10}, 0, 2}, {Schedule{Linear, 2, 1, 0, 10}, 5, 1.5}, {Schedule{Linear, 2, 1, 0, 10}, 10, 1},
		{Schedule{Cosine, 2, 0, 2, 10}, 2, 2}, {Schedule{Cosine, 2, 0, 2, 10}, 6, 1}, {Schedule{Cosine, 2, 0.5, 2, 10}, 99, 0.5},
	} {
		if got := c.s.LR(c.step); math.Abs(got-c.want) > 1e-15 || c.s.Check() != nil {
			t.Errorf("%+v: step %d has %v, want %v", c.s, c.step, got, c.want)
		}
	}
	for _, s := range []Schedule{{"cos", 1, 0, 0, 1}, {Linear, 0, 0, 0, 1}, {Linear, 1, 2, 0, 1}, {Linear, 1, 0, 2, 1}, {Linear, math.NaN(), 0, 0, 1}} {
		if s.Check() == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

// An overflow skips the step and halves the scale; Every steps without one double it.
func TestScaler(t *testing.T) {
	p, groups := newPool(t, 1, ""), []Group{{Lo: 0, Hi: 20}}
	grad := make([]float32, 20)
	s := Scaler{Scale: 1024, Every: 3}
	grad[13] = float32(math.Inf(1))
	if s.Update(Norm(p, grad, groups)) || s.Scale != 512 || s.Skipped != 1 {
		t.Errorf("after an overflow: %+v", s)
	}
	grad[13] = float32(math.NaN())
	if s.Update(Norm(p, grad, groups)) || s.Scale != 256 {
		t.Errorf("after NaN: %+v", s)
	}
	grad[13] = math.MaxFloat32
	for i := range 3 {
		if !s.Update(Norm(p, grad, groups)) || (s.Scale == 512) != (i == 2) {
			t.Errorf("after %d clean steps: %+v", i+1, s)
		}
	}
	none := Scaler{}
	if none.Update(math.NaN()) || none.Factor() != 1 || s.Factor() != 512 {
		t.Errorf("%+v, %+v", none, s)
	}
}

func TestEMA(t *testing.T) {
	avg, w := []float32{1, 2}, []float32{3, 2}
	EMA(newPool(t, 1, ""), avg, w, 0.75)
	if avg[0] != 1.5 || avg[1] != 2 {
		t.Errorf("got %v", avg)
	}
}

func TestOptionsCheck(t *testing.T) {
	if err := (Options{}).Check(); err != nil {
		t.Error(err)
	}
	for _, o := range []Options{{Beta1: 1}, {Beta2: -1}, {Eps: -1}, {Decay: -1}, {Decay: math.NaN()}} {
		if o.Check() == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if Clip(4, 1) != 1/(4+1e-6) || Clip(0.5, 1) != 1 || Clip(4, 0) != 1 {
		t.Error("clip")
	}
}

// BenchmarkStep is a step of 31.7 million parameters and the norm of their gradient.
func BenchmarkStep(b *testing.B) {
	const n = 31_700_000
	w, grad, s := make([]float32, n), make([]float32, n), NewState(0, n)
	for i := range w {
		w[i], grad[i] = 1, float32(i%100)*1e-3
	}
	groups := []Group{{Lo: 0, Hi: n, Decay: true}}
	for _, variant := range []string{"generic", ""} {
		p := newPool(b, 2, variant)
		b.Run("adamw/"+p.Variant(), func(b *testing.B) {
			b.SetBytes(7 * 4 * n)
			for b.Loop() {
				Options{Decoupled: true, Decay: 0.1}.Step(p, s, w, grad, groups, Update{LR: 1e-6, Scale: 1})
			}
		})
		b.Run("norm/"+p.Variant(), func(b *testing.B) {
			b.SetBytes(4 * n)
			for b.Loop() {
				Norm(p, grad, groups)
			}
		})
	}
}
