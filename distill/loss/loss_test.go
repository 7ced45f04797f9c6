package loss

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/distill"
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

// golden is one case of goldens/loss.
type golden struct {
	Case      string
	Params    struct{ T, Beta, Lambda, Alpha, K float64 }
	N         int       `json:"denominator"`
	LossF64   float64   `json:"loss_f64"`
	Micro     [][2]int  `json:"micro_batches"`
	MicroLoss []float64 `json:"micro_loss"`
	LossTol   float64   `json:"tolerance_loss_abs"`
	GradTol   float64   `json:"tolerance_grad_max_abs"`
}

func goldens(t *testing.T, name string) ([]golden, map[string]*testdata.Array) {
	dir := testdata.Shared(t, "goldens", "loss", name)
	var info struct{ Cases []golden }
	text, err := os.ReadFile(filepath.Join(dir, "info.json"))
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil || len(info.Cases) == 0 {
		t.Fatal(err)
	}
	return info.Cases, testdata.NPZ(t, filepath.Join(dir, "expected.npz"))
}

// spec is the loss of a golden and its targets.
func (g golden) spec(name string) Spec {
	p := g.Params
	s := Spec{Soft: 1, Temperature: p.T, Unscaled: true}
	switch name {
	case "kl_reverse":
		s.Kind = Reverse
	case "jsd":
		s.Kind, s.Beta = JSD, p.Beta
	case "skew_kl":
		s.Kind, s.Lambda = Skew, p.Lambda
	case "hinton":
		s.Soft, s.Hard, s.Unscaled = 1-p.Alpha, p.Alpha, false
	case "mlm", "nsp":
		s = Spec{Hard: 1}
	}
	return s
}

func (g golden) inputs(name string, x map[string]*testdata.Array) (logits *testdata.Array, t *distill.Targets, next []int32) {
	get := func(key string) *testdata.Array { return x[g.Case+"."+key] }
	if logits = get("student"); logits == nil {
		logits = get("logits")
	}
	vocab := logits.Shape[len(logits.Shape)-1]
	n := logits.Len() / vocab
	next = make([]int32, n)
	if labels := get("labels"); labels != nil {
		for i, v := range labels.I64 {
			next[i] = int32(max(v, -1))
		}
	} else {
		for i, v := range get("mask").U8 {
			next[i] = int32(v) - 1
		}
	}
	t = &distill.Targets{N: n, Vocab: vocab}
	if z := get("teacher"); z != nil {
		t.Dense = z.F32
	}
	if name == "topk_tail" {
		t.K, t.LogP = int(g.Params.K), get("teacher_topk_logp").F32
		for _, id := range get("teacher_topk_ids").I64 {
			t.IDs = append(t.IDs, int32(id))
		}
		for i := range n {
			p := 0.0
			for _, l := range t.LogP[i*t.K:][:t.K] {
				p += math.Exp(float64(l))
			}
			t.Tail = append(t.Tail, float32(1-p))
		}
	}
	return logits, t, next
}

// rows is a range of targets.
func rows(t *distill.Targets, lo, hi int) *distill.Targets {
	c := *t
	c.N = hi - lo
	if t.Dense != nil {
		c.Dense = t.Dense[lo*t.Vocab : hi*t.Vocab]
	}
	if t.K > 0 {
		c.IDs, c.LogP, c.Tail = t.IDs[lo*t.K:hi*t.K], t.LogP[lo*t.K:hi*t.K], t.Tail[lo:hi]
	}
	return &c
}

// Losses, gradients and the parts of micro-batches equal PyTorch's; chunks and
// threads change no bit.
func TestGoldens(t *testing.T) {
	for _, name := range []string{"kl_forward", "kl_reverse", "jsd", "skew_kl", "topk_tail", "hinton", "mlm", "nsp"} {
		t.Run(name, func(t *testing.T) {
			cases, x := goldens(t, name)
			kerneltest.Variants(t, kernel.Variants(), func(t *testing.T, variant string) {
				for _, g := range cases {
					g.run(t, name, x, newPool(t, 3, variant))
				}
			})
		})
	}
}

