package model

import (
	"errors"
	"fmt"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

var (
	errNotPooled = errors.New("model: a decoder has no pooled output")
	errNoPooler  = errors.New("model: this encoder has no pooler (tensor \"cls.weight\")")
	errNoHead    = errors.New("model: this encoder has no masked-token head and no classifier, it gives hidden states and embeddings only")
)

// loader hands the tensors of a checked file to a device and keeps the first
// error.
type loader struct {
	f    *gguf.File
	dev  backend.Device
	cfg  arch.Hyper
	rope *backend.Rope
	f32  bool // every matrix so far
	err  error
}

// newLoader reads the metadata and compares every tensor with the
// architecture's table: a model that is more than its table would give wrong
// answers silently.
func newLoader(f *gguf.File, dev backend.Device) (*loader, error) {
	h, err := arch.ReadHyper(f)
	if err != nil {
		return nil, err
	}
	if err := h.Arch.CheckFile(f, h); err != nil {
		return nil, err
	}
	if h.Rope.Scaling == "yarn" && h.Rope.Theta <= 1 {
		return nil, f.Errorf(arch.Key(arch.KeyTheta, h.Arch.Name), "is %v, yarn needs more than 1", h.Rope.Theta)
	}
	l := &loader{f: f, dev: dev, cfg: h, f32: true}
	var factors []float32
	if t := f.Tensor("rope_freqs.weight"); t != nil {
		if factors, err = ropeFactors(t); err != nil {
			return nil, err
		}
	}
	if !h.Arch.Encoder {
		l.rope = newRope(h, factors)
	}
	return l, nil
}

// need is the weight of a tensor that must be there.
func (l *loader) need(name string, layer ...any) backend.Weight {
	w := l.maybe(name, layer...)
	if w == nil && l.err == nil {
		l.err = fmt.Errorf("model: %s: tensor %q is missing", l.f.Path(), fmt.Sprintf(name, layer...))
	}
	return w
}

// maybe is the weight of a tensor, or nil when there is none.
func (l *loader) maybe(name string, layer ...any) backend.Weight {
	if len(layer) > 0 {
		name = fmt.Sprintf(name, layer...)
	}
	t := l.f.Tensor(name)
	if t == nil || l.err != nil {
		return nil
	}
	m, err := t.Matrix()
	if err == nil {
		l.f32 = l.f32 && (m.Type == quant.F32 || len(t.Dims) == 1)
		var w backend.Weight
		if w, err = l.dev.Weight(name, m); err == nil {
			return w
		}
	}
	l.err = err
	return nil
}

// ropeFactors reads rope_freqs.weight: the divisor of each frequency.
func ropeFactors(t *gguf.Tensor) ([]float32, error) {
	m, err := t.Matrix()
	if err != nil {
		return nil, err
	}
	f := make([]float32, m.Cols)
	if err := quant.Decode(m.Type, f, m.Data); err != nil {
		return nil, fmt.Errorf("model: %s: tensor %q: %w", t.Path(), t.Name, err)
	}
	for i, x := range f {
		if !(x > 0) || x > 1e30 {
			return nil, fmt.Errorf("model: %s: tensor %q: value %v at %d is no divisor", t.Path(), t.Name, x, i)
		}
	}
	return f, nil
}
