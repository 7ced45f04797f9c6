package tape

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
)

func (o *ops) In() *backend.Inputs { return o.in }

// weight is w as the tape's own, or an error that sticks.
func (o *ops) weight(w backend.Weight) *weight {
	p, ok := w.(*weight)
	if !ok {
		o.fail(fmt.Errorf("tape: weight %v is not the tape's", w))
		return &weight{off: -1}
	}
	return p
}

// vector is a weight of one row with cols columns.
func (o *ops) vector(w backend.Weight, cols int) *weight {
	p := o.weight(w)
	if o.err == nil && (p.rows != 1 || p.cols != cols) {
		o.fail(fmt.Errorf("tape: tensor %q: [%d, %d] where a vector of %d is needed", p.name, p.rows, p.cols, cols))
	}
	return p
}

// of is the gradient of w, nil where it is frozen.
func (o *ops) of(w *weight) []float32 {
	if w == nil || !w.trained() {
		return nil
	}
	return o.grad[w.off : w.off+w.rows*w.cols]
}

// Layer frees what f made and no backward keeps. With Recompute it records
// nothing but x and f.
func (o *ops) Layer(i int, t backend.Tensor, f func(backend.Ops, int, backend.Tensor) backend.Tensor) backend.Tensor {
	x := o.val(t)
	if o.err != nil {
		return t
	}
	again := o.record && o.opt.Recompute
	pin := again || o.in.Want&backend.AllHidden != 0 // f must not work in place
	if again {
		o.record = false
	}
	if pin {
		x.buf.refs++
	}
	first := len(o.values)
	out := f(o, i, t)
	y := o.val(out)
	for _, v := range o.values[first:] {
		if v != y {
			o.unhold(v)
		}
	}
	if again {
		o.record = true
	}
	if pin {
		x.buf.refs--
	}
	if o.err != nil {
		return out
	}
	if y != x {
		if again && y.needs {
			o.push(func() { o.layerBack(i, x, y, f) }, []*value{y}, []*value{x})
		}
		if o.in.Want&backend.AllHidden == 0 {
			o.unhold(x)
		}
	}
	return out
}

// layerBack runs layer i again, recorded, and unwinds it.
func (o *ops) layerBack(i int, x, y *value, f func(backend.Ops, int, backend.Tensor) backend.Tensor) {
	values, nodes := len(o.values), len(o.nodes)
	in := o.use(x)
	leaf := o.leaf(x.rows, x.cols, &buffer{data: in.Data, refs: 1, view: true})
	leaf.needs, leaf.grad = x.needs, x.grad
	o.rerun = true
	out := o.val(f(o, i, o.tensor(leaf)))
	o.rerun = false
	if o.err == nil {
		out.grad, y.grad = y.grad, nil
	}
	for _, v := range o.values[values:] {
		o.unhold(v)
	}
	o.unwind(nodes)
	x.grad, leaf.grad = leaf.grad, nil
	o.values = o.values[:values]
}

func (o *ops) Embed(w backend.Weight, ids []int32) backend.Tensor {
	p := o.weight(w)
	for i, id := range ids {
		if o.err == nil && (id < 0 || int(id) >= p.rows) {
			o.fail(fmt.Errorf("tape: id %d at %d, tensor %q has %d rows", id, i, p.name, p.rows))
		}
	}
	if o.err != nil {
		return backend.Tensor{}
	}
	y := o.result(len(ids), p.cols, p.needs())
	if p.coded != nil {
		o.fail(o.pool.EmbedRows(y.mat(), *p.coded, ids))
	} else {
		o.look(y.mat(), matrix{Rows: p.rows, Cols: p.cols, Data: p.master}, ids)
	}
	if p.lora != nil {
		o.pairLook(p.lora, y.mat(), ids)
	}
	if o.recording(y) {
		o.push(func() {
			if p.lora != nil {
				o.pairScatter(p.lora, o.own(y), ids)
				return
			}
			o.pool.ScatterRows(matrix{Rows: p.rows, Cols: p.cols, Data: o.of(p)}, o.own(y), ids)
		}, []*value{y}, nil)
	}
	return o.tensor(y)
}

