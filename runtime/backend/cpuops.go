package backend

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// cpuOps implements Ops over the kernel pool. Its slices are scratch that is
// reused, so that a step allocates nothing.
type cpuOps struct {
	pool    *kernel.Pool
	precise bool
	codes   bool // weights multiply quantized activations: RMSNorm quantizes its result
	in      *Inputs
	err     error
	arena   arena

	y     [3]kernel.F32
	w     [3]quant.Matrix
	bias  [3][]float32
	pages []kernel.KVPages
	local localKV
	route Route
	fetch fetch
}

func (o *cpuOps) begin(in *Inputs) {
	o.in, o.err = in, nil
	o.arena.reset()
	o.fetch.begin()
}

func (o *cpuOps) In() *Inputs { return o.in }

func (o *cpuOps) fail(err error) {
	if o.err == nil && err != nil {
		o.err = err
	}
}

func (o *cpuOps) tensor(rows, cols int) Tensor {
	return Tensor{Rows: rows, Cols: cols, Data: o.arena.alloc(rows * cols)}
}

func mat(t Tensor) kernel.F32 { return kernel.F32{Rows: t.Rows, Cols: t.Cols, Data: t.Data} }

// matrix is w as the CPU's own, or an error that sticks.
func (o *cpuOps) matrix(w Weight) *cpuWeight {
	c, ok := w.(*cpuWeight)
	if !ok {
		o.fail(fmt.Errorf("backend: weight %v is not the CPU's", w))
		return nil
	}
	return c
}

// vector is the float32 copy of a weight of one row.
func (o *cpuOps) vector(w Weight, cols int) []float32 {
	c := o.matrix(w)
	if c == nil {
		return nil
	}
	if len(c.vec) != cols {
		o.fail(fmt.Errorf("backend: tensor %q: [%d, %d] where a vector of %d is needed", c.name, c.m.Rows, c.m.Cols, cols))
		return nil
	}
	return c.vec
}

// Layer reuses the memory of everything f made. The residual stream usually
// comes back in x's own memory (Add consumes it).
func (o *cpuOps) Layer(i int, x Tensor, f func(o Ops, i int, x Tensor) Tensor) Tensor {
	if o.err != nil {
		return x
	}
	if o.in.Want&AllHidden != 0 {
		old := x.Data
		x = o.tensor(x.Rows, x.Cols)
		copy(x.Data, old)
	}
	m := o.arena.mark()
	y := f(o, i, x)
	o.arena.release(m)
	if o.err != nil || len(y.Data) == 0 || len(x.Data) > 0 && &y.Data[0] == &x.Data[0] {
		return y
	}
	z := o.tensor(y.Rows, y.Cols) // y lies above the mark: move it down
	copy(z.Data, y.Data)
	return z
}

func (o *cpuOps) Embed(w Weight, ids []int32) Tensor {
	c := o.matrix(w)
	if o.err != nil {
		return Tensor{}
	}
	y := o.tensor(len(ids), c.m.Cols)
	o.fail(o.pool.EmbedRows(mat(y), c.m, ids))
	return y
}

func (o *cpuOps) Input() Tensor {
	if o.err != nil {
		return Tensor{}
	}
	y := o.tensor(o.in.Embeds.Rows, o.in.Embeds.Cols)
	copy(y.Data, o.in.Embeds.Data)
	return y
}

func (o *cpuOps) Rows(x Tensor, idx []int32) Tensor {
	if o.err != nil {
		return Tensor{}
	}
	y := o.tensor(len(idx), x.Cols)
	for i, r := range idx {
		copy(y.Data[i*x.Cols:(i+1)*x.Cols], x.Data[int(r)*x.Cols:])
	}
	return y
}

func (o *cpuOps) RMSNorm(x Tensor, w Weight, eps float32) Tensor {
	v := o.vector(w, x.Cols)
	if o.err != nil {
		return Tensor{}
	}
	y := o.tensor(x.Rows, x.Cols)
	if !o.codes {
		o.pool.RMSNorm(mat(y), mat(x), v, eps)
		return y
	}
	y.Ref = o.pool.RMSNormActs(mat(y), mat(x), v, eps)
	return y
}

func (o *cpuOps) LayerNorm(x Tensor, w, b Weight, eps float32) Tensor {
	v, c := o.vector(w, x.Cols), o.vector(b, x.Cols)
	if o.err != nil {
		return Tensor{}
	}
	y := o.tensor(x.Rows, x.Cols)
	o.pool.LayerNorm(mat(y), mat(x), v, c, eps)
	return y
}

func (o *cpuOps) HeadNorm(x Tensor, dim int, w Weight, eps float32) Tensor {
	v := o.vector(w, dim)
	if o.err != nil {
		return Tensor{}
	}
	o.pool.RMSNormHeads(mat(x), mat(x), dim, v, eps)
	return x
}

