package model

import (
	"fmt"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// Tracker is the article's tracker of a dialog's state: a GRU that starts every
// turn from zeros, and an update of the state.
//
//	r = σ(Wr·x + br + hr)   z = σ(Wz·x + bz + hz)   n = tanh(Wn·x + bn + r·hn)
//	g = (1 - z)·n           state = tanh(Wi·g + Wh·history + b)
//
// h are the GRU's biases of the hidden side, all that zeros leave of it. A file
// may have a head: boundary = v·state + c, the logit of a topic having ended.
//
//	t, err := model.NewTracker(f, dev)
//	states, _, err := t.Run(x, turns, 1, nil)
type Tracker struct {
	dev      backend.Device
	mod      arch.Module
	id       uint64
	gates    [3]affine      // reset, update, new
	hidden   backend.Weight // [3, width]
	input    affine
	history  backend.Weight
	boundary affine // w nil: none
}

// NewTracker binds a qwq-seed file of kind dialog to a device.
func NewTracker(f *gguf.File, dev backend.Device) (*Tracker, error) {
	mod, err := arch.ReadModule(f)
	if err != nil {
		return nil, err
	}
	if mod.Kind != arch.KindDialog {
		return nil, f.Errorf(arch.Key(arch.KeyKind, arch.Seed), "is %s, want %s", mod.Kind, arch.KindDialog)
	}
	l := &loader{f: f, dev: dev}
	t := &Tracker{dev: dev, mod: mod, id: lastID.Add(1)}
	t.gates = [3]affine{l.affine("gru.reset"), l.affine("gru.update"), l.affine("gru.new")}
	t.hidden = l.need("gru.hidden.bias")
	t.input = affine{l.need("state.input.weight"), l.need("state.bias")}
	t.history = l.need("state.history.weight")
	if mod.Boundary {
		t.boundary = l.affine("boundary")
	}
	return t, l.err
}

// Width is that of a turn's vector and of the state.
func (t *Tracker) Width() int { return t.mod.Hidden }

// Module is the file's sizes.
func (t *Tracker) Module() arch.Module { return t.mod }

// Boundary says whether there is a head for boundaries.
func (t *Tracker) Boundary() bool { return t.mod.Boundary }

// Bind makes the inputs of a step over x: [turns*batch, width], turn after turn.
// history: [batch, width], nil: zeros.
//
// A step has one input tensor, so the history follows x in it, and a row of -1:
// that makes 1-z. The indices that Forward needs lie in the slices of Inputs.
func (t *Tracker) Bind(x []float32, turns, batch int, history []float32) (*backend.Inputs, error) {
	d := t.mod.Hidden
	n := turns * batch
	if turns < 1 || batch < 1 || turns > maxContext/batch || len(x) != n*d || history != nil && len(history) != batch*d {
		return nil, fmt.Errorf("model: tracker of width %d: %d turns of %d with %d values, history of %d", d, turns, batch, len(x), len(history))
	}
	e := make([]float32, (n+batch+1)*d)
	copy(e, x)
	copy(e[n*d:], history)
	for i := range d {
		e[(n+batch)*d+i] = -1
	}
	in := &backend.Inputs{Embeds: backend.Tensor{Rows: n + batch + 1, Cols: d, Data: e}}
	for i := range n {
		in.IDs = append(in.IDs, int32(i))
		in.Segments = append(in.Segments, int32(n+batch))
	}
	for i := range batch {
		in.Rows = append(in.Rows, int32(n+i))
	}
	for gate := range t.gates {
		for range n {
			in.Positions = append(in.Positions, int32(gate))
		}
	}
	return in, nil
}

// Forward returns the state after each turn, [batch, width] each, and after them,
// where there is a head, the boundary's logits of each turn, [batch, 1].
func (t *Tracker) Forward(o backend.Ops, in *backend.Inputs) ([]backend.Tensor, error) {
	n, batch := len(in.IDs), len(in.Rows)
	x := o.Input()
	state := o.Rows(x, in.Rows)
	minus := o.Rows(x, in.Segments)
	x = o.Rows(x, in.IDs)
	gate := func(i int) backend.Tensor { // of the input side
		return t.gates[i].of(o, x)
	}
	bias := func(i int) backend.Tensor { return o.Embed(t.hidden, in.Positions[i*n:(i+1)*n]) }
	r := o.Act(o.Add(gate(0), bias(0)), backend.Sigmoid)
	z := o.Act(o.Add(gate(1), bias(1)), backend.Sigmoid)
	c := o.Act(o.Add(gate(2), o.Mul(r, bias(2))), backend.Tanh)
	g := o.Add(o.Mul(o.Mul(z, c), minus), c)
	g = t.input.of(o, g)
	var states, logits []backend.Tensor
	for turn := range n / batch {
		state = o.Linear(state, t.history, nil)
		state = o.Act(o.Add(state, o.Rows(g, in.IDs[turn*batch:(turn+1)*batch])), backend.Tanh)
		states = append(states, state)
		if t.boundary.w != nil {
			logits = append(logits, t.boundary.of(o, state))
		}
	}
	return append(states, logits...), nil
}

// Run is the states after each turn, [turns*batch, width], and where there is a
// head the boundary's logits, [turns*batch].
func (t *Tracker) Run(x []float32, turns, batch int, history []float32) (states, boundary []float32, err error) {
	in, err := t.Bind(x, turns, batch, history)
	if err != nil {
		return nil, nil, err
	}
	key := backend.StepKey{Model: t.id, Rows: len(in.IDs), Seqs: batch}
	out, err := t.dev.Step(key, in, func(o backend.Ops) ([]backend.Tensor, error) { return t.Forward(o, in) })
	if err != nil {
		return nil, nil, err
	}
	for i, y := range out {
		v, err := t.dev.Host(y)
		if err != nil {
			return nil, nil, err
		}
		if i < turns {
			states = append(states, v...)
		} else {
			boundary = append(boundary, v...)
		}
	}
	return states, boundary, nil
}
