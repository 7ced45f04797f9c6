package tape

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
)

type matrix = kernel.F32

// value is a tensor of the step.
type value struct {
	rows, cols int
	buf        *buffer // its numbers; nil: no longer there
	grad       *buffer // dL/dvalue as far as it is known; nil: 0
	held       bool    // the graph may still use it
	needs      bool    // something trained lies behind it
	// again makes the numbers once more, cheaply; nil: it cannot, so a backward
	// that needs them keeps the buffer.
	again func(y matrix)
}

// node is one operation's backward.
type node struct {
	outs []*value
	keep []*value // whose numbers back reads
	back func()
}

// ops implements backend.Ops.
type ops struct {
	pool     *kernel.Pool
	opt      *Options
	in       *backend.Inputs
	err      error
	record   bool // operations append to nodes
	recorded bool // the step is for Backward
	rerun    bool // a layer runs for the second time

	mem    memory
	values []*value // Tensor.Ref is the index + 1
	nodes  []node
	grad   []float32 // the parameters', while a backward runs

	input     *value // of Input
	inputGrad []float32
	pages     pages
	turn      turnBack
}

// reset ends the step: every buffer is free again.
func (o *ops) reset() {
	for _, n := range o.nodes {
		for _, v := range n.keep {
			o.done(v)
		}
	}
	for _, v := range o.values {
		o.unhold(v)
		o.dropGrad(v)
	}
	clear(o.nodes)
	clear(o.values)
	o.nodes, o.values = o.nodes[:0], o.values[:0]
	o.in, o.err, o.record, o.recorded, o.input = nil, nil, false, false, nil
}

func (o *ops) fail(err error) {
	if o.err == nil && err != nil {
		o.err = err
	}
}

// leaf is a new value of the graph.
func (o *ops) leaf(rows, cols int, b *buffer) *value {
	v := &value{rows: rows, cols: cols, buf: b, held: true}
	o.values = append(o.values, v)
	return v
}

// result is a new value with memory of its own.
func (o *ops) result(rows, cols int, needs bool) *value {
	v := o.leaf(rows, cols, o.mem.alloc(rows*cols))
	v.needs = needs
	return v
}

// tensor is the handle of the newest value.
func (o *ops) tensor(v *value) backend.Tensor {
	for i := len(o.values) - 1; i >= 0; i-- {
		if o.values[i] == v {
			return backend.Tensor{Rows: v.rows, Cols: v.cols, Data: v.buf.data, Ref: uint64(i) + 1}
		}
	}
	panic("tape: value without a place")
}

// val is the value of a handle. On an error it is an empty one.
func (o *ops) val(t backend.Tensor) *value {
	if o.err == nil {
		if i := t.Ref - 1; t.Ref > 0 && i < uint64(len(o.values)) {
			if v := o.values[i]; v.rows == t.Rows && v.cols == t.Cols && v.buf != nil {
				return v
			}
		}
		o.fail(fmt.Errorf("tape: tensor [%d, %d] is none of this step's, or was consumed", t.Rows, t.Cols))
	}
	return &value{rows: t.Rows, cols: t.Cols}
}

// mat is v's numbers, which are there.
func (v *value) mat() matrix { return matrix{Rows: v.rows, Cols: v.cols, Data: v.buf.data} }

// unhold ends the graph's use of v.
func (o *ops) unhold(v *value) {
	if v.held {
		v.held = false
		o.release(v)
	}
}

// release is one user less of v's numbers.
func (o *ops) release(v *value) {
	last := v.buf.refs == 1
	o.mem.drop(v.buf)
	if last {
		v.buf = nil
	}
}

// consume gives up x for a new value of its shape: x's memory where nobody else
// needs the numbers, else a copy.
func (o *ops) consume(x *value) *value {
	if !x.held || x.buf.refs > 1 || x.buf.view {
		y := o.result(x.rows, x.cols, x.needs)
		o.copy(y.buf.data, x.buf.data)
		return y
	}
	y := o.leaf(x.rows, x.cols, x.buf)
	y.needs = x.needs
	x.buf, x.held = nil, false
	return y
}

