package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/internal/shard"
)

const tiny = `out: out
teacher: {model: %s, type: q8_0}
student: {layers: 1, hidden: 64, ffn: 64, heads: 2, kv-heads: 1, rows: 2}
data: {files: [text.txt], length: 32, held-out: 0.3}
cache: {k: 8}
loss: {soft: 0.9, hard: 0.1}
train: {steps: 3, batch: 2, leaves: 2, lr: 1e-3, warmup: 1, clip: 1, ema: 0.5, checkpoint-every: 1}
baseline: {hard: true, margin: -100}
quantize: [q8_0]
evaluate: {samples: [Once upon a time], tokens: 8}
`

// folder writes a recipe and its text; edit changes the recipe.
func folder(t testing.TB, edit ...string) *recipe.Recipe {
	t.Helper()
	dir := t.TempDir()
	teacher, err := filepath.Abs("../../testdata/tinystories-qwen2")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i := range 24 {
		fmt.Fprintf(&text, "Once upon a time, there was a little girl named Lily. She had %d red balls. One day she saw a big dog in the park.\n<|endoftext|>\n", i)
	}
	write(t, filepath.Join(dir, "text.txt"), text.String())
	write(t, filepath.Join(dir, "r.yaml"), strings.NewReplacer(edit...).Replace(fmt.Sprintf(tiny, teacher)))
	return open(t, filepath.Join(dir, "r.yaml"))
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *recipe.Recipe {
	t.Helper()
	r, err := recipe.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// log counts what a run did.
type log struct {
	done, skipped []string
	steps         map[string][]int
}

// run runs a recipe and returns the log; stop ends it after a step.
func run(t testing.TB, r *recipe.Recipe, o Options, stop func(student string, step int) bool) (*log, *Pipeline, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l := &log{steps: map[string][]int{}}
	o.Stage = func(name string, e Event, _ float64) {
		switch e {
		case Done:
			l.done = append(l.done, name)
		case Skipped:
			l.skipped = append(l.skipped, name)
		}
	}
	o.Step = func(student string, _ int, m train.Metrics) {
		l.steps[student] = append(l.steps[student], m.Step)
		if stop != nil && stop(student, m.Step) {
			cancel()
		}
	}
	p, err := New(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return l, p, p.Run(ctx)
}

func want(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestRun(t *testing.T) {
	r := folder(t)
	l, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "first run", l.done, Stages())
	e, err := p.Evaluation()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range e.Scores {
		names = append(names, s.Name)
		if s.Tokens < 50 || !(s.Nats > 0 && s.Nats < 30) || s.Bytes == 0 {
			t.Errorf("score %+v", s)
		}
	}
	want(t, "models", names, []string{"teacher", "start", hardName, studentName, studentName + "-q8_0"})
	if e.Scores[0].KL != 0 || e.Scores[0].Top1 != 1 || !(e.Scores[1].KL > 0) {
		t.Errorf("the teacher beside itself: %+v", e.Scores[0])
	}
	if len(e.Samples) != len(names) {
		t.Errorf("%d samples of %d models", len(e.Samples), len(names))
	}
	checkReport(t, p, 2, 3)

	// Nothing changed: nothing is done.
	l, _, err = run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "second run", l.skipped, Stages())

	// --from evaluate does it anew, to the same bytes.
	l, _, err = run(t, r, Options{From: "evaluate"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "from evaluate", l.done, []string{"evaluate"})

	// --only train trains again from the start, to the same bits.
	before, err := hashPath(p.path("student.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if l, _, err = run(t, r, Options{Only: "train"}, nil); err != nil {
		t.Fatal(err)
	}
	want(t, "only train", l.done, []string{"train"})
	if !slices.Equal(l.steps[studentName], []int{1, 2, 3}) {
		t.Errorf("only train took steps %v", l.steps)
	}
	after, err := hashPath(p.path("student.gguf"))
	if err != nil || after != before {
		t.Errorf("trained again: %s, before %s (%v)", after, before, err)
	}

	// A damaged file is made again.
	if err := os.Truncate(p.path("student-q8_0.gguf"), 100); err != nil {
		t.Fatal(err)
	}
	l, _, err = run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "after damage", l.done, []string{"quantize"})

	// Another loss trains again and leaves what is before it.
	b, err := os.ReadFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.Path, strings.Replace(string(b), "soft: 0.9", "soft: 0.5", 1))
	if l, _, err = run(t, open(t, r.Path), Options{}, nil); err != nil {
		t.Fatal(err)
	}
	if want(t, "another loss", l.skipped, []string{"plan", "data", "cache", "init"}); len(l.steps[hardName]) != 0 {
		t.Errorf("the hard-label student was trained again: %v", l.steps)
	}
	// --only of a stage whose inputs changed is refused.
	write(t, r.Path, strings.Replace(string(b), "rows: 2", "rows: 3", 1))
	if _, _, err = run(t, open(t, r.Path), Options{Only: "quantize"}, nil); err == nil || !strings.Contains(err.Error(), "--only plan") {
		t.Errorf("got %v, want that plan is to be done first", err)
	}
}

// TestResume: a run that is stopped in the middle goes on to the same bits.
func TestResume(t *testing.T) {
	whole := folder(t)
	_, w, err := run(t, whole, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cut := folder(t)
	l, c, err := run(t, cut, Options{}, func(s string, step int) bool { return s == studentName && step == 2 })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that the run was stopped", err)
	}
	want(t, "before the stop", l.done, []string{"plan", "data", "cache", "init"})
	l, _, err = run(t, cut, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.steps; len(got[hardName]) != 0 || !slices.Equal(got[studentName], []int{3}) {
		t.Errorf("went on with steps %v, want step 3 of the student alone", got)
	}
	for _, f := range []string{"start.gguf", "hard-label.gguf", "student.gguf", "student-q8_0.gguf", "cache/train"} {
		a, errA := hashPath(w.path(f))
		b, errB := hashPath(c.path(f))
		if errA != nil || errB != nil || a != b {
			t.Errorf("%s: %s, %s (%v, %v)", f, a, b, errA, errB)
		}
	}
}

func TestGenerate(t *testing.T) {
	r := folder(t, "files: [text.txt], length: 32, held-out: 0.3", "generate: {sequences: 12, prompts: [Once, The], batch: 4}, length: 32",
		"evaluate: {", "evaluate: {files: [text.txt], rows: 3, ")
	p, err := New(r, Options{Shard: shard.Selection{Index: 0, Count: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Parts(context.Background(), "generate"); err != nil {
		t.Fatal(err)
	}
	if err := p.Parts(context.Background(), "cache"); err != nil {
		t.Fatal(err)
	}
	_, p, err = run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readMetrics(p.path("train", studentName, "metrics.jsonl"))
	if err != nil || len(all) != 3 {
		t.Fatalf("%d lines of metrics, %v", len(all), err)
	}
	for _, name := range []string{"loss", "soft", "hard", "mass"} {
		if v := all[0].Loss[name]; !(v > 0) {
			t.Errorf("first step: %s is %g", name, v)
		}
	}
}

// TestLosses: every loss trains, from the cache and from the live teacher.
func TestLosses(t *testing.T) {
	for _, l := range []string{
		"loss: {soft: 1, hard: 1, temperature: 3, reduction: mean}", "loss: {soft: 1, hard: 0, kind: reverse, temperature: 2}",
		"loss: {soft: 1, hard: 0, kind: jsd, beta: 0.5}", "loss: {soft: 1, hard: 0, kind: skew, lambda: 0.1}",
		"loss: {soft: 1, hard: 0, kind: skew-reverse, lambda: 0.1}", "loss: {soft: 1, hard: 0, sampled: true}",
	} {
		for _, c := range []string{"cache: {k: 8, samples: 2}", "cache: {live: true}"} {
			if strings.Contains(l, "sampled") && strings.Contains(c, "live") {
				continue
			}
			r := folder(t, "loss: {soft: 0.9, hard: 0.1}", l, "cache: {k: 8}", c, "baseline: {hard: true, margin: -100}\n", "", "quantize: [q8_0]\n", "",
				"samples: [Once upon a time], ", "", "steps: 3", "steps: 2", "start: prune", "start: random")
			if _, _, err := run(t, r, Options{}, nil); err != nil {
				t.Errorf("%s, %s: %v", l, c, err)
			}
		}
	}
}

// TestCuts: two cuts with training between them, to a size.
func TestCuts(t *testing.T) {
	r := folder(t, "student: {layers: 1, hidden: 64, ffn: 64, heads: 2, kv-heads: 1, rows: 2}", "student: {size: 1M, rows: 2, prune-steps: 2, between: 2}",
		"baseline: {hard: true, margin: -100}\n", "")
	l, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.steps["cut-1"], []int{1, 2}) {
		t.Errorf("trained %v, want two steps after the first cut", l.steps)
	}
	var x planned
	if err := p.result("plan", &x); err != nil || x.Params < 900_000 || x.Params > 1_100_000 {
		t.Errorf("%d parameters, want a million (%v)", x.Params, err)
	}
	if _, err := os.Stat(p.path("student-hf", "model.safetensors")); err != nil {
		t.Error(err)
	}
}

func TestDevice(t *testing.T) {
	r := folder(t, "student: {layers: 1, hidden: 64, ffn: 64, heads: 2, kv-heads: 1, rows: 2}", "student: {device: pi-zero-2, rate: 1000000}")
	if _, _, err := run(t, r, Options{}, nil); err == nil || !strings.Contains(err.Error(), "student.device: student: nothing of this teacher runs on pi-zero-2") {
		t.Errorf("got %v, want that the device is too slow", err)
	}
}

func TestWeakTeacher(t *testing.T) {
	r := folder(t, "margin: -100", "margin: 100")
	l, _, err := run(t, r, Options{}, nil)
	var weak *WeakError
	if !errors.As(err, &weak) || weak.Margin != 100 {
		t.Fatalf("got %v, want that the teacher is too weak", err)
	}
	if len(l.steps[studentName]) != 0 {
		t.Errorf("the distilled student was trained: %v", l.steps)
	}
}

func TestGate(t *testing.T) {
	r := folder(t, "evaluate:", "gate: {kl: 0, quantized: 0.5, words: 0}\nevaluate:")
	_, p, err := run(t, r, Options{}, nil)
	var g *GateError
	if !errors.As(err, &g) || len(g.Failed) != 1 || g.Failed[0].Name != "kl" {
		t.Fatalf("got %v, want that kl alone fails", err)
	}
	if e, err := p.Evaluation(); err != nil || len(e.Scores) != 5 {
		t.Errorf("a run that fails the gate has no evaluation: %v, %v", e, err)
	}
	if _, err := os.Stat(p.path("report.html")); err != nil {
		t.Error(err)
	}
}

func TestEstimate(t *testing.T) {
	p, err := New(folder(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Estimate(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if e.Students != 2 || e.Tokens != 3*2*2*32 || !(e.TrainSeconds > 0) || e.Memory < 1<<20 || len(e.Stages) != len(Stages()) || !e.Stages[0].Done || e.Stages[4].Done {
		b, _ := json.Marshal(e)
		t.Errorf("estimate %s", b)
	}
}

// TestLocked: two runs in one folder are refused.
func TestLocked(t *testing.T) {
	r := folder(t)
	p, err := New(r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(p.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(p.path("state", "lock"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if err := p.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("got %v, want that the folder is taken", err)
	}
}

func TestOptions(t *testing.T) {
	if _, err := New(folder(t), Options{From: "bake"}); err == nil || !strings.Contains(err.Error(), "plan, data") {
		t.Errorf("got %v, want the list of stages", err)
	}
}
