package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/model"
)

const finishText = "quantize: [q8_0, q4_0]\nfinish: {type: q4_0, steps: 4, lr: 3e-4}\n"

// TestFinish: the shipped file has the logits that training saw, to the bit; it is
// measured beside plain rounding; a run that is stopped in it goes on to the same
// bits; another rate trains it alone again.
func TestFinish(t *testing.T) {
	r := folder(t, "quantize: [q8_0]\n", finishText, "baseline: {hard: true, margin: -100}\n", "", "ema: 0.5, ", "")
	l, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "stages", l.done, Stages())
	want(t, "models", p.models(), []string{"teacher", "start", "student", "student-q8_0", "student-q4_0", "student-finished-q4_0"})
	e, err := p.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range p.models() {
		if s := e.Score(name); s == nil || !(s.Nats > 0) {
			t.Errorf("no score of %s", name)
		}
	}
	sameLogits(t, p.path(finishedName+".gguf"), p.path(finishedName+"-q4_0.gguf"))

	cut := folder(t, "quantize: [q8_0]\n", finishText, "baseline: {hard: true, margin: -100}\n", "", "ema: 0.5, ", "")
	if _, _, err := run(t, cut, Options{}, func(s string, step int) bool { return s == finishedName && step == 2 }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that the run was stopped", err)
	}
	l, c, err := run(t, cut, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.steps[finishedName]; !slices.Equal(got, []int{3, 4}) || len(l.steps[studentName]) != 0 {
		t.Errorf("went on with steps %v", l.steps)
	}
	a, errA := hashPath(p.path(finishedName + "-q4_0.gguf"))
	b, errB := hashPath(c.path(finishedName + "-q4_0.gguf"))
	if a != b || errA != nil || errB != nil {
		t.Errorf("%s whole, %s stopped (%v, %v)", a, b, errA, errB)
	}
	l, _, err = run(t, cut, Options{Only: "finish"}, nil)
	if err != nil || len(l.steps[finishedName]) != 4 {
		t.Errorf("only finish took steps %v (%v)", l.steps, err)
	}
	cut.Finish.LR /= 2
	if l, _, err = run(t, cut, Options{}, nil); err != nil || len(l.steps[studentName]) != 0 || len(l.steps[finishedName]) != 4 {
		t.Errorf("another rate: steps %v (%v)", l.steps, err)
	}
}

