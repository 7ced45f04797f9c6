package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

const vocab = 320

// stream is a Source of 2 rows of 24 with documents of several lengths.
type stream struct{}

func (stream) Leaf(step, i int) (*distill.Batch, error) {
	b := &distill.Batch{Rows: 2, Length: 24, Docs: []int32{24, 5, int32(7 + i%3), int32(12 - i%3)}}
	at := 0
	for _, n := range b.Docs {
		for k := range int(n) {
			id := int32((at*at + 31*step + 7*i*at) % vocab)
			b.IDs = append(b.IDs, id)
			b.Next = append(b.Next, -1)
			if k > 0 {
				b.Next[at-1] = id
			}
			at++
		}
	}
	if i == 1 { // leaves differ in what is scored
		for k := range 10 {
			b.Next[k] = -1
		}
	}
	return b, nil
}

// hard is the cross-entropy, and as a second sum the number of rows.
func hard(_ context.Context, b *distill.Batch, lo, _ int, logits []float32, scale float64, sums []float64) error {
	for r := 0; r < len(logits)/vocab; r++ {
		x, y := logits[r*vocab:(r+1)*vocab], b.Next[lo+r]
		if y < 0 {
			clear(x)
			continue
		}
		sum := 0.0
		for _, f := range x {
			sum += math.Exp(float64(f))
		}
		sums[0] += math.Log(sum) - float64(x[y])
		sums[1]++
		for i, f := range x {
			x[i] = float32(math.Exp(float64(f)) / sum * scale)
		}
		x[y] -= float32(scale)
	}
	return nil
}

