package recipe

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const good = `out: out
teacher: {model: teacher.gguf}
student:
  layers: 2
data:
  files: [a.txt]
  held-out: 0.1
loss: {soft: 0.9, hard: 0.1, temperature: 2}
train:
  steps: 10
  lr: 1e-3
`

func TestDefaults(t *testing.T) {
	r, err := Parse("r.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if r.Train.Optimizer != "adamw" || r.Data.Length != 256 || r.Baseline.LR != 1e-3 || *r.Baseline.Margin != 0.15 {
		t.Errorf("defaults: %+v", r)
	}
	if s := r.Loss.Spec(); s.Soft != 0.9 || s.Hard != 0.1 || s.Temperature != 2 {
		t.Errorf("loss %+v", s)
	}
	if len(r.Cache.Temps) != 2 || r.Cache.Temps[1] != 2 {
		t.Errorf("temperatures %v, want 1 and the loss's", r.Cache.Temps)
	}
}

// TestErrors: each mistake is named with its place.
func TestErrors(t *testing.T) {
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in the recipe", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":        {edit("  layers: 2", "  layer: 2"), `r.yaml:4:3: unknown key "layer"`},
		"unknown top key":    {"seeds: 1\n" + good, `r.yaml:1:1: unknown key "seeds"`},
		"unknown inner key":  {edit("soft: 0.9", "sort: 0.9"), `r.yaml:8:8: unknown key "sort"`},
		"duplicate key":      {good + "  steps: 11\n", `r.yaml:12:3: `},
		"duplicate top key":  {good + "out: b\n", `r.yaml:12:1: `},
		"no value":           {edit("steps: 10", "steps:"), `no value`},
		"anchor":             {edit("steps: 10", "steps: &a 10"), `r.yaml:10:10: anchors`},
		"wrong type":         {edit("steps: 10", "steps: many"), `r.yaml:10:10: `},
		"list for a number":  {edit("steps: 10", "steps: [10]"), `r.yaml:10:10: `},
		"syntax":             {edit("{soft", "{{soft"), `r.yaml:8:`},
		"second document":    {good + "---\nout: b\n", `a second document`},
		"empty":              {"# nothing\n", `r.yaml:1:1: `},
		"a list":             {"- a\n", `key: value`},
		"no out":             {edit("out: out\n", ""), `out: missing`},
		"no hard weight":     {edit("hard: 0.1, ", ""), `r.yaml:8:1: loss.hard: missing`},
		"both weights 0":     {edit("soft: 0.9, hard: 0.1", "soft: 0, hard: 0"), `r.yaml:8:1: loss: `},
		"kind":               {edit("soft: 0.9", "kind: backward, soft: 0.9"), `kind "backward"`},
		"temperature absent": {good + "cache: {temperatures: [1, 3]}\n", `r.yaml:8:30: loss.temperature: 2 is not among`},
		"live and k":         {good + "cache: {live: true, k: 8}\n", `r.yaml:12:9: cache.live`},
		"sampled":            {edit("soft: 0.9", "sampled: true, soft: 0.9"), `set cache.samples`},
		"steps":              {edit("steps: 10", "steps: 0"), `r.yaml:10:3: train.steps: 0`},
		"rate":               {edit("lr: 1e-3", "lr: -1"), `train.lr: -1`},
		"rate NaN":           {edit("lr: 1e-3", "lr: .nan"), `train.lr: NaN`},
		"schedule":           {edit("lr: 1e-3", "schedule: step\n  lr: 1"), `r.yaml:11:3: train.schedule: "step"`},
		"precision":          {edit("lr: 1e-3", "precision: fp8\n  lr: 1"), `train.precision: "fp8"`},
		"finish type":        {good + "quantize: [q4_0]\nfinish: {type: q4_k, steps: 1, lr: 1}\n", `r.yaml:13:10: finish.type: q4_k can be read but not written: nothing can be trained`},
		"finish float":       {good + "quantize: [f16]\nfinish: {type: f16, steps: 1, lr: 1}\n", `finish.type: f16 needs no finish`},
		"finish alone":       {good + "finish: {type: q4_0, steps: 1, lr: 1}\n", `r.yaml:12:10: finish.type: q4_0 is not among quantize`},
		"finish steps":       {good + "quantize: [q4_0]\nfinish: {type: q4_0, lr: 1}\n", `finish.steps: 0`},
		"finish rate":        {good + "quantize: [q4_0]\nfinish: {type: q4_0, steps: 1, lr: 11}\n", `finish.lr: 11`},
		"gate finish":        {good + "gate: {finish: true}\n", `gate.finish: there is no finish`},
		"loss scale":         {edit("lr: 1e-3", "loss-scale: 8\n  lr: 1"), `train.loss-scale: is of train.precision fp16`},
		"loss scale range":   {edit("lr: 1e-3", "precision: fp16\n  loss-scale: .5\n  lr: 1"), `train.loss-scale: 0.5`},
		"lora rank":          {edit("lr: 1e-3", "lora: {alpha: 2}\n  lr: 1"), `train.lora.rank: 0`},
		"lora alpha":         {edit("lr: 1e-3", "lora: {rank: 2, alpha: -1}\n  lr: 1"), `train.lora.alpha: -1`},
		"lora match":         {edit("lr: 1e-3", "lora: {rank: 2, match: []}\n  lr: 1"), `train.lora.match: none`},
		"lora pattern":       {edit("lr: 1e-3", "lora: {rank: 2, match: [\"[\"]}\n  lr: 1"), `train.lora.match: "["`},
		"hidden cached":      {edit("temperature: 2", "temperature: 2, hidden: {kind: mse, weight: 1}"), `r.yaml:8:46: loss.hidden: only a live teacher`},
		"hidden kind":        {edit("temperature: 2", "temperature: 2, hidden: {kind: mean, weight: 1}"), `loss.hidden: loss: hidden states: kind "mean"`},
		"hidden weight":      {edit("temperature: 2", "temperature: 2, hidden: {kind: mse}"), `loss.hidden: loss: hidden states: weight 0`},
		"hidden layer":       {edit("temperature: 2", "temperature: 2, hidden: {kind: mse, weight: 1, layers: {1: -2}}") + "cache: {live: true}\n", `loss.hidden.layers: 1: -2`},
		"hidden layers":      {edit("temperature: 2", "temperature: 2, hidden: {kind: mse, weight: 1, layers: {}}") + "cache: {live: true}\n", `loss.hidden.layers: none`},
		"hidden on-policy":   {good + "on-policy: {rounds: 1, steps: 1, loss: {soft: 1, hard: 0, hidden: {kind: mse, weight: 1}}, generate: {sequences: 4, prompts: [a]}}\n", `on-policy.loss: hidden is of`},
		"pattern":            {edit("lr: 1e-3", "freeze: [\"[\"]\n  lr: 1"), `r.yaml:11:3: train.freeze`},
		"beta1":              {edit("lr: 1e-3", "beta1: 1.5\n  lr: 1"), `r.yaml:9:1: train: `},
		"no data":            {edit("files: [a.txt]", "length: 64"), `r.yaml:5:1: data: neither`},
		"no held-out text":   {edit("  held-out: 0.1\n", ""), `evaluate.files: no held-out text`},
		"prompts":            {edit("  files: [a.txt]\n  held-out: 0.1", "  generate: {sequences: 4}") + "evaluate: {files: [b.txt]}\n", `r.yaml:6:3: data.generate.prompts: none`},
		"type":               {good + "quantize: [q8_0, q9]\n", `r.yaml:12:1: quantize: `},
		"type without coder": {good + "quantize: [iq1_s]\n", `r.yaml:12:1: quantize: `},
		"order":              {good + "gate: {order: true}\n", `r.yaml:12:8: gate.order: needs baseline.hard`},
		"margin":             {good + "baseline: {margin: 0.2}\n", `set hard: true`},
		"size":               {edit("layers: 2", "size: big"), `r.yaml:4:3: student.size`},
		"cuts":               {edit("layers: 2", "prune-steps: 3"), `set student.between`},
		"between":            {edit("layers: 2", "between: 3"), `set student.prune-steps`},
		"rate without":       {edit("layers: 2", "rate: 3"), `set student.device`},
		"export":             {good + "export: q8_0\n", `r.yaml:12:1: export: "q8_0"`},
		"start":              {edit("layers: 2", "start: copy"), `r.yaml:4:3: student.start: "copy"`},
		"deep":               {"out: " + strings.Repeat("[", 100) + "\n", `nested deeper`},
		"long":               {strings.Repeat("# a\n", maxBytes/4+1), `longer than`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("r.yaml", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%v has no place", err)
			}
		})
	}
}