func (g golden) run(t *testing.T, name string, x map[string]*testdata.Array, p *kernel.Pool) {
	logits, targets, next := g.inputs(name, x)
	vocab := targets.Vocab
	l, err := New(p, g.spec(name))
	if err != nil {
		t.Fatal(err)
	}
	grad := slices.Clone(logits.F32)
	var sums Sums
	if err := l.Rows(kernel.F32{Rows: targets.N, Cols: vocab, Data: grad}, targets, next, 1/float64(g.N), &sums); err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(sums.Loss - g.LossF64); !(d <= g.LossTol) || sums.Scored != g.N {
		t.Errorf("%s: loss %v of %d, want %v of %d", g.Case, sums.Loss, sums.Scored, g.LossF64, g.N)
	}
	want := x[g.Case+".grad.student"]
	if want == nil {
		want = x[g.Case+".grad.logits"]
	}
	for i, v := range grad {
		if d := math.Abs(float64(v - want.F32[i])); !(d <= g.GradTol) || next[i/vocab] < 0 && v != 0 {
			t.Fatalf("%s: gradient %d is %v, want %v", g.Case, i, v, want.F32[i])
		}
	}
	// Micro-batches are ranges of the first axis; each goes in chunks of 2 rows.
	var all Sums
	for i, m := range g.Micro {
		each := targets.N / logits.Shape[0]
		before := all.Loss
		for lo := m[0] * each; lo < m[1]*each; lo += 2 {
			hi := min(lo+2, m[1]*each)
			part := kernel.F32{Rows: hi - lo, Cols: vocab, Data: slices.Clone(logits.F32[lo*vocab : hi*vocab])}
			if err := l.Rows(part, rows(targets, lo, hi), next[lo:hi], 1/float64(g.N), &all); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(part.Data, grad[lo*vocab:hi*vocab]) {
				t.Fatalf("%s: rows %d to %d have other bits as a chunk", g.Case, lo, hi)
			}
		}
		if d := math.Abs(all.Loss - before - g.MicroLoss[i]); !(d <= g.LossTol) {
			t.Errorf("%s: micro-batch %d: loss %v, want %v", g.Case, i, all.Loss-before, g.MicroLoss[i])
		}
	}
	if all != sums {
		t.Errorf("%s: chunks sum to %+v, all rows to %+v", g.Case, all, sums)
	}
}

