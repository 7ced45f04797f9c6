// Package checkpoint is what every checkpoint reader yields: named tensors that
// know where their bytes lie, and what they are made of. Reading is by pread
// into the caller's buffers, so that nothing of a file's size is ever held.
//
//	rows, cols := t.Matrix()
//	buf := make([]byte, (hi-lo)*cols*t.DType.Bytes())
//	err := t.ReadRows(buf, lo, hi, scratch)
package checkpoint

import (
	"fmt"
	"io"
	"math"

	"github.com/qwq-edge/qwq/quant"
)

// MaxDims bounds the rank of a tensor.
const MaxDims = 8

// Tensor is one tensor of a checkpoint: a view of a storage that R reads.
// Concurrent reads are fine when R allows them, as files do.
type Tensor struct {
	Name    string
	DType   DType
	Block   quant.Type // the block format when DType is Packed
	Shape   []int64    // rows first; empty for a scalar
	Strides []int64    // in elements, one per dimension; nil = row-major and contiguous
	Off     int64      // bytes from R's start to element 0
	R       io.ReaderAt
	File    string // for messages
	Storage string // same non-empty value = same storage (tied weights)
}

// Len is the number of elements. Readers have checked that it fits an int64.
func (t *Tensor) Len() int64 {
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Bytes is the size of the elements as they are stored.
func (t *Tensor) Bytes() int64 {
	if t.DType == Packed {
		rows, cols := t.Matrix()
		b, _ := t.Block.RowBytes(int(cols))
		return rows * int64(b)
	}
	return (t.Len()*int64(t.DType.Bits()) + 7) / 8
}

// TypeName is the type as the tensor's own format spells it.
func (t *Tensor) TypeName() string {
	if t.DType == Packed {
		return t.Block.String()
	}
	return t.DType.String()
}

// Matrix is the tensor as rows of its last dimension; a scalar is 1 x 1.
func (t *Tensor) Matrix() (rows, cols int64) {
	if len(t.Shape) == 0 {
		return 1, 1
	}
	rows, cols = 1, t.Shape[len(t.Shape)-1]
	for _, d := range t.Shape[:len(t.Shape)-1] {
		rows *= d
	}
	return rows, cols
}

// Contiguous reports whether the elements lie one after the other, row-major.
func (t *Tensor) Contiguous() bool {
	if t.Strides == nil {
		return true
	}
	want := int64(1)
	for i := len(t.Shape) - 1; i >= 0; i-- {
		if t.Shape[i] != 1 && t.Strides[i] != want {
			return false
		}
		want *= t.Shape[i]
	}
	return true
}

// Count multiplies a shape out; false when a dimension is negative, the rank
// is above MaxDims or the product, times 16 bytes, overflows an int64.
func Count(shape []int64) (int64, bool) {
	if len(shape) > MaxDims {
		return 0, false
	}
	n := int64(1)
	zero := false
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d == 0 {
			zero = true
			continue
		}
		if n > math.MaxInt64/16/d {
			return 0, false
		}
		n *= d
	}
	if zero {
		return 0, true
	}
	return n, true
}

// Extent is the number of elements of the storage, from element 0, that a view
// reaches into; false on a negative stride, a rank mismatch or an overflow.
func Extent(shape, strides []int64) (int64, bool) {
	n, ok := Count(shape)
	if !ok || (strides != nil && len(strides) != len(shape)) {
		return 0, false
	}
	if n == 0 || strides == nil {
		return n, true
	}
	last := int64(0)
	for i, d := range shape {
		s := strides[i]
		if s < 0 || d > 1 && s > (math.MaxInt64/16-last)/(d-1) {
			return 0, false
		}
		last += s * (d - 1)
	}
	return last + 1, true
}

// readAt fills p and names the file when it is too short.
func (t *Tensor) readAt(p []byte, off int64) error {
	if n, err := t.R.ReadAt(p, off); n < len(p) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("%s: tensor %.80q: reading %d bytes at %d: %w", t.File, t.Name, len(p), off, err)
	}
	return nil
}