// TestLosses: every loss over logits can be written.
func TestLosses(t *testing.T) {
	for _, l := range []string{
		"{soft: 0.9, hard: 0.1, temperature: 2}",
		"{soft: 1, hard: 1, temperature: 3, reduction: mean}",
		"{soft: 1, hard: 1, temperature: 3, reduction: batchmean}",
		"{soft: 1, hard: 0, kind: reverse, temperature: 2}",
		"{soft: 1, hard: 0, kind: jsd, beta: 0.5, temperature: 2}",
		"{soft: 1, hard: 0, kind: skew, lambda: 0.1, temperature: 2}",
		"{soft: 1, hard: 0, kind: skew-reverse, lambda: 0.1, temperature: 2}",
		"{soft: 1, hard: 0, temperature: 2, unscaled: true}",
		"{soft: 1, hard: 0, temperature: 2, sampled: true}\ncache: {samples: 4}",
		"{soft: 0, hard: 1, temperature: 2}",
		"{soft: 1, hard: 0, hidden: {kind: mse, weight: 2, layers: {1: 2, 2: 4}}}\ncache: {live: true}",
		"{soft: 0, hard: 1, hidden: {kind: cosine, weight: 1}}\ncache: {live: true}",
	} {
		text := strings.Replace(good, "{soft: 0.9, hard: 0.1, temperature: 2}", l, 1)
		if _, err := Parse("r.yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
}

func TestOpen(t *testing.T) {
	path := t.TempDir() + "/r.yaml"
	if _, err := Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that there is none", err)
	}
	if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Open(path); err != nil || r.Path != path {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := Parse("r.yaml", b); err == nil && r.Out == "" {
			t.Error("a recipe without a folder")
		}
	})
}

// TestDocs: the example of docs/recipe.md is a recipe and names every key.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/recipe.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	if _, err := Parse("docs/recipe.md", []byte(text)); err != nil {
		t.Error(err)
	}
	var keys func(t reflect.Type) []string
	keys = func(t reflect.Type) (all []string) {
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil
		}
		for f := range t.Fields() {
			if k := f.Tag.Get("yaml"); k != "-" {
				all = append(append(all, k), keys(f.Type)...)
			}
		}
		return all
	}
	for _, k := range keys(reflect.TypeFor[Recipe]()) {
		if !strings.Contains(text, k+":") {
			t.Errorf("docs/recipe.md does not name %q", k)
		}
	}
}

// TestDemo: the committed recipes are recipes.
func TestDemo(t *testing.T) {
	files, err := filepath.Glob("../../testdata/recipes/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d recipes, %v", len(files), err)
	}
	for _, f := range files {
		if _, err := Open(f); err != nil {
			t.Error(err)
		}
	}
}
