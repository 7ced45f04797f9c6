package checkpoint

import (
	"fmt"
	"io"
	"slices"
)

// Stack is tensors of one type and shape as one with a leading dimension of
// len(parts), as a layer's experts are stored: [experts, rows, cols]. Nothing is
// read. A part that is not contiguous is gathered when it is read.
func Stack(name string, parts []*Tensor) (*Tensor, error) {
	if len(parts) == 0 {
		return nil, fmt.Errorf("checkpoint: tensor %.80q: no parts", name)
	}
	first := parts[0]
	for _, p := range parts[1:] {
		if p.TypeName() != first.TypeName() || !slices.Equal(p.Shape, first.Shape) {
			return nil, fmt.Errorf("%s: tensor %.80q is %s %v, but %.80q is %s %v", p.File, p.Name, p.TypeName(), p.Shape, first.Name, first.TypeName(), first.Shape)
		}
	}
	shape := append([]int64{int64(len(parts))}, first.Shape...)
	if _, ok := Count(shape); !ok {
		return nil, fmt.Errorf("%s: tensor %.80q: shape %v is too large", first.File, name, shape)
	}
	return &Tensor{Name: name, DType: first.DType, Block: first.Block, Shape: shape, R: stack{parts, first.Bytes()}, File: first.File}, nil
}

// stack reads parts of size bytes each as one run.
type stack struct {
	parts []*Tensor
	size  int64
}

// ReadAt implements io.ReaderAt.
func (s stack) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		i := (off + int64(done)) / max(s.size, 1)
		if off < 0 || i >= int64(len(s.parts)) {
			return done, io.EOF
		}
		from := off + int64(done) - i*s.size
		n := int(min(int64(len(p)-done), s.size-from))
		if err := s.parts[i].readBytes(p[done:done+n], from); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// readBytes fills p with the tensor's elements as they would lie contiguous, from
// byte from on.
func (t *Tensor) readBytes(p []byte, from int64) error {
	if t.Contiguous() {
		return t.readAt(p, t.Off+from)
	}
	_, cols := t.Matrix()
	rb := cols * int64(t.DType.Bytes())
	lo, hi := from/rb, (from+int64(len(p))+rb-1)/rb
	rows := make([]byte, (hi-lo)*rb)
	if err := t.ReadRows(rows, lo, hi, make([]byte, 1<<16)); err != nil {
		return err
	}
	copy(p, rows[from-lo*rb:])
	return nil
}
