package prog

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
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
	head := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	pad := 63 - (10+len(head))%64 // the data starts at a multiple of 64
	head += strings.Repeat(" ", pad) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(head)))
	if _, err := w.Write(append(b, head...)); err != nil {
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
