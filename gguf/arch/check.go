package arch

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/gguf"
)

// CheckFile compares every tensor of a file with the table: none may be
// missing unless optional, none unknown, each must have its shape. Errors about
// a tensor are *gguf.FormatError.
func (a *Arch) CheckFile(f *gguf.File, h Hyper) error {
	d := h.Dims()
	for _, n := range a.Expand(d) {
		if !n.Optional && f.Tensor(n.Name) == nil {
			return &gguf.FormatError{File: f.Path(), Field: fmt.Sprintf("tensor %.80q", n.Name), Err: fmt.Errorf("missing, %s with %d layers needs it", a.Name, h.Layers)}
		}
	}
	for _, t := range f.Tensors() {
		if err := a.checkTensor(d, t); err != nil {
			return &gguf.FormatError{File: t.Path(), Offset: int64(t.Offset), Field: fmt.Sprintf("tensor %.80q", t.Name), Err: err}
		}
	}
	return nil
}

func (a *Arch) checkTensor(d Dims, t *gguf.Tensor) error {
	rows, cols := t.Rows(), t.Dims[0]
	if rows > math.MaxInt || cols > math.MaxInt {
		return fmt.Errorf("%v is too large for this machine", t.Dims)
	}
	return a.Check(d, t.Name, int(rows), int(cols))
}