// sameLogits compares the engine's logits of the shipped file with those of a tape
// that trains the parameters in the file at master for it.
func sameLogits(t *testing.T, master, shipped string) {
	t.Helper()
	types, err := matrixTypes(shipped)
	if err != nil {
		t.Fatal(err)
	}
	if types["blk.0.ffn_up.weight"] != quant.Q4_0 || types["output_norm.weight"] != quant.F32 {
		t.Fatalf("types %v", types)
	}
	pool, err := kernel.New(kernel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	f, err := gguf.Open(master)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dev := tape.New(pool, training{Types: types}.tape(0))
	m, err := model.New(f, dev)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(shipped, engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var ids []int32
	for i := range 90 {
		ids = append(ids, int32(i*i*7%m.Hyper().Vocab))
	}
	out, err := m.Run(&model.Batch{IDs: ids, Seqs: []model.Span{{N: len(ids), Causal: true}}, Want: backend.Hidden})
	if err != nil {
		t.Fatal(err)
	}
	var all []float32
	if err := dev.Head(out[0], 64, m.Head, func(_, _ int, logits []float32) error { all = append(all, logits...); return nil }, nil); err != nil {
		t.Fatal(err)
	}
	err = e.Logits(t.Context(), ids, func(pos int, logits []float32) error {
		if !slices.Equal(logits, all[pos*len(logits):(pos+1)*len(logits)]) {
			t.Errorf("position %d has other logits than in training", pos)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// tensors decodes a file's.
func tensors(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	out := map[string][]float32{}
	for _, x := range f.Tensors() {
		m, err := x.Matrix()
		if err != nil {
			t.Fatal(err)
		}
		out[x.Name] = make([]float32, m.Rows*m.Cols)
		if err := quant.Decode(m.Type, out[x.Name], m.Data); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

const noBaseline = "baseline: {hard: true, margin: -100}\n"

// changed are the tensors that training changed.
func changed(t *testing.T, r *Pipeline) (names []string) {
	t.Helper()
	before, after := tensors(t, r.path(startFile)), tensors(t, r.path(studentName+".gguf"))
	for name, x := range after {
		if !slices.Equal(x, before[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestLoRA: only what has a pair changes, the rest has the start's bits.
func TestLoRA(t *testing.T) {
	r := folder(t, noBaseline, "", "checkpoint-every: 1", "lora: {rank: 2, alpha: 4, match: [token_embd.*, blk.*.attn_q.*]}")
	_, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "changed", changed(t, p), []string{"blk.0.attn_q.weight", "token_embd.weight"})
	r.Train.LoRA.Match = []string{"blk.7.*"}
	if _, _, err = run(t, r, Options{}, nil); err == nil || !strings.Contains(err.Error(), `train.lora.match: "blk.7.*" matches no matrix`) {
		t.Errorf("got %v, want that no layer is called 7", err)
	}
}

// TestFreeze: what is frozen has the start's bits, the rest has changed.
func TestFreeze(t *testing.T) {
	r := folder(t, noBaseline, "", "checkpoint-every: 1", "freeze: [token_embd.*, blk.*.ffn_*]")
	_, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := tensors(t, p.path(startFile))
	for _, name := range changed(t, p) {
		delete(all, name)
	}
	for name := range all {
		if !strings.HasPrefix(name, "token_embd") && !strings.Contains(name, ".ffn_") {
			t.Errorf("%s has not changed", name)
		}
		delete(all, name)
	}
	if got := changed(t, p); slices.ContainsFunc(got, func(n string) bool { return strings.Contains(n, "ffn_") || strings.HasPrefix(n, "token_embd") }) {
		t.Errorf("changed %v", got)
	}
}

// TestRung: training that other kernels began goes on only with leave.
func TestRung(t *testing.T) {
	names := kernel.Variants()
	if len(names) < 2 {
		t.Skip("one variant")
	}
	r := folder(t, noBaseline, "")
	t.Setenv("QWQ_KERNEL", names[0])
	if _, _, err := run(t, r, Options{}, func(_ string, step int) bool { return step == 2 }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	t.Setenv("QWQ_KERNEL", names[1])
	if _, _, err := run(t, r, Options{}, nil); !errors.Is(err, train.ErrRung) {
		t.Errorf("got %v, want that the rung is another", err)
	}
	l, _, err := run(t, r, Options{AllowRungChange: true}, nil)
	if err != nil || !slices.Equal(l.steps[studentName], []int{3}) {
		t.Errorf("with leave: steps %v (%v)", l.steps, err)
	}
}

// TestHalf: float16 with a loss scale that overflows at first skips steps and halves
// the scale until the gradient fits; the run that was stopped there goes on alike.
func TestHalf(t *testing.T) {
	edits := []string{noBaseline, "", "steps: 3", "precision: fp16, loss-scale: 16777216, steps: 12"}
	r := folder(t, edits...)
	_, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readMetrics(p.path("train", studentName, "metrics.jsonl"))
	if err != nil || len(all) != 12 {
		t.Fatalf("%d lines of metrics, %v", len(all), err)
	}
	scale := 16777216.0
	for _, m := range all {
		if m.Scale != scale {
			t.Errorf("step %d: scale %v, want %v", m.Step, m.Scale, scale)
		}
		if m.Skipped {
			scale /= 2
		} else if !(m.Norm > 0) {
			t.Errorf("step %d: norm %v", m.Step, m.Norm)
		}
	}
	if !all[0].Skipped || all[11].Skipped {
		t.Errorf("first step %+v, last %+v", all[0], all[11])
	}
	cut := folder(t, edits...)
	if _, _, err := run(t, cut, Options{}, func(_ string, step int) bool { return step == 1 }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	_, c, err := run(t, cut, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := hashPath(p.path(studentName + ".gguf"))
	if b, errB := hashPath(c.path(studentName + ".gguf")); a != b || errA != nil || errB != nil {
		t.Errorf("%s whole, %s stopped (%v, %v)", a, b, errA, errB)
	}
}