// look copies the rows ids of table.
func (o *ops) look(dst, table matrix, ids []int32) {
	o.pool.Parallel(len(ids), 16, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			copy(dst.At(i), table.At(int(ids[i])))
		}
	})
}

func (o *ops) Input() backend.Tensor {
	if o.err != nil {
		return backend.Tensor{}
	}
	e := o.in.Embeds
	y := o.result(e.Rows, e.Cols, o.opt.InputGrad)
	copy(y.buf.data, e.Data)
	if o.recording(y) {
		o.inputGrad = append(o.inputGrad[:0], make([]float32, e.Rows*e.Cols)...)
		o.push(func() { copy(o.inputGrad, o.own(y).Data) }, []*value{y}, nil)
	}
	return o.tensor(y)
}

func (o *ops) Rows(t backend.Tensor, idx []int32) backend.Tensor {
	x := o.val(t)
	for _, r := range idx {
		if o.err == nil && (r < 0 || int(r) >= x.rows) {
			o.fail(fmt.Errorf("tape: row %d of %d", r, x.rows))
		}
	}
	if o.err != nil {
		return backend.Tensor{}
	}
	y := o.result(len(idx), x.cols, x.needs)
	for i, r := range idx {
		copy(y.buf.data[i*x.cols:(i+1)*x.cols], x.buf.data[int(r)*x.cols:])
	}
	if o.recording(y) {
		o.push(func() {
			dx, add := o.into(x)
			if !add {
				clear(dx.Data)
			}
			o.pool.ScatterRows(dx, o.own(y), idx)
		}, []*value{y}, nil)
	}
	return o.tensor(y)
}

func (o *ops) Add(a, b backend.Tensor) backend.Tensor {
	x, y := o.val(a), o.val(b)
	if !o.same(x, y) {
		return backend.Tensor{}
	}
	ym := y.mat()
	z := o.consume(x)
	z.needs = x.needs || y.needs
	o.pool.Add(z.mat(), ym)
	if o.recording(z) {
		o.push(func() {
			o.give(y, z.grad)
			o.give(x, z.grad)
		}, []*value{z}, nil)
	}
	return o.tensor(z)
}

func (o *ops) Mul(a, b backend.Tensor) backend.Tensor {
	x, y := o.val(a), o.val(b)
	if o.err == nil && y.cols == 1 && x.cols != 1 && x.rows == y.rows {
		return o.mulRows(x, y)
	}
	if !o.same(x, y) {
		return backend.Tensor{}
	}
	needs := x.needs || y.needs
	if !o.record || !needs {
		ym := y.mat()
		z := o.consume(x)
		o.pool.Mul(z.mat(), ym)
		return o.tensor(z)
	}
	z := o.result(x.rows, x.cols, needs)
	copy(z.buf.data, x.buf.data)
	o.pool.Mul(z.mat(), y.mat())
	o.push(func() {
		for _, v := range [2][2]*value{{x, y}, {y, x}} {
			b := o.mem.alloc(x.rows * x.cols)
			copy(b.data, z.grad.data)
			o.pool.Mul(matrix{Rows: x.rows, Cols: x.cols, Data: b.data}, o.use(v[1]))
			o.give(v[0], b)
			o.mem.drop(b)
		}
	}, []*value{z}, []*value{x, y})
	return o.tensor(z)
}

// mulRows multiplies row r of x by y[r]: dx = y·dz, dy = dz·x, row by row.
func (o *ops) mulRows(x, y *value) backend.Tensor {
	z := o.result(x.rows, x.cols, x.needs || y.needs)
	scaleRows(z.mat(), x.mat(), y.buf.data)
	if o.recording(z) {
		o.push(func() {
			if x.needs {
				b := o.mem.alloc(x.rows * x.cols)
				scaleRows(matrix{Rows: x.rows, Cols: x.cols, Data: b.data}, matrix{Rows: x.rows, Cols: x.cols, Data: z.grad.data}, o.use(y).Data)
				o.give(x, b)
				o.mem.drop(b)
			}
			if y.needs {
				b, xm := o.mem.alloc(y.rows), o.use(x)
				for r := range y.rows {
					sum := float64(0)
					for c, f := range xm.At(r) {
						sum += float64(f) * float64(z.grad.data[r*x.cols+c])
					}
					b.data[r] = float32(sum)
				}
				o.give(y, b)
				o.mem.drop(b)
			}
		}, []*value{z}, []*value{x, y})
	}
	o.unhold(x)
	return o.tensor(z)
}

