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
	"math"
	"os"
	"strings"

	"github.com/qwq-edge/qwq/distill/train"
)

//go:embed report.tmpl
var reportText string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
	"mib":     func(n int64) string { return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20)) },
	"nats":    func(x float64) string { return fmt.Sprintf("%.4f", x) },
}).Parse(reportText))

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
		E       *Evaluation
		Checks  []Check
		Plan    planned
		Curves  []plot
		Bars    []plot
		Recipe  string
		Stages  []*record
		Prompts []string
	}{E: e, Checks: checks, Plan: x, Recipe: string(raw), Prompts: p.r.Evaluate.Samples}
	for _, s := range stages() {
		if r := p.done[s.name]; r != nil {
			view.Stages = append(view.Stages, r)
		}
	}
	curves := map[string][]curve{}
	for _, name := range []string{hardName, studentName, finishedName} {
		all, err := readMetrics(p.path("train", name, "metrics.jsonl"))
		if errors.Is(err, fs.ErrNotExist) || name == hardName && !p.r.Baseline.Hard || name == finishedName && p.r.Finish == nil {
			continue
		} else if err != nil {
			return err
		}
		for _, part := range []string{"hard", "soft", "hidden"} {
			c := curve{Name: name}
			for _, m := range all {
				if v, ok := m.Loss[part]; ok {
					c.X, c.Y = append(c.X, float64(m.Step)), append(c.Y, v)
				}
			}
			if len(c.X) > 0 {
				curves[part] = append(curves[part], c)
			}
		}
	}
	titles := map[string]string{"hard": "Cross-entropy with the next token while training, nats", "soft": "Divergence from the teacher while training, nats",
		"hidden": "Distance of hidden states from the teacher's while training"}
	for _, part := range []string{"hard", "soft", "hidden"} {
		if len(curves[part]) > 0 {
			view.Curves = append(view.Curves, lines(titles[part], curves[part]))
		}
	}
	for _, b := range []struct {
		title string
		of    func(Score) float64
	}{
		{"Perplexity on held-out text", Score.Perplexity},
		{"KL from the teacher on held-out text, nats a token", func(s Score) float64 { return s.KL }},
		{"File size, MiB", func(s Score) float64 { return float64(s.Bytes) / (1 << 20) }},
	} {
		view.Bars = append(view.Bars, bars(b.title, e.Scores, b.of))
	}
	var b bytes.Buffer
	if err := reportTemplate.Execute(&b, view); err != nil {
		return err
	}
	return writeFile(p.path("report.html"), b.Bytes())
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

// plot is a picture of 640 x 240 units.
type plot struct {
	Title  string
	Lines  []line
	Bars   []bar
	Labels []label
	Height int
}

type curve struct {
	Name string
	X, Y []float64
}

type line struct{ Points, Color, Name string }

type bar struct {
	Y            int
	Width        float64
	Name, Value  string
	Color        string
	TextY, TextX float64
}

type label struct {
	X, Y   float64
	Text   string
	Anchor string
}

var colors = []string{"#888888", "#0b6e99", "#c4561b", "#3a7d34", "#7a4fa3", "#a33b53", "#555555"}

const (
	left, top, width, height = 56.0, 12.0, 570.0, 200.0
	most                     = 400 // points of a line
)

// lines draws curves over steps.
func lines(title string, cs []curve) plot {
	p := plot{Title: title, Height: 240}
	lo, hi, last := math.Inf(1), math.Inf(-1), 1.0
	for i := range cs {
		cs[i] = thin(cs[i])
		for k, y := range cs[i].Y {
			lo, hi, last = min(lo, y), max(hi, y), max(last, cs[i].X[k])
		}
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	for i, c := range cs {
		var b strings.Builder
		for k, y := range c.Y {
			fmt.Fprintf(&b, "%.1f,%.1f ", left+width*c.X[k]/last, top+height*(hi-y)/(hi-lo))
		}
		p.Lines = append(p.Lines, line{b.String(), colors[(i+1)%len(colors)], c.Name})
	}
	for i := range 5 {
		f := float64(i) / 4
		p.Labels = append(p.Labels, label{left - 6, top + height*f + 4, fmt.Sprintf("%.3g", hi-(hi-lo)*f), "end"},
			label{left + width*f, top + height + 18, fmt.Sprintf("%.0f", last*f), "middle"})
	}
	return p
}

// thin takes the means of neighbours where there are too many points.
func thin(c curve) curve {
	n := len(c.X)
	if n <= most {
		return c
	}
	out := curve{Name: c.Name}
	for i := range most {
		lo, hi := i*n/most, (i+1)*n/most
		sum := 0.0
		for _, y := range c.Y[lo:hi] {
			sum += y
		}
		out.X, out.Y = append(out.X, c.X[hi-1]), append(out.Y, sum/float64(hi-lo))
	}
	return out
}

// bars draws one bar for each model.
func bars(title string, scores []Score, of func(Score) float64) plot {
	p := plot{Title: title, Height: 24*len(scores) + 8}
	most := 0.0
	for _, s := range scores {
		most = max(most, of(s))
	}
	for i, s := range scores {
		w := 0.0
		if most > 0 {
			w = 380 * of(s) / most
		}
		p.Bars = append(p.Bars, bar{Y: 4 + 24*i, Width: w, Name: s.Name, Value: fmt.Sprintf("%.4g", of(s)), Color: colors[i%len(colors)],
			TextY: float64(4+24*i) + 14, TextX: 166 + w})
	}
	return p
}
