package teacher

import (
	"context"
	"fmt"
	"slices"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// checkLayers is about Options.Layers of a model of some layers.
func (o Options) checkLayers(layers int) error {
	for _, l := range o.Layers {
		if l < 0 || l > layers {
			return fmt.Errorf("states after layer %d of %d", l, layers)
		}
	}
	return nil
}

// keep copies the states that are asked for: out is the hidden states after the
// norm, then those of all layers.
func (e *Engine) keep(out []backend.Tensor) error {
	e.states = slices.Grow(e.states, len(e.o.Layers))[:len(e.o.Layers)]
	for i, layer := range e.o.Layers {
		x, err := e.dev.Host(out[1+layer])
		if err != nil {
			return err
		}
		e.states[i] = append(e.states[i][:0], x...)
	}
	return nil
}

// Width is the length of a state.
func (e *Engine) Width() int { return e.mdl.Hyper().Hidden }

// States appends to dst the states of positions lo to hi-1 of b after the layer that
// is number i of Options.Layers: [hi-lo, Width].
func (e *Engine) States(ctx context.Context, b *distill.Batch, lo, hi, i int, dst []float32) ([]float32, error) {
	if lo < 0 || hi < lo || hi > len(b.IDs) || i < 0 || i >= len(e.o.Layers) {
		return dst, fmt.Errorf("teacher: states %d of %d at positions %d to %d of %d", i, len(e.o.Layers), lo, hi, len(b.IDs))
	}
	if err := b.Check(); err != nil {
		return dst, err
	}
	width := e.Width()
	for at := lo; at < hi; {
		if err := ctx.Err(); err != nil {
			return dst, err
		}
		if err := e.run(b, at); err != nil {
			return dst, err
		}
		end := min(hi, e.first+len(e.hidden)/width)
		dst = append(dst, e.states[i][(at-e.first)*width:(end-e.first)*width]...)
		at = end
	}
	return dst, nil
}