// slot prepares output i of a matmul: weight, bias, and a result of its own
// where out is set.
func (o *cpuOps) slot(i int, x Tensor, w, b Weight, out bool) Tensor {
	c := o.matrix(w)
	if o.err != nil {
		return Tensor{}
	}
	if c.m.Cols != x.Cols {
		o.fail(fmt.Errorf("backend: tensor %q: %d columns, the input has %d", c.name, c.m.Cols, x.Cols))
		return Tensor{}
	}
	o.w[i], o.bias[i] = c.m, nil
	if b != nil {
		o.bias[i] = o.vector(b, c.m.Rows)
	}
	if o.in.Observe != nil {
		o.in.Observe(c.name, -1, x)
	}
	var y Tensor
	if out {
		y = o.tensor(x.Rows, c.m.Rows)
		o.y[i] = mat(y)
	}
	return y
}

func (o *cpuOps) matmul(x Tensor, outs, n int, act Act) {
	if o.err != nil || x.Rows == 0 {
		return
	}
	o.fail(o.pool.MatMul(o.y[:outs], mat(x), o.w[:n], kernel.Fuse{Bias: o.bias[:n], GateUp: act, Precise: o.precise, Acts: x.Ref}))
}

func (o *cpuOps) Linear(x Tensor, w, b Weight) Tensor {
	y := o.slot(0, x, w, b, true)
	o.matmul(x, 1, 1, NoAct)
	return y
}

func (o *cpuOps) QKV(x Tensor, w, b [3]Weight) (q, k, v Tensor) {
	q = o.slot(0, x, w[0], b[0], true)
	k = o.slot(1, x, w[1], b[1], true)
	v = o.slot(2, x, w[2], b[2], true)
	o.matmul(x, 3, 3, NoAct)
	return q, k, v
}

func (o *cpuOps) GateUp(x Tensor, gate, up Weight, b [2]Weight, act Act) Tensor {
	if act == NoAct {
		o.fail(fmt.Errorf("backend: gate and up without an activation"))
	}
	y := o.slot(0, x, gate, b[0], true)
	o.slot(1, x, up, b[1], false)
	o.matmul(x, 1, 2, act)
	return y
}

func (o *cpuOps) RoPE(x Tensor, dim int, r *Rope) Tensor {
	if o.err == nil {
		o.fail(o.pool.RoPE(mat(x), dim, r.Rot, o.in.Positions, r.table, r.NeoX))
	}
	return x
}

func (o *cpuOps) Add(x, y Tensor) Tensor {
	if o.same(x, y) {
		o.pool.Add(mat(x), mat(y))
	}
	return x
}

func (o *cpuOps) Mul(x, y Tensor) Tensor {
	if o.err == nil && y.Cols == 1 && y.Rows == x.Rows {
		for r, f := range y.Data {
			for i := range x.Data[r*x.Cols : (r+1)*x.Cols] {
				x.Data[r*x.Cols+i] *= f
			}
		}
		return x
	}
	if o.same(x, y) {
		o.pool.Mul(mat(x), mat(y))
	}
	return x
}

func (o *cpuOps) same(x, y Tensor) bool {
	if o.err == nil && (x.Rows != y.Rows || x.Cols != y.Cols) {
		o.fail(fmt.Errorf("backend: [%d, %d] and [%d, %d] are not of one shape", x.Rows, x.Cols, y.Rows, y.Cols))
	}
	return o.err == nil
}

func (o *cpuOps) Act(x Tensor, a Act) Tensor {
	if o.err == nil {
		o.pool.Act(mat(x), mat(x), a)
	}
	return x
}

func (o *cpuOps) Pool(x Tensor, views []KVView, mean bool) Tensor {
	if !o.checkViews(x, views) {
		return Tensor{}
	}
	y := o.tensor(len(views), x.Cols)
	at := 0
	for i, v := range views {
		dst := y.Data[i*x.Cols : (i+1)*x.Cols]
		copy(dst, x.Data[at*x.Cols:])
		if mean {
			PoolMean(dst, x.Data[at*x.Cols:(at+v.N)*x.Cols])
		}
		at += v.N
	}
	return y
}

// PoolMean is the mean of rows of len(y) values, summed in float64 row after row.
func PoolMean(y, x []float32) {
	rows := len(x) / len(y)
	for c := range y {
		sum := 0.0
		for i := c; i < len(x); i += len(y) {
			sum += float64(x[i])
		}
		y[c] = float32(sum / float64(rows))
	}
}

func (o *cpuOps) Softmax(x Tensor) Tensor {
	if o.err == nil {
		o.pool.Softmax(mat(x))
	}
	return x
}
