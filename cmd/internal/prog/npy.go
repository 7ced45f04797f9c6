package prog

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/qwq-edge/qwq/internal/npy"
)

// NPY writes float32 rows as a NumPy file (version 1.0, little endian, C
// order). The shape is known beforehand; Row is called once per row.
type NPY struct {
	w    io.Writer
	cols int
	buf  []byte
}

// NewNPY writes the header of an array of shape [rows, cols].
func NewNPY(w io.Writer, rows, cols int) (*NPY, error) {
	if _, err := w.Write(npy.Header("<f4", rows, cols)); err != nil {
		return nil, err
	}
	return &NPY{w: w, cols: cols, buf: make([]byte, 4*cols)}, nil
}

// Row writes one row of cols values.
func (n *NPY) Row(x []float32) error {
	if len(x) != n.cols {
		return fmt.Errorf("npy: a row of %d values in an array of %d columns", len(x), n.cols)
	}
	for i, v := range x {
		binary.LittleEndian.PutUint32(n.buf[4*i:], math.Float32bits(v))
	}
	_, err := n.w.Write(n.buf)
	return err
}
