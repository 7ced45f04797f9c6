package dialog

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Tracker is the weights of a qwq-seed file of kind dialog.
type Tracker struct {
	mu    sync.Mutex // of the device
	dev   *backend.CPU
	file  *gguf.File
	model *model.Tracker
}

// Open opens a tracker's file; Close ends it.
func Open(path string, o backend.CPUOptions) (*Tracker, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	t := &Tracker{file: f}
	if t.dev, err = backend.NewCPU(o); err == nil {
		t.model, err = model.NewTracker(f, t.dev)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Close frees the file and the threads. It must not run during a Turn.
func (t *Tracker) Close() error {
	var err error
	if t.dev != nil {
		err = t.dev.Close()
	}
	return errors.Join(err, t.file.Close())
}

// Width is that of a turn's vector.
func (t *Tracker) Width() int { return t.model.Width() }

// Topics says whether the file has the head that finds where a topic ends; without
// it a session is one topic.
func (t *Tracker) Topics() bool { return t.model.Boundary() }

// Turn takes the next turn of a session into its state: x is the turn's vector, the
// mean of its sentences', [Width]; tokens is its length in the model's window. On an
// error s is what it was.
func (t *Tracker) Turn(s *State, x []float32, tokens int) (Turn, error) {
	d := t.model.Width()
	switch {
	case len(x) != d:
		return Turn{}, fmt.Errorf("dialog: a turn's vector has %d values, the tracker's width is %d", len(x), d)
	case s.Vector != nil && len(s.Vector) != d:
		return Turn{}, fmt.Errorf("dialog: the session's state has %d values, the tracker's width is %d", len(s.Vector), d)
	case tokens < 0 || tokens > maxTokens:
		return Turn{}, fmt.Errorf("dialog: a turn of %d tokens", tokens)
	}
	unit, err := normalized(x)
	if err != nil {
		return Turn{}, err
	}
	t.mu.Lock()
	state, logit, err := t.model.Run(unit, 1, 1, s.Vector)
	t.mu.Unlock()
	if err != nil {
		return Turn{}, err
	}
	turn := Turn{Index: s.Next, Tokens: tokens, Topic: s.topic(), Vector: unit}
	if len(logit) > 0 && len(s.Turns) > 0 {
		turn.Boundary = float32(1 / (1 + math.Exp(-float64(logit[0]))))
		if turn.Shift = float64(turn.Boundary) > t.model.Module().Threshold; turn.Shift {
			turn.Topic++
		}
	}
	s.Vector = state
	s.add(turn)
	return turn, nil
}

// normalized is x scaled to length 1; zeros stay.
func normalized(x []float32) ([]float32, error) {
	sum := 0.0
	for i, v := range x {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return nil, fmt.Errorf("dialog: value %d of a turn's vector is %v", i, v)
		}
		sum += float64(v) * float64(v)
	}
	by := 1 / max(math.Sqrt(sum), 1e-12)
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = float32(float64(v) * by)
	}
	return y, nil
}
