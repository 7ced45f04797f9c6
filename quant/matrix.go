package quant

import "fmt"

// Matrix is a view of a weight matrix: Rows rows of Cols weights, each row
// RowBytes long, one after the other in Data. It is the one weight type of the
// module; Data usually lies in a mapped file and is valid until that is closed.
// It must not be written to.
type Matrix struct {
	Type       Type
	Rows, Cols int
	Data       []byte // [Rows, RowBytes]
}

// NewMatrix makes a Matrix after checking that data holds exactly rows rows of
// cols weights of type t.
func NewMatrix(t Type, rows, cols int, data []byte) (Matrix, error) {
	if !t.Known() {
		return Matrix{}, fmt.Errorf("quant: matrix of unknown %v", t)
	}
	n, ok := t.RowBytes(cols)
	if rows < 0 || !ok {
		return Matrix{}, fmt.Errorf("quant: matrix %v [%d, %d]: rows of %d weights are no multiple of the block of %d", t, rows, cols, cols, t.Block())
	}
	if n != 0 && (rows != len(data)/n || len(data)%n != 0) || n == 0 && len(data) != 0 {
		return Matrix{}, fmt.Errorf("quant: matrix %v [%d, %d]: %d rows of %d bytes, got %d bytes", t, rows, cols, rows, n, len(data))
	}
	return Matrix{Type: t, Rows: rows, Cols: cols, Data: data[:len(data):len(data)]}, nil
}

// RowBytes is the number of bytes of one row.
func (m Matrix) RowBytes() int {
	f := m.Type.format()
	if f.block == 0 {
		return 0
	}
	return m.Cols / f.block * f.bytes
}

// Row is the bytes of row i, a view.
func (m Matrix) Row(i int) []byte {
	n := m.RowBytes()
	return m.Data[i*n : (i+1)*n : (i+1)*n]
}

// DecodeRow writes the values of row i to dst, which must have Cols elements.
func (m Matrix) DecodeRow(dst []float32, i int) error {
	if i < 0 || i >= m.Rows || len(dst) != m.Cols {
		return fmt.Errorf("quant: decode row %d into %d values: matrix is [%d, %d]", i, len(dst), m.Rows, m.Cols)
	}
	return Decode(m.Type, dst, m.Row(i))
}
