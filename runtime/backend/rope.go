package backend

import "github.com/qwq-edge/qwq/internal/kernel"

// Rope is a rotary embedding: frequencies, layout, and the table of angles
// that the steps so far have needed.
type Rope struct {
	Rot   int  // columns of a head that rotate, even
	NeoX  bool // pairs are (i, i+Rot/2); else (2i, 2i+1)
	table *kernel.RopeTable
}

// NewRope makes a rotary embedding of 2*len(freqs) columns. freqs: radians per
// position of each pair; scale multiplies sine and cosine (YaRN's attention
// factor, else 1).
func NewRope(freqs []float64, scale float32, neox bool) *Rope {
	return &Rope{Rot: 2 * len(freqs), NeoX: neox, table: kernel.NewRopeTable(freqs, scale)}
}

// Grow makes positions 0 to n-1 usable. Call it between steps.
func (r *Rope) Grow(n int) { r.table.Grow(n) }

// Table is the angles of the positions grown so far.
func (r *Rope) Table() *kernel.RopeTable { return r.table }
