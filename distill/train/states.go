package train

import (
	"slices"

	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// check says whether all layers are a model's.
func (s *States) check(layers int) bool {
	return s == nil || s.Loss != nil && len(s.Layers) > 0 && slices.Min(s.Layers) >= 0 && slices.Max(s.Layers) <= layers
}

// states are the wanted tensors of the step that is recorded and their gradients.
type states struct {
	x, dx        []kernel.F32 // [rows, hidden] each
	rowsX, rowsD []kernel.F32
	idle         []float32 // gradient of what nothing trained reaches
}

// take finds them in out: the hidden states after the norm, then those of all layers.
func (s *states) take(dev *tape.Device, o *States, out []backend.Tensor) error {
	if o == nil {
		return nil
	}
	s.x, s.dx = s.x[:0], s.dx[:0]
	for _, layer := range o.Layers {
		t := out[1+layer]
		g, err := dev.Grad(t)
		if err != nil {
			return err
		}
		if g == nil {
			if len(s.idle) < len(t.Data) {
				s.idle = make([]float32, len(t.Data))
			}
			g = s.idle[:len(t.Data)]
		}
		s.x = append(s.x, kernel.F32{Rows: t.Rows, Cols: t.Cols, Data: t.Data})
		s.dx = append(s.dx, kernel.F32{Rows: t.Rows, Cols: t.Cols, Data: g})
	}
	return nil
}

// rows are rows lo to hi-1 of all.
func (s *states) rows(lo, hi int) (x, dx []kernel.F32) {
	part := func(to, of []kernel.F32) []kernel.F32 {
		to = to[:0]
		for _, m := range of {
			to = append(to, kernel.F32{Rows: hi - lo, Cols: m.Cols, Data: m.Data[lo*m.Cols : hi*m.Cols]})
		}
		return to
	}
	s.rowsX, s.rowsD = part(s.rowsX, s.x), part(s.rowsD, s.dx)
	return s.rowsX, s.rowsD
}
