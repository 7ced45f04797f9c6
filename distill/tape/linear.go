package tape

import (
	"fmt"

	"github.com/qwq-edge/qwq/runtime/backend"
)

// product is one x·wᵀ + b and its backward.
type product struct {
	w, b *weight // b may be nil
	y    *value  // [rows, w.rows]
}

// multiply computes x·wᵀ + b as a new value.
func (o *ops) multiply(x *value, w, b backend.Weight) product {
	p := product{w: o.weight(w)}
	if o.err == nil && p.w.cols != x.cols {
		o.fail(fmt.Errorf("tape: tensor %q: %d columns, the input has %d", p.w.name, p.w.cols, x.cols))
	}
	if b != nil && o.err == nil {
		p.b = o.vector(b, p.w.rows)
	}
	if o.err != nil {
		return p
	}
	if o.in.Observe != nil && !o.rerun {
		o.in.Observe(p.w.name, -1, backend.Tensor{Rows: x.rows, Cols: x.cols, Data: x.buf.data})
	}
	p.y = o.result(x.rows, p.w.rows, x.needs || p.w.needs() || p.b != nil && p.b.trained())
	y := p.y.mat()
	if p.w.coded != nil {
		var bias []float32
		if p.b != nil {
			bias = p.b.master
		}
		o.productOf(p.w, y, x.mat(), bias)
		return p
	}
	o.gemm(y, x.mat(), p.w.matrix(), false, true, false)
	if p.w.lora != nil {
		o.pairForward(p.w.lora, y, x.mat())
	}
	if p.b != nil {
		bias := p.b.master
		o.pool.Parallel(y.Rows, 16, func(_, lo, hi int) {
			for r := lo; r < hi; r++ {
				row := y.At(r)
				for i, f := range bias {
					row[i] += f
				}
			}
		})
	}
	return p
}

func (w *weight) matrix() matrix { return matrix{Rows: w.rows, Cols: w.cols, Data: w.master} }

// back adds the gradients of w, b and x:
//
//	dw += dyᵀ·x   db += Σ_rows dy   dx += dy·w
func (o *ops) back(p product, x *value, dy matrix) {
	if dw := o.of(p.w); dw != nil {
		o.gemm(matrix{Rows: p.w.rows, Cols: p.w.cols, Data: dw}, dy, o.use(x), true, false, true)
	}
	if db := o.of(p.b); db != nil {
		o.pool.SumRows(db, dy)
	}
	var dx matrix
	if x.needs {
		var add bool
		dx, add = o.into(x)
		w, done := o.operand(p.w)
		o.gemm(dx, dy, w, false, false, add)
		done()
	}
	if p.w.lora != nil {
		o.pairBackward(p.w.lora, dx, dy, o.use(x))
	}
}

// record pushes the backward of products of one input.
func (o *ops) products(x *value, ps ...product) {
	var outs, keep []*value
	for _, p := range ps {
		if o.err == nil && o.recording(p.y) {
			outs = append(outs, p.y)
			if p.w.needs() {
				keep = []*value{x}
			}
		}
	}
	if len(outs) == 0 {
		return
	}
	o.push(func() {
		for _, p := range ps {
			if p.y.grad != nil {
				o.back(p, x, o.own(p.y))
				o.dropGrad(p.y)
			}
		}
	}, outs, keep)
}

func (o *ops) Linear(t backend.Tensor, w, b backend.Weight) backend.Tensor {
	x := o.val(t)
	p := o.multiply(x, w, b)
	o.products(x, p)
	return o.handle(p)
}

func (o *ops) handle(p product) backend.Tensor {
	if o.err != nil {
		return backend.Tensor{}
	}
	return o.tensor(p.y)
}

func (o *ops) QKV(t backend.Tensor, w, b [3]backend.Weight) (q, k, v backend.Tensor) {
	x := o.val(t)
	ps := []product{o.multiply(x, w[0], b[0]), o.multiply(x, w[1], b[1]), o.multiply(x, w[2], b[2])}
	o.products(x, ps...)
	return o.handle(ps[0]), o.handle(ps[1]), o.handle(ps[2])
}

// GateUp keeps gate and up; their product is made again for the next matrix.
func (o *ops) GateUp(t backend.Tensor, gate, up backend.Weight, b [2]backend.Weight, act backend.Act) backend.Tensor {
	x := o.val(t)
	if act == backend.NoAct {
		o.fail(fmt.Errorf("tape: gate and up without an activation"))
	}
	ps := []product{o.multiply(x, gate, b[0]), o.multiply(x, up, b[1])}
	if o.err != nil || !o.same(ps[0].y, ps[1].y) {
		return backend.Tensor{}
	}
	g, u := ps[0].y, ps[1].y
	fuse := func(y matrix) {
		o.pool.Act(y, g.mat(), act)
		o.pool.Mul(y, u.mat())
	}
	needs := g.needs || u.needs
	if !o.record || !needs {
		y := o.consume(g)
		o.pool.Act(y.mat(), y.mat(), act)
		o.pool.Mul(y.mat(), u.mat())
		o.unhold(u)
		return o.tensor(y)
	}
	y := o.result(g.rows, g.cols, needs)
	fuse(y.mat())
	y.again = fuse
	keep := []*value{g, u}
	if ps[0].w.needs() || ps[1].w.needs() {
		keep = append(keep, x)
	}
	o.push(func() {
		dg, du := g.mat(), u.mat() // in place: nobody else reads gate and up
		o.pool.GateUpGrad(dg, du, dg, du, o.own(y), act)
		o.dropGrad(y)
		if g.needs {
			o.back(ps[0], x, dg)
		}
		if u.needs {
			o.back(ps[1], x, du)
		}
	}, []*value{y}, keep)
	o.unhold(g)
	o.unhold(u)
	return o.tensor(y)
}