// copy copies with all threads.
func (o *ops) copy(dst, src []float32) {
	o.pool.Parallel(len(src), 1<<15, func(_, lo, hi int) { copy(dst[lo:hi], src[lo:hi]) })
}

// push records the operation that made outs; back reads the numbers of keep.
func (o *ops) push(back func(), outs, keep []*value) {
	for _, v := range keep {
		if v.again == nil {
			v.buf.refs++
		}
	}
	o.nodes = append(o.nodes, node{outs, keep, back})
}

// recording says whether an operation with a result like y is to be recorded.
func (o *ops) recording(y *value) bool { return o.record && y.needs }

// use is the numbers of a kept value, for back.
func (o *ops) use(v *value) matrix {
	if v.buf == nil {
		v.buf = o.mem.alloc(v.rows * v.cols)
		v.again(v.mat())
	}
	return v.mat()
}

// done ends what push began.
func (o *ops) done(v *value) {
	if v.again == nil {
		o.release(v)
	} else if v.buf != nil && !v.held {
		o.release(v)
	}
}

// lend passes v's numbers to f and takes them back where they had to be made.
func (o *ops) lend(v *value, f func(x matrix)) {
	made := v.buf == nil
	f(o.use(v))
	if made {
		o.release(v)
	}
}

func (o *ops) dropGrad(v *value) {
	if v.grad != nil {
		o.mem.drop(v.grad)
		v.grad = nil
	}
}

// into is where a gradient of v goes, and whether to add it to what is there.
func (o *ops) into(v *value) (dst matrix, add bool) {
	if add = v.grad != nil; !add {
		v.grad = o.mem.alloc(v.rows * v.cols)
	} else if v.grad.refs > 1 {
		b := o.mem.alloc(v.rows * v.cols)
		o.copy(b.data, v.grad.data)
		o.mem.drop(v.grad)
		v.grad = b
	}
	return matrix{Rows: v.rows, Cols: v.cols, Data: v.grad.data}, add
}

// give adds b to the gradient of v. b may become the gradient itself: whoever
// changes it afterwards goes through into.
func (o *ops) give(v *value, b *buffer) {
	if !v.needs {
		return
	}
	if v.grad == nil {
		b.refs++
		v.grad = b
		return
	}
	dst, _ := o.into(v)
	o.pool.Add(dst, matrix{Rows: v.rows, Cols: v.cols, Data: b.data})
}

// own is the gradient of v in a buffer that may be overwritten.
func (o *ops) own(v *value) matrix {
	dst, _ := o.into(v)
	return dst
}

// unwind runs the newest operations' backward until n are left.
func (o *ops) unwind(n int) {
	for len(o.nodes) > n {
		last := len(o.nodes) - 1
		op := o.nodes[last]
		o.nodes[last] = node{}
		o.nodes = o.nodes[:last]
		reached := false
		for _, y := range op.outs {
			reached = reached || y.grad != nil
		}
		if reached && o.err == nil {
			op.back()
		}
		for _, v := range op.keep {
			o.done(v)
		}
		for _, y := range op.outs {
			o.dropGrad(y)
		}
	}
}

// gemm is c (+)= op(a)·op(b) in the tape's precision.
func (o *ops) gemm(c, a, b matrix, ta, tb, add bool) {
	if o.err != nil {
		return
	}
	switch o.opt.Precision {
	case BF16:
		o.fail(o.pool.GemmBF16(c, a, b, ta, tb, add))
	case FP16:
		x, y := o.half(a), o.half(b)
		a.Data, b.Data = x.data, y.data
		o.fail(o.pool.Gemm(c, a, b, ta, tb, add))
		o.mem.drop(x)
		o.mem.drop(y)
	default:
		o.fail(o.pool.Gemm(c, a, b, ta, tb, add))
	}
}

// half is m rounded to float16.
func (o *ops) half(m matrix) *buffer {
	b := o.mem.alloc(len(m.Data))
	o.pool.RoundF16(b.data, m.Data)
	return b
}
