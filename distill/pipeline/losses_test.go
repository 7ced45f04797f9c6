package pipeline

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/recipe"
)

// TestRecipes trains the student of make demo-distill with every loss, each by the
// recipe in testdata: held-out nats must fall. 30 steps of 4 rows each; QWQ_LONG=1:
// as the recipes have it, 300 of 8.
func TestRecipes(t *testing.T) {
	if testing.Short() {
		t.Skip("trains")
	}
	paths, err := filepath.Glob("../../testdata/recipes/losses/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		r := open(t, path)
		kinds = append(kinds, traits(r.Loss, r.Cache.Live)...)
		t.Run(name, func(t *testing.T) {
			r.Out = t.TempDir()
			if os.Getenv("QWQ_LONG") == "" {
				r.Train.Steps, r.Train.Batch, r.Evaluate.Rows = 30, 4, 8
			}
			_, p, err := run(t, r, Options{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Evaluation()
			if err != nil {
				t.Fatal(err)
			}
			start, student, teacher := e.Score("start"), e.Score(studentName), e.Score("teacher")
			if !(student.Nats < start.Nats-0.5 && student.Nats > teacher.Nats) {
				t.Errorf("nats a token on held-out text: start %.4f, student %.4f, teacher %.4f", start.Nats, student.Nats, teacher.Nats)
			}
			t.Logf("nats a token on held-out text: start %.3f, student %.3f, teacher %.3f; KL %.3f to %.3f", start.Nats, student.Nats, teacher.Nats, start.KL, student.KL)
		})
	}
	for _, want := range []string{string(loss.Forward), string(loss.Reverse), string(loss.JSD), string(loss.Skew), string(loss.SkewReverse),
		"sparse", "sampled", "article mean", "article batchmean", "hidden mse", "hidden cosine"} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no recipe trains with %s", want)
		}
	}
}

// traits are what a loss is an example of.
func traits(l recipe.Loss, live bool) (out []string) {
	kind := string(l.Kind)
	if kind == "" {
		kind = string(loss.Forward)
	}
	out = append(out, kind)
	switch {
	case l.Sampled:
		out = append(out, "sampled")
	case !live:
		out = append(out, "sparse")
	}
	if s := l.Spec(); s == loss.Article(s.Reduction) {
		out = append(out, "article "+string(s.Reduction))
	}
	if l.Hidden != nil {
		out = append(out, "hidden "+string(l.Hidden.Kind))
	}
	return out
}