func file(t testing.TB) *gguf.File {
	t.Helper()
	f, err := gguf.Open(modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Tied: true, Biases: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func trainer(t testing.TB, f *gguf.File, threads int, o Options) *Trainer {
	t.Helper()
	pool, err := kernel.New(kernel.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	dev := tape.New(pool, tape.Options{Recompute: threads == 1})
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	o.Names, o.Chunk = []string{"loss", "rows"}, 17
	o.Optim, o.Clip, o.EMA = optim.Options{Decoupled: true, Decay: 0.1}, 1, 0.9
	o.Schedule = optim.Schedule{Shape: optim.Cosine, Peak: 1e-2, Warmup: 1}
	tr, err := New(pool, dev, m, stream{}, hard, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func run(t testing.TB, tr *Trainer) {
	t.Helper()
	if err := tr.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// same compares all that a checkpoint holds.
func same(t testing.TB, label string, a, b *Trainer) {
	t.Helper()
	for i, x := range a.sections() {
		if y := b.sections()[i]; x.lo != y.lo || !slices.Equal(x.part, y.part) {
			t.Errorf("%s: section %d has other bits", label, i)
		}
	}
	if a.step != b.step || a.state.Steps != b.state.Steps || a.scaler != b.scaler {
		t.Errorf("%s: step %d, updates %d, scaler %v, want %d, %d, %v", label, b.step, b.state.Steps, b.scaler, a.step, a.state.Steps, a.scaler)
	}
}

// losses are the lines of metrics.jsonl without their times.
func losses(t testing.TB, dir string) (all []Metrics) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "metrics.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var m Metrics
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		m.Seconds = 0
		all = append(all, m)
	}
	return all
}

// TestResume: a run that ends anywhere goes on with the same bits, metrics too.
func TestResume(t *testing.T) {
	f := file(t)
	o := Options{Steps: 6, Leaves: 3, Dir: t.TempDir(), Every: 2}
	whole := trainer(t, f, 2, o)
	run(t, whole)
	want := losses(t, o.Dir)
	if len(want) != 6 || want[0].Scored != 3*44-10 || want[0].Tokens != 3*48 || want[5].Loss["loss"] >= want[0].Loss["loss"] || want[0].Loss["rows"] != 1 {
		t.Errorf("metrics %+v", want)
	}
	for stop := range 5 {
		o.Dir = t.TempDir()
		part := trainer(t, f, 1+stop%3, o)
		ctx, cancel := context.WithCancel(context.Background())
		part.source = source(func(step, i int) (*distill.Batch, error) {
			if step == stop && i == 2 {
				cancel() // the step that is being taken is lost
			}
			return stream{}.Leaf(step, i)
		})
		if err := part.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped run: %v", err)
		}
		rest := trainer(t, f, 2, o)
		if err := rest.Resume(); stop < 2 && !errors.Is(err, os.ErrNotExist) || stop >= 2 && err != nil {
			t.Fatalf("stopped in step %d: %v", stop, err)
		}
		if rest.step != stop/2*2 {
			t.Errorf("stopped in step %d: goes on at %d", stop, rest.step)
		}
		run(t, rest)
		same(t, fmt.Sprint("stopped in step ", stop), whole, rest)
		if got := losses(t, o.Dir); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("metrics\n%v, want\n%v", got, want)
		}
	}
}

type source func(step, i int) (*distill.Batch, error)

func (s source) Leaf(step, i int) (*distill.Batch, error) { return s(step, i) }

// TestLeaves: four micro-batches are one batch of four times the rows, up to
// rounding.
func TestLeaves(t *testing.T) {
	f := file(t)
	four, one := trainer(t, f, 2, Options{Steps: 1, Leaves: 4}), trainer(t, f, 2, Options{Steps: 1})
	one.source = source(func(step, _ int) (*distill.Batch, error) {
		all := &distill.Batch{Length: 24}
		for i := range 4 {
			b, _ := stream{}.Leaf(step, i)
			all.IDs, all.Next, all.Docs, all.Rows = append(all.IDs, b.IDs...), append(all.Next, b.Next...), append(all.Docs, b.Docs...), all.Rows+2
		}
		return all, nil
	})
	run(t, four)
	run(t, one)
	for i, g := range one.tree[0] {
		if d := math.Abs(float64(g - four.tree[0][i])); d > 2e-6 {
			t.Fatalf("gradient %d: %v in one batch, %v in four", i, g, four.tree[0][i])
		}
	}
	b, _ := stream{}.Leaf(0, 0)
	sums, n, err := one.Eval(context.Background(), b)
	if err != nil || n != 44 || sums[1] != 44 || !(sums[0] > 0) {
		t.Errorf("evaluation: %v over %d, %v", sums, n, err)
	}
}

// TestOverflow: a gradient that overflows under loss scaling skips the step and
// halves the scale; without scaling it is an error.
func TestOverflow(t *testing.T) {
	f := file(t)
	spoil := func(tr *Trainer) {
		tr.loss = func(ctx context.Context, b *distill.Batch, lo, hi int, logits []float32, scale float64, sums []float64) error {
			err := hard(ctx, b, lo, hi, logits, scale, sums)
			if tr.step == 1 {
				logits[3] = float32(math.Inf(1))
			}
			return err
		}
	}
	dir := t.TempDir()
	tr := trainer(t, f, 2, Options{Steps: 3, Dir: dir, Scaler: optim.Scaler{Scale: 1024}})
	spoil(tr)
	before := make([]float32, 0)
	tr.opt.Report = func(m Metrics) {
		switch m.Step {
		case 1:
			before = slices.Clone(tr.params.Flat)
		case 2:
			if !m.Skipped || !slices.Equal(before, tr.params.Flat) || tr.scaler.Scale != 512 || tr.state.Steps != 1 {
				t.Errorf("overflow: %+v, scale %v, %d updates", m, tr.scaler.Scale, tr.state.Steps)
			}
		}
	}
	run(t, tr)
	if got := losses(t, dir); len(got) != 3 || got[2].Skipped || tr.state.Steps != 2 {
		t.Errorf("metrics %v after %d updates", got, tr.state.Steps)
	}
	again := trainer(t, f, 2, Options{Steps: 3, Dir: dir, Scaler: optim.Scaler{Scale: 1024}})
	if err := again.Resume(); err != nil {
		t.Fatal(err)
	}
	same(t, "resumed", tr, again)
	for _, scale := range []float64{0, 1} {
		tr = trainer(t, f, 2, Options{Steps: 3, Scaler: optim.Scaler{Scale: scale}})
		spoil(tr)
		if err := tr.Run(context.Background()); err == nil || tr.step != 1 {
			t.Errorf("overflow at scale %v: %v after %d steps", scale, err, tr.step)
		}
	}
}

// TestScaling: a power of two as the loss scale changes no bit of this model.
func TestScaling(t *testing.T) {
	f := file(t)
	plain, scaled := trainer(t, f, 2, Options{Steps: 2}), trainer(t, f, 2, Options{Steps: 2, Scaler: optim.Scaler{Scale: 256}})
	run(t, plain)
	run(t, scaled)
	if !slices.Equal(plain.params.Flat, scaled.params.Flat) {
		t.Error("other parameters with a loss scale of 256")
	}
}

// TestCheckpointRefusals: what is not this run's checkpoint, and that a refusal
// changes nothing.
func TestCheckpointRefusals(t *testing.T) {
	f, dir := file(t), t.TempDir()
	tr := trainer(t, f, 1, Options{Steps: 1, Dir: dir})
	run(t, tr)
	good, err := os.ReadFile(tr.Path())
	if err != nil {
		t.Fatal(err)
	}
	change := func(from, to string) []byte { return []byte(strings.Replace(string(good), from, to, 1)) }
	flip := func(at int) []byte { b := slices.Clone(good); b[at] ^= 1; return b }
	fresh := trainer(t, f, 1, Options{Steps: 1, Dir: dir})
	for label, b := range map[string][]byte{
		"empty": {}, "magic": flip(0), "short": good[:len(good)-1], "long": append(slices.Clone(good), 0), "cut in the header": good[:100],
		"header length": flip(15), "json": flip(16), "a weight": flip(len(good) - 40000), "checksum": flip(len(good) - 1), "step": change(`"step":1`, `"step":0`),
		"rung": change(`"rung":"`, `"rung":"q`), "id": change(`"id":"0`, `"id":"1`), "a name": change("output_norm", "0utput_norm"), "average": change(`"average":true`, `"average":true `),
	} {
		if err := os.WriteFile(tr.Path(), b, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := fresh.Resume(); err == nil {
			t.Errorf("%s: no error", label)
		}
		same(t, label, trainer(t, f, 1, Options{Steps: 1}), fresh)
	}
	if err := os.WriteFile(tr.Path(), good, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := fresh.Resume(); err != nil {
		t.Fatal(err)
	}
	same(t, "good", tr, fresh)
}

// TestRung: a checkpoint of another rung needs leave.
func TestRung(t *testing.T) {
	names := kernel.Variants()
	if len(names) < 2 {
		t.Skip("one variant")
	}
	f, dir := file(t), t.TempDir()
	t.Setenv("QWQ_KERNEL", names[0])
	run(t, trainer(t, f, 1, Options{Steps: 1, Dir: dir}))
	t.Setenv("QWQ_KERNEL", names[1])
	other := trainer(t, f, 1, Options{Steps: 1, Dir: dir})
	if err := other.Resume(); !errors.Is(err, ErrRung) {
		t.Errorf("error %v, want ErrRung", err)
	}
	other = trainer(t, f, 1, Options{Steps: 1, Dir: dir, AllowRungChange: true})
	if err := other.Resume(); err != nil || other.step != 1 {
		t.Errorf("with leave: %v at step %d", err, other.step)
	}
}

func TestNew(t *testing.T) {
	good := trainer(t, file(t), 1, Options{Steps: 1})
	for label, f := range map[string]func(o *Options){
		"steps":    func(o *Options) { o.Steps = 0 },
		"leaves":   func(o *Options) { o.Leaves = -1 },
		"ranks":    func(o *Options) { o.Leaves, o.Exchanger = 3, newWires(2)[0] },
		"ema":      func(o *Options) { o.EMA = 1 },
		"clip":     func(o *Options) { o.Clip = math.NaN() },
		"rate":     func(o *Options) { o.Schedule.Peak = 0 },
		"betas":    func(o *Options) { o.Optim.Beta1 = 2 },
		"freeze":   func(o *Options) { o.Rules.Freeze = []string{"none.*"} },
		"interval": func(o *Options) { o.Every = -1 },
	} {
		o := good.opt
		f(&o)
		if _, err := New(good.pool, good.dev, good.model, stream{}, hard, o); err == nil {
			t.Errorf("%s: no error", label)
		}
	}
	empty := source(func(int, int) (*distill.Batch, error) {
		return &distill.Batch{IDs: []int32{1}, Next: []int32{-1}, Docs: []int32{1}, Rows: 1, Length: 1}, nil
	})
	good.source = empty
	if err := good.Run(context.Background()); !errors.Is(err, errEmpty) {
		t.Errorf("nothing scored: %v", err)
	}
}
