package pipeline

import (
	"context"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sample"

	"github.com/qwq-edge/qwq/distill"
)

// Evaluation is the result of evaluate, and the content of evaluate.json.
type Evaluation struct {
	Scores      []Score      `json:"scores"` // teacher, start, hard-label, student, quantized ones
	Differences []Difference `json:"differences"`
	Samples     []Sample     `json:"samples"`
	// Words is the share of the words of the students' samples (the distilled one
	// and what was quantized of it) that the training text has.
	Words   float64  `json:"words"`
	Strange []string `json:"strange_words,omitempty"`
}

// Difference is the nats a token of B less those of A.
type Difference struct {
	A, B   string
	Nats   float64 `json:"nats"`
	StdErr float64 `json:"stderr"` // over rows of text, paired
}

// Sample is what a model writes after a prompt.
type Sample struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	Text   string `json:"text"`
	whole  bool   // ended by itself
}

// Score is the score of a model, nil when it was not measured.
func (e *Evaluation) Score(name string) *Score {
	for i := range e.Scores {
		if e.Scores[i].Name == name {
			return &e.Scores[i]
		}
	}
	return nil
}

func (p *Pipeline) evaluateInputs() (any, error) {
	return []any{p.r.Evaluate, p.r.Baseline.Hard, p.models(), p.r.Seed}, nil
}

// models are the names of what is measured.
func (p *Pipeline) models() []string {
	names := []string{"teacher", "start"}
	if p.r.Baseline.Hard {
		names = append(names, hardName)
	}
	if p.r.OnPolicy.Rounds > 0 {
		names = append(names, offName)
	}
	names = append(names, studentName)
	for _, t := range p.r.Quantize {
		names = append(names, studentName+"-"+t)
		if n := p.shippedName(t); n != names[len(names)-1] {
			names = append(names, n)
		}
	}
	return names
}

// evaluate measures all models on held-out text and lets them write.
func (p *Pipeline) evaluate(ctx context.Context) ([]string, any, error) {
	var e Evaluation
	var err error
	if e.Scores, err = p.score(ctx, p.models()); err != nil {
		return nil, nil, err
	}
	for i := 1; i < len(e.Scores); i++ {
		for _, j := range []int{0, i - 1} {
			if j == 0 && i == 1 && len(e.Differences) > 0 {
				continue
			}
			d := Difference{A: e.Scores[j].Name, B: e.Scores[i].Name}
			d.Nats, d.StdErr = paired(e.Scores[j], e.Scores[i])
			e.Differences = append(e.Differences, d)
		}
	}
	free() // the logits of all models, before one of them is opened again
	for i, name := range p.models() {
		if err := p.write(ctx, name, &e); err != nil {
			return nil, nil, err
		}
		p.o.Progress(int64(i+1), int64(len(p.models())), "models", "writing samples")
	}
	if err := p.words(&e); err != nil {
		return nil, nil, err
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	return []string{"evaluate.json"}, e, writeFile(p.path("evaluate.json"), append(b, '\n'))
}

// write adds a model's samples.
func (p *Pipeline) write(ctx context.Context, name string, e *Evaluation) error {
	if len(p.r.Evaluate.Samples) == 0 {
		return nil
	}
	path := p.path(name + ".gguf")
	if name == "teacher" {
		var x planned
		if err := p.result("plan", &x); err != nil {
			return err
		}
		if p.r.Teacher.Served() {
			return p.writeServed(ctx, x, e)
		}
		path = p.teacherPath(x)
	}
	m, err := engine.Open(path, engine.Options{Threads: p.r.Threads, Sequences: 1})
	if err != nil {
		return err
	}
	defer m.Close()
	for i, prompt := range p.r.Evaluate.Samples {
		s := Sample{Model: name, Prompt: prompt, whole: true}
		n := 0
		for t, err := range m.Generate(ctx, engine.Request{Prompt: prompt, MaxTokens: p.r.Evaluate.Tokens,
			Sampling: sample.Options{Temperature: p.r.Evaluate.Temp, Seed: p.r.Seed + uint64(i)}}) {
			if err != nil {
				return err
			}
			s.Text += t.Text
			n++
		}
		s.whole = n < p.r.Evaluate.Tokens
		e.Samples = append(e.Samples, s)
	}
	return nil
}

// writeServed adds the samples of a teacher behind an API.
func (p *Pipeline) writeServed(ctx context.Context, x planned, e *Evaluation) error {
	h, err := teacher.Dial(ctx, p.httpOptions(x.Vocab))
	if err != nil {
		return err
	}
	for i, prompt := range p.r.Evaluate.Samples {
		text, err := h.Complete(ctx, prompt, p.r.Evaluate.Tokens, p.r.Evaluate.Temp, p.r.Seed+uint64(i))
		if err != nil {
			return err
		}
		e.Samples = append(e.Samples, Sample{Model: "teacher", Prompt: prompt, Text: text})
	}
	return nil
}

// words compares the students' words with the training text's.
func (p *Pipeline) words(e *Evaluation) error {
	if len(e.Samples) == 0 {
		return nil
	}
	known, err := p.trainingWords()
	if err != nil {
		return err
	}
	all, found := 0, 0
	for _, s := range e.Samples {
		if !strings.HasPrefix(s.Model, studentName) {
			continue
		}
		w := words(s.Prompt + s.Text)
		if !s.whole && len(w) > 0 {
			w = w[:len(w)-1] // the last may be cut
		}
		for _, w := range w {
			all++
			if known[w] {
				found++
			} else {
				e.Strange = append(e.Strange, w)
			}
		}
	}
	if all > 0 {
		e.Words = float64(found) / float64(all)
	}
	return nil
}

// trainingWords are the words of the training rows.
func (p *Pipeline) trainingWords() (map[string]bool, error) {
	tok, err := p.ownTokenizer()
	if err != nil {
		return nil, err
	}
	rows, err := p.rows()
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string]bool{}
	var b distill.Batch
	for i := range rows.Len(data.Train) {
		if err := rows.Batch(data.Train, []int{i}, &b); err != nil {
			return nil, err
		}
		at := 0
		for _, n := range b.Docs {
			for _, w := range words(tok.Decode(b.IDs[at:at+int(n)], true)) {
				known[w] = true
			}
			at += int(n)
		}
	}
	return known, nil
}

// words are the runs of letters of a text, in lower case.
func words(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
}
