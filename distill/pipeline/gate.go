package pipeline

import (
	"context"
	"fmt"
	"math"
	"strings"
)

func (p *Pipeline) gateInputs() (any, error) { return []any{p.r.Gate, p.r.Loss, p.r.Train}, nil }

// Check is one condition of the gate.
type Check struct {
	Name string `json:"name"`
	Text string `json:"text"` // the numbers
	OK   bool   `json:"ok"`
}

// GateError lists the conditions that do not hold.
type GateError struct{ Failed []Check }

// Error is one line.
func (e *GateError) Error() string {
	var s []string
	for _, c := range e.Failed {
		s = append(s, c.Name+": "+c.Text)
	}
	return "not good enough: " + strings.Join(s, "; ")
}

// Evaluation is what the models measured; after Run.
func (p *Pipeline) Evaluation() (*Evaluation, error) {
	if p.done["evaluate"] == nil {
		return nil, nil
	}
	var e Evaluation
	err := p.result("evaluate", &e)
	return &e, err
}

// gate checks the recipe's conditions and writes the report, which a run that
// fails here has too.
func (p *Pipeline) gate(context.Context) ([]string, any, error) {
	e, err := p.Evaluation()
	if err != nil {
		return nil, nil, err
	}
	checks := p.checks(e)
	if err := p.report(e, checks); err != nil {
		return nil, nil, err
	}
	var failed []Check
	for _, c := range checks {
		if !c.OK {
			failed = append(failed, c)
		}
	}
	if failed != nil {
		return nil, nil, &GateError{failed}
	}
	return []string{"report.html"}, checks, nil
}

// checks compares the evaluation with the recipe's gate.
func (p *Pipeline) checks(e *Evaluation) (out []Check) {
	add := func(name string, ok bool, format string, a ...any) {
		out = append(out, Check{name, fmt.Sprintf(format, a...), ok})
	}
	g := p.r.Gate
	start, hard, st, t := e.Score("start"), e.Score(hardName), e.Score(studentName), e.Score("teacher")
	if g.Order {
		add("order", start.Nats > hard.Nats && hard.Nats > st.Nats, "start %.4f > hard-label %.4f > distilled %.4f nats a token", start.Nats, hard.Nats, st.Nats)
	}
	if g.Closes != nil {
		part := (hard.Nats - st.Nats) / (hard.Nats - t.Nats)
		add("closes", part >= *g.Closes, "%.1f %% of the gap from hard-label to teacher, wanted %.1f %%", 100*part, 100**g.Closes)
	}
	if g.Quantize != nil {
		for _, q := range p.r.Quantize {
			s := e.Score(p.shippedName(q))
			rel := math.Abs(s.Nats-st.Nats) / st.Nats
			add(q, rel <= *g.Quantize, "%.4f nats, %.3f %% from %.4f, at most %.3f %%", s.Nats, 100*rel, st.Nats, 100**g.Quantize)
		}
	}
	if f := p.r.Finish; g.Finish {
		plain, s := e.Score(studentName+"-"+f.Type), e.Score(p.shippedName(f.Type))
		add("finish", s.Nats < plain.Nats, "%.4f nats, %.4f where %s was rounded only", s.Nats, plain.Nats, f.Type)
	}
	if g.KL != nil {
		add("kl", st.KL <= *g.KL, "%.4f nats from the teacher, at most %.4f", st.KL, *g.KL)
	}
	if g.Words != nil {
		add("words", e.Words >= *g.Words, "%.1f %% of the written words are in the training text, wanted %.1f %%; not there: %s",
			100*e.Words, 100**g.Words, strings.Join(e.Strange, " "))
	}
	return out
}