func scaleRows(z, x matrix, by []float32) {
	for r := range z.Rows {
		dst := z.At(r)
		for c, f := range x.At(r) {
			dst[c] = f * by[r]
		}
	}
}

func (o *ops) same(x, y *value) bool {
	if o.err == nil && (x.rows != y.rows || x.cols != y.cols) {
		o.fail(fmt.Errorf("tape: [%d, %d] and [%d, %d] are not of one shape", x.rows, x.cols, y.rows, y.cols))
	}
	return o.err == nil
}

func (o *ops) Act(t backend.Tensor, a backend.Act) backend.Tensor {
	x := o.val(t)
	if o.err != nil {
		return backend.Tensor{}
	}
	if !o.recording(x) {
		y := o.consume(x)
		o.pool.Act(y.mat(), y.mat(), a)
		return o.tensor(y)
	}
	y := o.result(x.rows, x.cols, x.needs)
	o.pool.Act(y.mat(), x.mat(), a)
	y.again = func(m matrix) { o.lend(x, func(x matrix) { o.pool.Act(m, x, a) }) }
	o.push(func() {
		g := o.own(y)
		o.pool.ActGrad(g, g, o.use(x), a)
		o.give(x, y.grad)
	}, []*value{y}, []*value{x})
	return o.tensor(y)
}

// Softmax's backward: dx = y∘(dy - rowsum(y∘dy)).
func (o *ops) Softmax(t backend.Tensor) backend.Tensor {
	x := o.val(t)
	if o.err != nil {
		return backend.Tensor{}
	}
	y := o.consume(x)
	o.pool.Softmax(y.mat())
	if o.recording(y) {
		o.push(func() {
			p, g := o.use(y), o.own(y)
			o.pool.Parallel(p.Rows, 16, func(_, lo, hi int) {
				for r := lo; r < hi; r++ {
					softmaxGrad(g.At(r), p.At(r))
				}
			})
			o.give(x, y.grad)
		}, []*value{y}, []*value{y})
	}
	return o.tensor(y)
}

// softmaxGrad turns dy into dx.
func softmaxGrad(d, y []float32) {
	sum := float64(0)
	for i, f := range y {
		sum += float64(f) * float64(d[i])
	}
	for i, f := range y {
		d[i] = f * (d[i] - float32(sum))
	}
}

// turnBack is a rotary table with the sines negated: the transposed rotation.
type turnBack struct {
	of    *kernel.RopeTable
	table kernel.RopeTable
}

func (t *turnBack) get(of *kernel.RopeTable) *kernel.RopeTable {
	if t.of != of || len(t.table.Sin) != len(of.Sin) {
		t.of = of
		t.table = kernel.RopeTable{Cos: of.Cos, Sin: make([]float32, len(of.Sin)), Freqs: of.Freqs, Scale: of.Scale}
		for i, s := range of.Sin {
			t.table.Sin[i] = -s
		}
	}
	return &t.table
}

func (o *ops) RoPE(t backend.Tensor, dim int, r *backend.Rope) backend.Tensor {
	x := o.val(t)
	if o.err != nil {
		return backend.Tensor{}
	}
	y := o.consume(x)
	o.fail(o.pool.RoPE(y.mat(), dim, r.Rot, o.in.Positions, r.Table(), r.NeoX))
	if o.recording(y) {
		o.push(func() {
			o.fail(o.pool.RoPE(o.own(y), dim, r.Rot, o.in.Positions, o.turn.get(r.Table()), r.NeoX))
			o.give(x, y.grad)
		}, []*value{y}, nil)
	}
	return o.tensor(y)
}
