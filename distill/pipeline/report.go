package pipeline

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"slices"

	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/train"
)

//go:embed report.tmpl
var reportText string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
	"mib":     mebibytes,
	"nats":    func(x float64) string { return fmt.Sprintf("%.4f", x) },
	"low":     func(x float64) bool { return x < cache.LowMass },
}).Parse(reportText))

func mebibytes(n int64) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) }

// report writes report.html: one file, no script, nothing from elsewhere.
func (p *Pipeline) report(e *Evaluation, checks []Check) error {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return err
	}
	raw := []byte{}
	if p.r.Path != "" {
		var err error
		if raw, err = os.ReadFile(p.r.Path); err != nil {
			return err
		}
	}
	view := struct {
		E        *Evaluation
		Checks   []Check
		Plan     planned
		Curves   []plot
		Bars     []plot
		Recipe   string
		Stages   []stageRow
		Captured []Captured
		Prompts  []prompted
	}{E: e, Checks: checks, Plan: x, Recipe: string(raw), Prompts: byPrompt(e.Samples)}
	var err error
	if view.Curves, err = p.curves(); err != nil {
		return err
	}
	if view.Stages, err = p.stageRows(); err != nil {
		return err
	}
	if view.Captured, err = p.captured(); err != nil {
		return err
	}
	for _, b := range []struct {
		title, unit string
		of          func(Score) float64
	}{
		{"Perplexity on held-out text", "", Score.Perplexity},
		{"KL divergence from the teacher on held-out text", "nats a token", func(s Score) float64 { return s.KL }},
		{"File size", "MiB", func(s Score) float64 { return float64(s.Bytes) / (1 << 20) }},
	} {
		view.Bars = append(view.Bars, bars(fmt.Sprint("b", len(view.Bars)), b.title, b.unit, e.Scores, b.of))
	}
	var b bytes.Buffer
	if err := reportTemplate.Execute(&b, view); err != nil {
		return err
	}
	return writeFile(p.path("report.html"), b.Bytes())
}

// prompted is what all models wrote after one prompt, side by side.
type prompted struct {
	Prompt  string
	Samples []Sample
}

func byPrompt(all []Sample) (out []prompted) {
	for _, s := range all {
		i := slices.IndexFunc(out, func(p prompted) bool { return p.Prompt == s.Prompt })
		if i < 0 {
			i = len(out)
			out = append(out, prompted{Prompt: s.Prompt})
		}
		out[i].Samples = append(out[i].Samples, s)
	}
	return out
}

// captured is the part of the teacher's mass that the finished cache holds.
func (p *Pipeline) captured() (out []Captured, err error) {
	if !p.cached() {
		return nil, nil
	}
	c, err := cache.Open(p.path(cacheFile))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for _, t := range c.Header().Temps {
		out = append(out, Captured{t, c.Captured(t)})
	}
	return out, nil
}

// stageRow is a stage as it was, beside the last estimate of it; "": not known.
type stageRow struct {
	Name                                           string
	Seconds, Memory, PlannedSeconds, PlannedMemory string
}

func (p *Pipeline) stageRows() (out []stageRow, err error) {
	var e Estimate
	b, err := os.ReadFile(p.path(estimateFile))
	if err == nil {
		err = json.Unmarshal(b, &e)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", p.path(estimateFile), err)
	}
	for _, s := range stages() {
		r := p.done[s.name]
		if r == nil {
			continue
		}
		row := stageRow{Name: s.name, Seconds: fmt.Sprintf("%.2f", r.Seconds)}
		if r.Peak > 0 {
			row.Memory = mebibytes(r.Peak)
		}
		for _, s := range e.Stages {
			if s.Name == row.Name && !s.Done {
				row.PlannedSeconds, row.PlannedMemory = fmt.Sprintf("%.2f", s.Seconds), mebibytes(s.Memory)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

// curves are the losses of all trainings. What goes on with a student is drawn
// behind the steps that it had.
func (p *Pipeline) curves() (out []plot, err error) {
	type run struct {
		name, title string
		steps       int
	}
	var runs []run
	if p.r.Baseline.Hard {
		runs = append(runs, run{hardName, hardName, 0})
	}
	last := run{studentName, studentName, p.r.Train.Steps}
	if o := p.r.OnPolicy; o.Rounds > 0 {
		runs = append(runs, run{offName, offName, p.r.Train.Steps})
		for i := 1; i < o.Rounds; i++ {
			name := fmt.Sprintf("round-%d", i)
			runs = append(runs, run{name, fmt.Sprintf("on-policy round %d", i), o.Steps})
		}
		last = run{studentName, fmt.Sprintf("on-policy round %d", o.Rounds), o.Steps}
	}
	runs = append(runs, last)
	if f := p.r.Finish; f != nil {
		runs = append(runs, run{finishedName, "finish in " + f.Type, f.Steps})
	}
	found := map[string][]curve{}
	from := 0
	for i, r := range runs {
		all, err := readMetrics(p.path("train", r.name, "metrics.jsonl"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, part := range []string{"hard", "soft", "hidden"} {
			c := curve{Name: r.title, Class: (i + 2) % classes} // a model has its color in all pictures
			for _, m := range all {
				if v, ok := m.Loss[part]; ok {
					c.X, c.Y = append(c.X, float64(from+m.Step)), append(c.Y, v)
				}
			}
			if len(c.X) > 0 {
				found[part] = append(found[part], c)
			}
		}
		from += r.steps
	}
	for _, c := range []struct{ part, title, unit string }{
		{"hard", "Cross-entropy with the next token while training", "nats a token"},
		{"soft", "Divergence from the teacher while training", "nats a token"},
		{"hidden", "Distance of hidden states from the teacher's while training", "distance"},
	} {
		if len(found[c.part]) > 0 {
			out = append(out, lines(c.part, c.title, c.unit, found[c.part]))
		}
	}
	return out, nil
}

func readMetrics(path string) (all []train.Metrics, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		var m train.Metrics
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, m)
	}
	return all, s.Err()
}