// The article's loss with both reductions.
func TestArticle(t *testing.T) {
	dir := testdata.Shared(t, "goldens", "seed", "distillation")
	var info struct {
		Cases []struct {
			Case            string
			N, V            int
			T               float64
			Mean, BatchMean struct {
				Loss float64 `json:"loss_f64"`
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		t.Fatal(err)
	}
	x := testdata.NPZ(t, filepath.Join(dir, "expected.npz"))
	p := newPool(t, 2, "")
	for _, c := range info.Cases {
		for _, red := range []Reduction{Mean, BatchMean} {
			s, wantLoss := Article(red), c.Mean.Loss
			if red == BatchMean {
				wantLoss = c.BatchMean.Loss
			}
			s.Temperature = c.T
			l, err := New(p, s)
			if err != nil {
				t.Fatal(err)
			}
			var next []int32
			for _, id := range x[c.Case+".targets"].I64 {
				next = append(next, int32(id))
			}
			grad := slices.Clone(x[c.Case+".student"].F32)
			var sums Sums
			err = l.Rows(kernel.F32{Rows: c.N, Cols: c.V, Data: grad}, &distill.Targets{N: c.N, Vocab: c.V, Dense: x[c.Case+".teacher"].F32}, next, 1/float64(c.N), &sums)
			if err != nil || math.Abs(sums.Loss-wantLoss) > 1e-5*max(1, wantLoss) {
				t.Errorf("%s %s: loss %v, want %v, %v", c.Case, red, sums.Loss, wantLoss, err)
			}
			want := x[fmt.Sprintf("%s.%s.grad", c.Case, red)]
			for i, v := range grad {
				if d := math.Abs(float64(v - want.F32[i])); !(d <= 5e-6) {
					t.Fatalf("%s %s: gradient %d is %v, want %v", c.Case, red, i, v, want.F32[i])
				}
			}
		}
	}
}

// specs are all divergences, alone and with a hard part.
func specs() map[string]Spec {
	all := map[string]Spec{"hard": {Hard: 1}}
	for _, temp := range []float64{1, 2.5} {
		for name, s := range map[string]Spec{
			"forward": {}, "reverse": {Kind: Reverse}, "jsd": {Kind: JSD, Beta: 0.3}, "jsd1": {Kind: JSD, Beta: 1},
			"skew": {Kind: Skew, Lambda: 0.1}, "skew-reverse": {Kind: SkewReverse, Lambda: 0.2}, "mean": {Reduction: Mean},
		} {
			s.Soft, s.Temperature = 0.7, temp
			all[fmt.Sprintf("%s T=%g", name, temp)] = s
			s.Hard = 0.4
			all[fmt.Sprintf("%s T=%g hard", name, temp)] = s
		}
	}
	return all
}

const testVocab = 50

// teachers are the forms in which the same teacher may come, of n positions.
func teachers(r *rand.Rand, n int) map[string]*distill.Targets {
	dense := &distill.Targets{N: n, Vocab: testVocab}
	for range n * testVocab {
		dense.Dense = append(dense.Dense, float32(r.NormFloat64()*2))
	}
	full, top := sparse(dense, testVocab, 2.5), sparse(dense, 6, 2.5)
	// Ids that the student does not know end the row.
	top.IDs[5], top.LogP[5] = -1, float32(math.Inf(-1))
	return map[string]*distill.Targets{"dense": dense, "all ids": full, "top": top}
}

// sparse is the k likeliest ids of a dense teacher and its log Z at 1 and temp.
func sparse(d *distill.Targets, k int, temp float64) *distill.Targets {
	t := &distill.Targets{N: d.N, Vocab: d.Vocab, K: k, Temps: []float64{1, temp}, LogZ: make([]float32, 2*d.N)}
	for i := range d.N {
		z := d.Dense[i*d.Vocab:][:d.Vocab]
		ids := make([]int32, len(z))
		sum, top := 0.0, slices.Max(z)
		for v := range z {
			ids[v] = int32(v)
			sum += math.Exp(float64(z[v] - top))
		}
		lse := float64(top) + math.Log(sum)
		slices.SortFunc(ids, func(a, b int32) int { return int(math.Copysign(1, float64(z[b]-z[a]))) })
		tail, logz := 0.0, 0.0
		for j, v := range ids {
			lp := float64(z[v]) - lse
			logz += math.Exp(lp / temp)
			if j < k {
				t.IDs, t.LogP = append(t.IDs, v), append(t.LogP, float32(lp))
			} else {
				tail += math.Exp(lp)
			}
		}
		t.Tail, t.LogZ[d.N+i] = append(t.Tail, float32(tail)), float32(math.Log(logz))
	}
	return t
}

// Every gradient is the slope of its loss.
func TestSlope(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	p := newPool(t, 1, "")
	const n = 3
	next := []int32{4, -1, testVocab - 1}
	student := make([]float32, n*testVocab)
	for i := range student {
		student[i] = float32(r.NormFloat64() * 2)
	}
	for form, targets := range teachers(r, n) {
		for name, s := range specs() {
			t.Run(form+"/"+name, func(t *testing.T) {
				l, err := New(p, s)
				if err != nil {
					t.Fatal(err)
				}
				value := func(x []float32) float64 {
					var sums Sums
					if err := l.Rows(kernel.F32{Rows: n, Cols: testVocab, Data: x}, targets, next, 0.5, &sums); err != nil {
						t.Fatal(err)
					}
					return sums.Loss
				}
				grad := slices.Clone(student)
				value(grad)
				for range 12 {
					// A random direction: the slope along it is the gradient's part.
					const h = 1.0 / 32
					dir, want := make([]float32, len(student)), 0.0
					for i := range dir {
						dir[i] = float32(r.IntN(3) - 1)
						want += float64(dir[i]) * float64(grad[i])
					}
					at := func(h float32) float64 {
						x := slices.Clone(student)
						for i := range x {
							x[i] += h * dir[i]
						}
						return value(x)
					}
					got := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
					if math.Abs(got-want) > 3e-5*max(1, math.Abs(want)) {
						t.Fatalf("slope %v, gradient %v", got, want)
					}
				}
			})
		}
	}
}

// A sparse teacher that names every id says what the dense one says, and a
// divergence from itself is 0.
func TestForms(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	p := newPool(t, 1, "")
	forms := teachers(r, 4)
	next := []int32{0, 1, 2, 3}
	student := make([]float32, 4*testVocab)
	for i := range student {
		student[i] = float32(r.NormFloat64())
	}
	run := func(s Spec, targets *distill.Targets, x []float32) ([]float32, Sums) {
		l, err := New(p, s)
		if err != nil {
			t.Fatal(err)
		}
		x = slices.Clone(x)
		var sums Sums
		if err := l.Rows(kernel.F32{Rows: 4, Cols: testVocab, Data: x}, targets, next, 0.25, &sums); err != nil {
			t.Fatal(err)
		}
		return x, sums
	}
	for name, s := range specs() {
		dense, a := run(s, forms["dense"], student)
		all, b := run(s, forms["all ids"], student)
		if math.Abs(a.Loss-b.Loss) > 2e-6*max(1, a.Loss) {
			t.Errorf("%s: dense %v, all ids %v", name, a.Loss, b.Loss)
		}
		for i, v := range dense {
			if math.Abs(float64(v-all[i])) > 1e-6 {
				t.Fatalf("%s: gradient %d: dense %v, all ids %v", name, i, v, all[i])
			}
		}
		for form, targets := range forms {
			grad, sums := run(s, targets, forms["dense"].Dense)
			if s.Hard == 0 && form != "top" && (math.Abs(sums.Loss) > 1e-6 || slices.ContainsFunc(grad, func(v float32) bool { return math.Abs(float64(v)) > 1e-6 })) {
				t.Errorf("%s: %s: the divergence of equals is %v", name, form, sums.Loss)
			}
			if form == "top" && (sums.Soft < -1e-6 || s.Soft > 0 && sums.Mass > 3.999) {
				t.Errorf("%s: %s: %+v", name, form, sums)
			}
		}
	}
}

// Samples of the teacher give the forward divergence's gradient on average.
func TestSampled(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	p := newPool(t, 1, "")
	const draws = 200_000
	for _, temp := range []float64{1, 2} {
		dense := &distill.Targets{N: 1, Vocab: 5, Dense: []float32{1, 0, -1, 2, 0.5}}
		d := &distill.Targets{N: 1, Vocab: 5, M: draws, Temps: []float64{temp}}
		for range draws {
			// The largest of z/T plus Gumbel noise is a draw from softmax(z/T).
			best, at := math.Inf(-1), 0
			for v, z := range dense.Dense {
				if x := float64(z)/temp - math.Log(r.ExpFloat64()); x > best {
					best, at = x, v
				}
			}
			d.Samples = append(d.Samples, int32(at))
		}
		d.Samples[7] = -1
		s := Spec{Soft: 1, Temperature: temp}
		var grads [2][]float32
		for i, targets := range []*distill.Targets{dense, d} {
			s.Sampled = i == 1
			l, err := New(p, s)
			if err != nil {
				t.Fatal(err)
			}
			grads[i] = []float32{0, 1, 0, -1, 0}
			if err := l.Rows(kernel.F32{Rows: 1, Cols: 5, Data: grads[i]}, targets, []int32{0}, 1, new(Sums)); err != nil {
				t.Fatal(err)
			}
		}
		for v := range grads[0] {
			if d := math.Abs(float64(grads[0][v] - grads[1][v])); d > 0.01 {
				t.Errorf("T=%g: gradient %d: %v dense, %v sampled", temp, v, grads[0][v], grads[1][v])
			}
		}
	}
}

// Logits of any size give finite losses and gradients.
func TestExtreme(t *testing.T) {
	p := newPool(t, 1, "")
	far := []float32{300, -300, 0, 1e4, -1e4, 88, -88, 1e-30}
	near := slices.Clone(far)
	slices.Reverse(near)
	dense := &distill.Targets{N: 1, Vocab: 8, Dense: near}
	for _, targets := range []*distill.Targets{dense, sparse(dense, 3, 2.5), sparse(dense, 8, 2.5)} {
		for name, s := range specs() {
			l, err := New(p, s)
			if err != nil {
				t.Fatal(err)
			}
			x := slices.Clone(far)
			var sums Sums
			if err := l.Rows(kernel.F32{Rows: 1, Cols: 8, Data: x}, targets, []int32{1}, 1, &sums); err != nil {
				t.Fatal(err)
			}
			bad := func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }
			if bad(sums.Loss) || slices.ContainsFunc(x, func(v float32) bool { return bad(float64(v)) }) {
				t.Errorf("%s, k=%d: loss %v, gradient %v", name, targets.K, sums.Loss, x)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	p := newPool(t, 1, "")
	for _, s := range []Spec{
		{}, {Soft: -1, Hard: 2}, {Soft: 1, Kind: "tvd"}, {Soft: 1, Temperature: -1}, {Soft: 1, Temperature: math.NaN()}, {Soft: 1, Kind: JSD, Beta: 2},
		{Soft: 1, Kind: Skew, Lambda: 1}, {Soft: 1, Reduction: "sum"}, {Soft: 1, Kind: Reverse, Sampled: true}, {Hard: math.Inf(1)},
	} {
		if _, err := New(p, s); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
	ok := &distill.Targets{N: 1, Vocab: 4, Dense: make([]float32, 4)}
	top := sparse(ok, 2, 2)
	bad := *top
	bad.IDs = []int32{0, 4}
	for name, c := range map[string]struct {
		s    Spec
		t    *distill.Targets
		next int32
	}{
		"target":      {Spec{Hard: 1}, nil, 4},
		"no teacher":  {Spec{Soft: 1}, nil, 0},
		"temperature": {Spec{Soft: 1, Temperature: 3}, top, 0},
		"samples":     {Spec{Soft: 1, Sampled: true}, top, 0},
		"id":          {Spec{Soft: 1}, &bad, 0},
		"vocabulary":  {Spec{Soft: 1}, &distill.Targets{N: 1, Vocab: 5, Dense: make([]float32, 5)}, 0},
		"rows":        {Spec{Soft: 1}, &distill.Targets{N: 2, Vocab: 4, Dense: make([]float32, 8)}, 0},
		"nothing":     {Spec{Soft: 1}, &distill.Targets{N: 1, Vocab: 4}, 0},
	} {
		l, err := New(p, c.s)
		if err != nil {
			t.Fatal(err)
		}
		x := []float32{1, 2, 3, 4}
		if err := l.Rows(kernel.F32{Rows: 1, Cols: 4, Data: x}, c.t, []int32{c.next}, 1, new(Sums)); err == nil || x[3] != 4 {
			t.Errorf("%s: %v, %v", name, err, x)
		}
	}
}

// BenchmarkRows is a chunk of 256 tokens over a vocabulary of 16,384; ns/token is
// what one token costs.
func BenchmarkRows(b *testing.B) {
	const n, vocab = 256, 16384
	r := rand.New(rand.NewPCG(17, 18))
	dense := &distill.Targets{N: n, Vocab: vocab, Dense: make([]float32, n*vocab)}
	student, next := make([]float32, n*vocab), make([]int32, n)
	for i := range student {
		student[i], dense.Dense[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	top := sparse(dense, 32, 2)
	for _, c := range []struct {
		name string
		s    Spec
		t    *distill.Targets
	}{
		{"hard", Spec{Hard: 1}, nil}, {"forward/T=1", Spec{Soft: 0.9, Hard: 0.1}, dense}, {"forward/T=2", Spec{Soft: 0.9, Hard: 0.1, Temperature: 2}, dense},
		{"top32/T=1", Spec{Soft: 0.9, Hard: 0.1}, top}, {"top32/T=2", Spec{Soft: 0.9, Hard: 0.1, Temperature: 2}, top},
		{"reverse", Spec{Soft: 0.9, Hard: 0.1, Kind: Reverse}, dense}, {"jsd", Spec{Soft: 0.9, Hard: 0.1, Kind: JSD, Beta: 0.5}, dense}, {"skew", Spec{Soft: 0.9, Hard: 0.1, Kind: Skew, Lambda: 0.1}, dense},
	} {
		b.Run(c.name, func(b *testing.B) {
			l, err := New(newPool(b, 2, ""), c.s)
			if err != nil {
				b.Fatal(err)
			}
			// Each round takes the gradients of the one before for its logits.
			x := kernel.F32{Rows: n, Cols: vocab, Data: slices.Clone(student)}
			for b.Loop() {
				if err := l.Rows(x, c.t, next, 1.0/n, new(Sums)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/token")
		})
	}
}
