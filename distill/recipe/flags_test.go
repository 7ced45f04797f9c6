package recipe

import (
	"strings"
	"testing"
)

// TestFlags: a flag takes the place of the recipe's sizes, and a mistake in it is
// the flag's, not a line's of the file.
func TestFlags(t *testing.T) {
	sized := strings.Replace(good, "  layers: 2", "  layers: 2\n  hidden: 64\n  prune-steps: 2\n  between: 5", 1)
	parse := func(flags ...Flag) (*Recipe, error) { return Parse("r.yaml", []byte(sized), flags...) }
	size, layers := Flag{"--student", "student.size", "30M"}, Flag{"--student-layers", "student.layers", "3"}
	config, device := Flag{"--student-config", "student.config", "c.json"}, Flag{"--target-device", "student.device", "pi-4"}

	r, err := parse(size, layers, device)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Student; s.Size != "30M" || s.Layers != 3 || s.Hidden != 0 || s.Device != "pi-4" || s.PruneSteps != 2 || !r.Has("student.device") || r.Has("student.hidden") {
		t.Errorf("size, layers and device: %+v", s)
	}
	if r, err = parse(layers); err != nil || r.Student.Layers != 3 || r.Student.Hidden != 64 {
		t.Errorf("layers alone: %+v, %v", r, err)
	}
	if r, err = parse(config); err != nil || r.Student.Config != "c.json" || r.Student.Start != "random" || r.Student.Layers != 0 || r.Student.PruneSteps != 1 {
		t.Errorf("configuration: %+v, %v", r, err)
	}
	for want, flags := range map[string][]Flag{
		`--student: student.size: `:                     {{"--student", "student.size", "big"}},
		`--student-layers: "many" is no number`:         {{"--student-layers", "student.layers", "many"}},
		`--student-layers: the student's configuration`: {config, layers},
		`--x: sets no key`:                              {{"--x", "train.lr", "1"}},
	} {
		if _, err := parse(flags...); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", flags, err, want)
		}
	}
	if got := r.Errorf("student.config", "no such file").Error(); got != "--student-config: student.config: no such file" {
		t.Errorf("got %s", got)
	}
	if got := r.Errorf("data.files", "no such file").Error(); got != "r.yaml:9:3: data.files: no such file" {
		t.Errorf("got %s", got)
	}
}

// TestServed: what a server cannot say is refused before it is asked.
func TestServed(t *testing.T) {
	served := strings.NewReplacer("model: teacher.gguf", "model: big, url: http://h/v1, tokenizer: t", "layers: 2", "config: c.json", "temperature: 2", "temperature: 1").Replace(good)
	if r, err := Parse("r.yaml", []byte(served)); err != nil || r.Cache.K != 20 || !r.Teacher.Served() || r.Student.Start != "random" {
		t.Fatalf("%+v, %v", r, err)
	}
	for want, edit := range map[string][2]string{
		"r.yaml:8:":                      {"temperature: 1", "temperature: 2"},
		"student.config: missing":        {"config: c.json", "start: random"},
		"teacher.tokenizer: missing":     {", tokenizer: t", ""},
		"set teacher.url":                {", url: http://h/v1", ""},
		"teacher.type":                   {"model: big", "model: big, type: f16"},
		"data.generate: needs a teacher": {"files: [a.txt]\n  held-out: 0.1", "generate: {sequences: 4, prompts: [a]}\nevaluate: {files: [b.txt]}"},
		"cache.samples":                  {"loss:", "cache: {samples: 2}\nloss:"},
		"student.config says all sizes":  {"config: c.json", "config: c.json\n  hidden: 64"},
		"starts at random":               {"config: c.json", "config: c.json\n  start: prune"},
		"on-policy.rounds: missing":      {"loss:", "on-policy: {steps: 2}\nloss:"},
		"on-policy.generate.prompts: nu": {"loss:", "on-policy: {rounds: 1, steps: 2, generate: {sequences: 4, prompts: [a, '']}}\nloss:"},
		"on-policy.loss: soft is 0":      {"loss:", "on-policy: {rounds: 1, steps: 2, loss: {soft: 0, hard: 1}, generate: {sequences: 4, prompts: [a]}}\nloss:"},
		"on-policy.loss: soft and hard":  {"loss:", "on-policy: {rounds: 1, steps: 2, loss: {soft: 1}, generate: {sequences: 4, prompts: [a]}}\nloss:"},
		"data.separator: is about files": {"files: [a.txt]\n  held-out: 0.1", "separator: x\n  generate: {sequences: 4, prompts: [a]}\nevaluate: {files: [b.txt]}"},
		"student.vocab: -3":              {"config: c.json", "config: c.json\n  vocab: -3"},
	} {
		text := strings.Replace(served, edit[0], edit[1], 1)
		if strings.Contains(want, "separator") {
			text = strings.Replace(good, edit[0], edit[1], 1)
		}
		if _, err := Parse("r.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	if _, err := Parse("r.yaml", []byte(good+"on-policy: {rounds: 2, steps: 5, generate: {sequences: 4, prompts: [a]}}\n")); err != nil {
		t.Error(err)
	}
}
