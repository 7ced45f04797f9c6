package topic

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Batch is dialogs of equal length.
type Batch struct {
	X        []float32 // [turns*dialogs, width], all dialogs' first turns first
	Boundary []bool    // [turns*dialogs]: a topic begins here; of first turns without meaning
	Turns    int
	Dialogs  int
}

// Options of Train.
type Options struct {
	Next      func(step int) Batch
	Steps     int
	LR        float64 // of Adam, falling to 0 along a cosine
	Threads   int
	Threshold float64 // written into the file; 0: 0.5
	Progress  func(step int, loss float64)
}

// Train reads a tracker with a head from the file at from, trains it and writes it
// to the file at to.
func Train(ctx context.Context, from, to string, o Options) error {
	f, err := gguf.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	pool, err := kernel.New(kernel.Options{Threads: o.Threads})
	if err != nil {
		return err
	}
	defer pool.Close()
	dev := tape.New(pool, tape.Options{})
	defer dev.Close()
	m, err := model.NewTracker(f, dev)
	if err != nil {
		return err
	}
	if !m.Boundary() {
		return fmt.Errorf("topic: %s has no head", from)
	}
	p, err := dev.Params()
	if err != nil {
		return err
	}
	var table []optim.Param
	for _, e := range p.Table {
		table = append(table, optim.Param(e))
	}
	groups, err := optim.Groups(table, optim.Rules{})
	if err != nil {
		return err
	}
	state, grad := optim.NewState(0, len(p.Flat)), make([]float32, len(p.Flat))
	for step := range o.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		clear(grad)
		loss, err := Gradient(dev, m, o.Next(step), grad)
		if err != nil {
			return err
		}
		lr := o.LR * 0.5 * (1 + math.Cos(math.Pi*float64(step)/float64(o.Steps)))
		(optim.Options{}).Step(pool, state, p.Flat, grad, groups, optim.Update{LR: lr, Scale: optim.Clip(optim.Norm(pool, grad, groups), 1)})
		if o.Progress != nil {
			o.Progress(step, loss)
		}
	}
	threshold := o.Threshold
	if threshold == 0 {
		threshold = 0.5
	}
	return Write(to, m.Width(), threshold, func(name string) []float32 {
		for i, e := range p.Table {
			if e.Name == name {
				return p.Of(p.Flat, i)
			}
		}
		return nil
	})
}

// Gradient adds to grad that of the mean binary cross-entropy of a batch's turns
// but the first ones, and returns the mean.
func Gradient(dev *tape.Device, m *model.Tracker, b Batch, grad []float32) (loss float64, err error) {
	if b.Turns < 2 || len(b.Boundary) != b.Turns*b.Dialogs {
		return 0, errors.New("topic: a batch needs two turns or more, and a label of each")
	}
	in, err := m.Bind(b.X, b.Turns, b.Dialogs, nil)
	if err != nil {
		return 0, err
	}
	out, err := dev.Step(backend.StepKey{}, in, func(o backend.Ops) ([]backend.Tensor, error) { return m.Forward(o, in) })
	if err != nil {
		return 0, err
	}
	n := float64((b.Turns - 1) * b.Dialogs)
	for turn := 1; turn < b.Turns; turn++ {
		y := out[b.Turns+turn] // [dialogs, 1]
		dy, err := dev.Grad(y)
		if err != nil {
			return 0, err
		}
		for i, z := range y.Data {
			p := 1 / (1 + math.Exp(-float64(z)))
			want := 0.0
			if b.Boundary[turn*b.Dialogs+i] {
				want = 1
			}
			// log(1+e^z) - want·z, without overflow
			loss += (max(float64(z), 0) + math.Log1p(math.Exp(-math.Abs(float64(z)))) - want*float64(z)) / n
			dy[i] += float32((p - want) / n)
		}
	}
	return loss, dev.Backward(grad)
}
