package tape

import (
	"fmt"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// Param is one trained matrix or vector: Flat[Off : Off+Rows*Cols], row-major.
type Param struct {
	Name       string
	Rows, Cols int // a vector has one row
	Off        int // a multiple of 16
}

// Len is the number of values.
func (p Param) Len() int { return p.Rows * p.Cols }

// Params is the trained parameters in the order of their Weight calls. Values of
// Flat between parameters are 0 and stay so: they get no gradient.
type Params struct {
	Flat  []float32
	Table []Param
}

// Of is parameter i of the table as a part of flat, which has Flat's layout.
func (p *Params) Of(flat []float32, i int) []float32 {
	t := p.Table[i]
	return flat[t.Off : t.Off+t.Len() : t.Off+t.Len()]
}

// weight is a parameter, or a frozen matrix in memory of its own.
type weight struct {
	name       string
	rows, cols int
	off        int // in Flat; -1: frozen
	m          quant.Matrix
	master     []float32     // [rows, cols]; set by seal
	lora       *lora         // nil: none
	coded      *quant.Matrix // what the forward multiplies with in place of master; nil: master
}

func (w *weight) Name() string      { return w.name }
func (w *weight) Shape() (int, int) { return w.rows, w.cols }

// trained says whether w itself has a gradient.
func (w *weight) trained() bool { return w.off >= 0 }

// needs says whether w or its low-rank pair has a gradient.
func (w *weight) needs() bool { return w.off >= 0 || w.lora != nil }

// paramAlign keeps parameters on 64-byte lines of Flat.
const paramAlign = 16

// Weight implements backend.Device: m becomes a parameter, or a frozen matrix.
// It is decoded at the first Step or Params call, so a mapping behind m.Data must
// live until then. A name may come once.
func (d *Device) Weight(name string, m quant.Matrix) (backend.Weight, error) {
	if d.sealed {
		return nil, fmt.Errorf("tape: tensor %q: after the first step", name)
	}
	if d.names[name] {
		return nil, fmt.Errorf("tape: tensor %q: a second weight of this name", name)
	}
	if !m.Type.CanDecode() {
		return nil, fmt.Errorf("tape: tensor %q: type %v cannot be decoded", name, m.Type)
	}
	if _, err := quant.NewMatrix(m.Type, m.Rows, m.Cols, m.Data); err != nil {
		return nil, fmt.Errorf("tape: tensor %q: %w", name, err)
	}
	w := &weight{name: name, rows: m.Rows, cols: m.Cols, off: -1, m: m}
	d.names[name] = true
	d.weights = append(d.weights, w)
	if r := d.opt.LoRA; r.Rank > 0 && m.Rows > 1 && (r.Match == nil || r.Match(name)) {
		w.lora = d.newLoRA(w)
	} else if (d.opt.Train == nil && r.Rank == 0) || (d.opt.Train != nil && d.opt.Train(name)) {
		w.off = d.claim(name, m.Rows, m.Cols)
	}
	if d.opt.Ship != nil && m.Rows > 1 {
		return w, d.shipped(w)
	}
	return w, nil
}

// claim reserves a place in Flat.
func (d *Device) claim(name string, rows, cols int) int {
	off := d.size
	d.params.Table = append(d.params.Table, Param{Name: name, Rows: rows, Cols: cols, Off: off})
	d.size += (rows*cols + paramAlign - 1) &^ (paramAlign - 1)
	return off
}

// seal decodes the weights: no more come after it.
func (d *Device) seal() error {
	if d.sealed {
		return nil
	}
	d.params.Flat = make([]float32, d.size)
	for _, w := range d.weights {
		n := w.rows * w.cols
		if w.trained() {
			w.master = d.params.Flat[w.off : w.off+n : w.off+n]
		} else {
			w.master = make([]float32, n)
		}
		if err := quant.Decode(w.m.Type, w.master, w.m.Data); err != nil {
			return fmt.Errorf("tape: tensor %q: %w", w.name, err)
		}
		w.m.Data = nil
		if w.lora != nil {
			w.lora.seal(d.params.Flat)
		}
	}
	d.encode(true)
	d.sealed = true
	return nil
}
