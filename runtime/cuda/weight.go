package cuda

import (
	"fmt"

	"github.com/qwq-edge/qwq/quant"
)

// Weight is a matrix in device memory. One that is larger than a chunk lies in
// several parts, each of whole rows.
type Weight struct {
	name  string
	typ   quant.Type
	rows  int
	cols  int
	parts []part
}

// part is rows first to first+rows-1.
type part struct {
	at          Ptr
	first, rows int
}

// Name implements backend.Weight.
func (w *Weight) Name() string { return w.name }

// Shape implements backend.Weight.
func (w *Weight) Shape() (rows, cols int) { return w.rows, w.cols }

// Loader copies weights into device memory: chunks of at most 64 MB that several
// small matrices share, filled through pinned staging. Close frees the staging; the
// weights live as long as the GPU.
type Loader struct {
	g       *GPU
	staging []byte
	chunk   uint64 // bytes of a chunk
	at      Ptr    // where the newest chunk has room
	left    uint64
}

// alignment is that of every matrix and every part.
const alignment = 256

// NewLoader prepares uploads to a device.
func (g *GPU) NewLoader() (*Loader, error) {
	b, err := g.Pinned(8 << 20)
	if err != nil {
		return nil, err
	}
	return &Loader{g: g, staging: b, chunk: chunkBytes}, nil
}

// take returns n bytes of a chunk, n at most a chunk.
func (l *Loader) take(n uint64) (Ptr, error) {
	n = (n + alignment - 1) &^ (alignment - 1)
	if n > l.left {
		size := l.chunk
		if n > l.chunk/2 {
			size = n // of its own: the room of the shared chunk is kept
		}
		p, err := l.g.Alloc(size)
		if err != nil {
			return 0, err
		}
		if size == n && n != l.chunk {
			return p, nil
		}
		l.at, l.left = p, size
	}
	p := l.at
	l.at, l.left = l.at+Ptr(n), l.left-n
	return p, nil
}

// Weight copies a matrix. m.Data is not needed afterwards.
func (l *Loader) Weight(name string, m quant.Matrix) (*Weight, error) {
	if !m.Type.CanDecode() {
		return nil, fmt.Errorf("cuda: tensor %q: type %v cannot be computed with", name, m.Type)
	}
	if _, err := quant.NewMatrix(m.Type, m.Rows, m.Cols, m.Data); err != nil {
		return nil, fmt.Errorf("cuda: tensor %q: %w", name, err)
	}
	row, ok := m.Type.RowBytes(m.Cols)
	if !ok || row < 1 {
		return nil, fmt.Errorf("cuda: tensor %q: rows of %d columns of %v", name, m.Cols, m.Type)
	}
	if uint64(row) > l.chunk {
		return nil, fmt.Errorf("cuda: tensor %q: a row of %d bytes is larger than a chunk of %d", name, row, l.chunk)
	}
	w := &Weight{name: name, typ: m.Type, rows: m.Rows, cols: m.Cols}
	most := int(l.chunk) / row
	for first := 0; first < m.Rows; first += most {
		n := min(most, m.Rows-first)
		p, err := l.take(uint64(n) * uint64(row))
		if err == nil {
			err = l.g.upload(p, m.Data[first*row:][:n*row], l.staging)
		}
		if err != nil {
			return nil, fmt.Errorf("cuda: tensor %q: %w", name, err)
		}
		w.parts = append(w.parts, part{at: p, first: first, rows: n})
	}
	return w, nil
}

// Close frees the staging memory. It is idempotent.
func (l *Loader) Close() error {
	if l.staging == nil {
		return nil
	}
	b := l.staging
	l.staging = nil
	return l.g.unpin(b)
}
