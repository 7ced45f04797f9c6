package pipeline

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestHidden: states of some layers, or of all, are learned from the live teacher;
// the learned matrices are in the checkpoint and not in the student; pairs of LoRA
// train beside them.
func TestHidden(t *testing.T) {
	edits := func(l string, more ...string) []string {
		return append([]string{noBaseline, "", "cache: {k: 8}", "cache: {live: true}", "quantize: [q8_0]\n", "", "hard: 0.1}", "hard: 0.1, hidden: " + l + "}", "steps: 3, batch: 2, leaves: 2, lr: 1e-3", "steps: 12, batch: 2, leaves: 2, lr: 1e-2"}, more...)
	}
	r := folder(t, edits("{kind: mse, weight: 0.5, layers: {0: 0, 1: 3}}")...)
	_, p, err := run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := readMetrics(p.path("train", studentName, "metrics.jsonl"))
	if err != nil || len(all) != 12 {
		t.Fatalf("%d lines of metrics, %v", len(all), err)
	}
	first, last := all[0].Loss, all[11].Loss
	if sum := 0.9*first["soft"] + 0.1*first["hard"] + 0.5*first["hidden"]; !(first["hidden"] > 0) || sum/first["loss"]-1 > 1e-9 || first["loss"]/sum-1 > 1e-9 {
		t.Errorf("the losses of the first step are %v", first)
	}
	if !(last["hidden"] < first["hidden"]) {
		t.Errorf("distance from %v to %v", first["hidden"], last["hidden"])
	}
	for name := range tensors(t, p.path(studentName+".gguf")) {
		if strings.HasPrefix(name, learned) {
			t.Errorf("the student has %s", name)
		}
	}

	cut := folder(t, edits("{kind: mse, weight: 0.5, layers: {0: 0, 1: 3}}")...)
	if _, _, err := run(t, cut, Options{}, func(_ string, step int) bool { return step == 7 }); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want that the run was stopped", err)
	}
	l, c, err := run(t, cut, Options{}, nil)
	if err != nil || len(l.steps[studentName]) != 5 {
		t.Fatalf("went on with %v: %v", l.steps, err)
	}
	a, errA := hashPath(p.path(studentName + ".gguf"))
	if b, errB := hashPath(c.path(studentName + ".gguf")); a != b || errA != nil || errB != nil {
		t.Errorf("%s whole, %s stopped (%v, %v)", a, b, errA, errB)
	}

	r = folder(t, edits("{kind: cosine, weight: 1}", "checkpoint-every: 1", "lora: {rank: 2, match: ['*']}")...)
	_, p, err = run(t, r, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(changed(t, p), " "); !strings.Contains(got, "token_embd.weight") || strings.Contains(got, "norm") {
		t.Errorf("changed %s", got)
	}
	r = folder(t, edits("{kind: mse, weight: 0.5, layers: {2: 1}}")...)
	if _, _, err := run(t, r, Options{}, nil); err == nil || !strings.Contains(err.Error(), "r.yaml:6:") || !strings.Contains(err.Error(), "2: 1: the student has 1 layers") {
		t.Errorf("got %v, want that there is no second layer", err)
	}
}
