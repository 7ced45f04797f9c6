package contrast

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/distill/optim"
)

// Training says how a model is trained.
type Training struct {
	Schedule optim.Schedule
	Adam     optim.Options
	Rules    optim.Rules
	Clip     float64 // the longest gradient; 0: any
}

// Trainer takes steps. Its updates depend on the batches alone.
type Trainer struct {
	m      *Model
	o      Training
	groups []optim.Group
	state  *optim.State
	grad   []float32
}

// maxLogScale is ln 100, the bound that CLIP's authors set.
const maxLogScale = 4.6051702

// Trainer begins a training of m.
func (m *Model) Trainer(o Training) (*Trainer, error) {
	if err := o.Schedule.Check(); err != nil {
		return nil, err
	}
	if err := o.Adam.Check(); err != nil {
		return nil, err
	}
	var params []optim.Param
	for _, p := range m.params.Table {
		params = append(params, optim.Param{Name: p.Name, Rows: p.Rows, Cols: p.Cols, Off: p.Off})
	}
	groups, err := optim.Groups(params, o.Rules)
	if err != nil {
		return nil, err
	}
	n := len(m.params.Flat)
	return &Trainer{m: m, o: o, groups: groups, state: optim.NewState(0, n), grad: make([]float32, n)}, nil
}

// Step learns from a batch and returns the loss before it, in nats.
func (t *Trainer) Step(b *Batch) (float64, error) {
	clear(t.grad)
	loss, err := t.m.Grad(b, t.grad)
	if err != nil {
		return 0, err
	}
	norm := optim.Norm(t.m.pool, t.grad, t.groups)
	if math.IsNaN(norm) || math.IsInf(norm, 0) || math.IsNaN(loss) {
		return 0, fmt.Errorf("contrast: step %d: loss %g with a gradient of length %g", t.state.Steps, loss, norm)
	}
	t.o.Adam.Step(t.m.pool, t.state, t.m.params.Flat, t.grad, t.groups, optim.Update{LR: t.o.Schedule.LR(t.state.Steps), Scale: optim.Clip(norm, t.o.Clip)})
	s := t.m.logScale()
	*s = min(*s, maxLogScale)
	return loss, nil
}

// Steps is how many were taken.
func (t *Trainer) Steps() int { return t.state.Steps }
