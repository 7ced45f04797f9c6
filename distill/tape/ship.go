package tape

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// Ship trains for a quantized file. The forward encodes each matrix as the file
// holds it and multiplies with the runtime's own product, int8 activations
// included, and keys and values are rounded as in the runtime's cache: the logits
// are those of the file, to the bit. The parameters stay float32, and gradients go
// straight through every rounding:
//
//	y = product(Q(w), Q(x))   dx = dy·Q(w)   dw = dyᵀ·x
type Ship struct {
	// Type is what a matrix has in the file; nil: Q8_0. Vectors are F32.
	Type func(name string) quant.Type
	KV   quant.Type // of keys and values: F32 (the zero value), F16 or Q8_0
}

// kv is the type of keys and values.
func (o *Options) kv() quant.Type {
	if o.Ship == nil {
		return quant.F32
	}
	return o.Ship.KV
}

// shipped makes w one that is encoded.
func (d *Device) shipped(w *weight) error {
	typ := quant.Q8_0
	if f := d.opt.Ship.Type; f != nil {
		typ = f(w.name)
	}
	n, ok := typ.RowBytes(w.cols)
	switch {
	case !typ.CanEncode():
		return fmt.Errorf("tape: tensor %q: %v has no encoder, so nothing can be trained for it", w.name, typ)
	case !ok:
		return fmt.Errorf("tape: tensor %q: rows of %d are no multiple of %v's block of %d", w.name, w.cols, typ, typ.Block())
	case w.lora != nil:
		return fmt.Errorf("tape: tensor %q: a low-rank pair is no part of a %v matrix", w.name, typ)
	}
	w.coded = &quant.Matrix{Type: typ, Rows: w.rows, Cols: w.cols, Data: make([]byte, n*w.rows)}
	return nil
}

// encode brings the file's matrices up to date with the parameters; of frozen ones
// only where all is set.
func (d *Device) encode(all bool) {
	for _, w := range d.weights {
		if w.coded == nil || !all && !w.trained() {
			continue
		}
		m, size := w.coded, w.coded.RowBytes()
		d.ops.pool.Parallel(w.rows, rowsGrain(w.cols), func(_, lo, hi int) {
			if err := quant.Encode(m.Type, m.Data[lo*size:hi*size], w.master[lo*w.cols:hi*w.cols]); err != nil {
				panic(err) // shipped has checked the type and the sizes
			}
		})
	}
}

// rowsGrain is a number of rows that are worth a thread's while.
func rowsGrain(cols int) int { return max(1, 1<<14/cols) }

// productOf is y = x·Q(w)ᵀ + bias; bias may be nil.
func (o *ops) productOf(w *weight, y, x matrix, bias []float32) {
	if o.err == nil && x.Rows > 0 {
		o.fail(o.pool.MatMul([]matrix{y}, x, []quant.Matrix{*w.coded}, kernel.Fuse{Bias: [][]float32{bias}}))
	}
}

// operand is the numbers that the forward multiplied with; done ends their use.
func (o *ops) operand(w *weight) (m matrix, done func()) {
	if w.coded == nil {
		return w.matrix(), func() {}
	}
	b := o.mem.alloc(w.rows * w.cols)
	c, size := w.coded, w.coded.RowBytes()
	o.pool.Parallel(w.rows, rowsGrain(w.cols), func(_, lo, hi int) {
		if err := quant.Decode(c.Type, b.data[lo*w.cols:hi*w.cols], c.Data[lo*size:hi*size]); err != nil {
			panic(err) // every type with an encoder has a decoder
		}
	})
	return matrix{Rows: w.rows, Cols: w.cols, Data: b.data}, func() { o.mem.drop(b) }
}
