package tape

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// mixture is one Ops.Experts call. Its backward computes an expert's forward
// again from x, so that nothing but x and the router's probabilities is kept.
type mixture struct {
	e              *backend.Experts
	gate, up, down *weight // gate and up may be nil
	bias           *weight // nil or one row
	n              int     // experts
	route          backend.Route
	x, p, y        *value // [rows, hidden], [rows, experts], [rows, outputs]
}

// Experts' choice of experts is a constant of the backward; the weights of the
// chosen ones are not.
func (o *ops) Experts(xt, logits backend.Tensor, e *backend.Experts) backend.Tensor {
	m := &mixture{e: e, n: logits.Cols, x: o.val(xt), down: o.weight(e.Down)}
	if e.Gate != nil {
		m.gate, m.up = o.weight(e.Gate), o.weight(e.Up)
	}
	if e.Bias != nil {
		m.bias = o.vector(e.Bias, m.down.rows)
	}
	l := o.val(logits)
	if o.err == nil {
		o.fail(m.check(l))
	}
	if o.err != nil {
		return backend.Tensor{}
	}
	needs := m.x.needs || l.needs
	for _, w := range []*weight{m.gate, m.up, m.down, m.bias} {
		needs = needs || w != nil && w.needs()
	}
	m.p = o.consume(l)
	o.pool.Softmax(m.p.mat())
	m.route.Choose(backend.Tensor{Rows: m.p.rows, Cols: m.p.cols, Data: m.p.buf.data}, e.Used, e.Norm)
	if o.opt.Router != nil && !o.rerun {
		o.fail(o.opt.Router.Routed(m.p.mat()))
	}
	m.y = o.result(m.x.rows, m.down.rows/m.n, needs)
	clear(m.y.buf.data)
	for i := range m.n {
		if f := o.forward(m, i); f != nil {
			f.each(func(j, r int, p float32) {
				dst := m.y.mat().At(r)
				for c, v := range f.z.At(j) {
					dst[c] += float32(p * v)
				}
			})
			f.drop()
		}
	}
	if o.recording(m.y) {
		o.push(func() { o.expertsBack(m, l) }, []*value{m.y}, []*value{m.x, m.p})
	}
	y := o.tensor(m.y)
	o.unhold(m.p)
	return y
}

func (m *mixture) check(l *value) error {
	ffn := m.x.cols
	switch {
	case m.n == 0 || l.rows != m.x.rows:
		return fmt.Errorf("tape: experts: logits [%d, %d] for %d rows", l.rows, l.cols, m.x.rows)
	case m.e.Used < 1 || m.e.Used > m.n:
		return fmt.Errorf("tape: experts: %d of %d used", m.e.Used, m.n)
	case m.gate != nil && (m.gate.rows%m.n != 0 || m.gate.rows != m.up.rows || m.gate.cols != ffn || m.up.cols != ffn):
		return fmt.Errorf("tape: tensor %q: [%d, %d] for %d experts of %d inputs", m.gate.name, m.gate.rows, m.gate.cols, m.n, ffn)
	case m.gate != nil:
		ffn = m.gate.rows / m.n
	}
	if m.down.rows%m.n != 0 || m.down.cols != ffn {
		return fmt.Errorf("tape: tensor %q: [%d, %d] for %d experts of %d inputs", m.down.name, m.down.rows, m.down.cols, m.n, ffn)
	}
	for _, w := range []*weight{m.gate, m.up, m.down} {
		if w != nil && w.lora != nil {
			return fmt.Errorf("tape: tensor %q: no low-rank pairs for stacked experts", w.name)
		}
	}
	return nil
}

// share is one expert's rows of a stacked weight.
type share struct {
	w     *weight
	first int // row
	rows  int
}

func (m *mixture) share(w *weight, i int) share { return share{w, w.rows / m.n * i, w.rows / m.n} }

// shareOf is y = x·wᵀ + bias.
func (o *ops) shareOf(p share, y, x matrix, bias []float32) {
	if p.w.coded != nil {
		c := *p.w.coded
		size := c.RowBytes()
		c.Rows, c.Data = p.rows, c.Data[p.first*size:(p.first+p.rows)*size]
		o.fail(o.pool.MatMul([]matrix{y}, x, []quant.Matrix{c}, kernel.Fuse{Bias: [][]float32{bias}}))
		return
	}
	o.gemm(y, x, p.of(p.w.master), false, true, false)
	for r := range y.Rows {
		row := y.At(r)
		for i, b := range bias {
			row[i] += b
		}
	}
}

// of is the share's rows of numbers that the weight's are laid out like.
func (p share) of(all []float32) matrix {
	return matrix{Rows: p.rows, Cols: p.w.cols, Data: all[p.first*p.w.cols : (p.first+p.rows)*p.w.cols]}
}

// shareBack is dw += dyᵀ·x and, where dx is wanted, dx (+)= dy·w.
func (o *ops) shareBack(p share, dy, x, dx matrix, add bool) {
	if dw := o.of(p.w); dw != nil {
		o.gemm(p.of(dw), dy, x, true, false, true)
	}
	if dx.Data != nil {
		w, done := o.operand(p.w)
		o.gemm(dx, dy, p.of(w.Data), false, false, add)
		done()
	}
}

// pass is one expert's forward.
type pass struct {
	o          *ops
	m          *mixture
	i          int
	slots      []int32
	x, g, u, h matrix // g, u: of gate and up; h: what down multiplies
	z          matrix
	bufs       []*buffer
}

func (f *pass) alloc(rows, cols int) matrix {
	b := f.o.mem.alloc(rows * cols)
	f.bufs = append(f.bufs, b)
	return matrix{Rows: rows, Cols: cols, Data: b.data[:rows*cols]}
}

func (f *pass) drop() {
	for _, b := range f.bufs {
		f.o.mem.drop(b)
	}
}

// each calls do for the expert's rows: j counts them, r is the row of the step,
// p its weight.
func (f *pass) each(do func(j, r int, p float32)) {
	for j, s := range f.slots {
		do(j, int(s)/f.m.e.Used, f.m.route.Probs[s])
	}
}

// forward runs expert i over its rows; nil where it has none.
func (o *ops) forward(m *mixture, i int) *pass {
	f := &pass{o: o, m: m, i: i, slots: m.route.Slots(i)}
	if len(f.slots) == 0 {
		return nil
	}
	x := o.use(m.x)
	f.x = f.alloc(len(f.slots), m.x.cols)
	f.each(func(j, r int, _ float32) { copy(f.x.At(j), x.At(r)) })
	f.h = f.x
	if m.gate != nil {
		gate, up := m.share(m.gate, i), m.share(m.up, i)
		f.g, f.u, f.h = f.alloc(f.x.Rows, gate.rows), f.alloc(f.x.Rows, gate.rows), f.alloc(f.x.Rows, gate.rows)
		o.seen(m.gate, i, f.x)
		o.seen(m.up, i, f.x)
		o.shareOf(gate, f.g, f.x, nil)
		o.shareOf(up, f.u, f.x, nil)
		o.pool.Act(f.h, f.g, m.e.Act)
		o.pool.Mul(f.h, f.u)
	}
	o.seen(m.down, i, f.h)
	down := m.share(m.down, i)
	var bias []float32
	if m.bias != nil {
		bias = m.bias.master[down.first : down.first+down.rows]
	}
	f.z = f.alloc(f.x.Rows, down.rows)
	o.shareOf(down, f.z, f.h, bias)
	return f
}

func (o *ops) seen(w *weight, expert int, x matrix) {
	if o.in.Observe != nil && !o.rerun {
		o.in.Observe(w.name, expert, backend.Tensor{Rows: x.Rows, Cols: x.Cols, Data: x.Data})
	}
}

// expertsBack: with z an expert's result and w its weight for a row,
//
//	dz = w·dy   dw = dy·z   dp = dw, or (dw - Σ w·dw)/Σp where weights are scaled
//
// and the softmax's backward over all experts; l is the router's logits.
func (o *ops) expertsBack(m *mixture, l *value) {
	observe := o.in.Observe
	o.in.Observe = nil // the forward is no new one
	defer func() { o.in.Observe = observe }()
	dy := o.own(m.y)
	dw := make([]float32, len(m.route.Probs))
	var dx matrix
	if m.x.needs {
		var add bool
		if dx, add = o.into(m.x); !add {
			clear(dx.Data)
		}
	}
	for i := range m.n {
		if f := o.forward(m, i); f != nil {
			o.expertBack(f, dy, dx, dw)
			f.drop()
		}
	}
	if !l.needs {
		return
	}
	p := o.use(m.p)
	b := o.mem.alloc(p.Rows * p.Cols)
	d := matrix{Rows: p.Rows, Cols: p.Cols, Data: b.data[:p.Rows*p.Cols]}
	clear(d.Data)
	for r := range p.Rows {
		m.rowGrad(d.At(r), p.At(r), dw[r*m.e.Used:], r)
	}
	if o.opt.Router != nil {
		o.opt.Router.Grad(d, p)
	}
	for r := range p.Rows {
		softmaxGrad(d.At(r), p.At(r))
	}
	o.give(l, b)
	o.mem.drop(b)
}

// rowGrad fills d, which is 0, with the gradient of a row's probabilities.
func (m *mixture) rowGrad(d, p, dw []float32, r int) {
	used := m.e.Used
	ids, w := m.route.IDs[r*used:(r+1)*used], m.route.Probs[r*used:(r+1)*used]
	mean, sum := float32(0), float32(1)
	if m.e.Norm {
		sum = 0
		for i, e := range ids {
			mean += float32(w[i] * dw[i])
			sum += p[e]
		}
	}
	for i, e := range ids {
		d[e] = (dw[i] - mean) / sum
	}
}

// expertBack adds one expert's gradients; dw gets those of its rows' weights.
func (o *ops) expertBack(f *pass, dy, dx matrix, dw []float32) {
	m := f.m
	dz := f.alloc(f.z.Rows, f.z.Cols)
	f.each(func(j, r int, p float32) {
		sum := float64(0)
		from, z, to := dy.At(r), f.z.At(j), dz.At(j)
		for c, d := range from {
			sum += float64(d) * float64(z[c])
			to[c] = p * d
		}
		dw[f.slots[j]] = float32(sum)
	})
	down := m.share(m.down, f.i)
	if db := o.of(m.bias); db != nil {
		o.pool.SumRows(db[down.first:down.first+down.rows], dz)
	}
	din := f.alloc(f.x.Rows, f.x.Cols)
	if m.gate == nil {
		o.shareBack(down, dz, f.h, din, false)
	} else {
		dh := f.alloc(f.h.Rows, f.h.Cols)
		o.shareBack(down, dz, f.h, dh, false)
		o.pool.GateUpGrad(f.g, f.u, f.g, f.u, dh, m.e.Act)
		o.shareBack(m.share(m.gate, f.i), f.g, f.x, din, false)
		o.shareBack(m.share(m.up, f.i), f.u, f.x, din, true)
	}
	if dx.Data != nil {
		f.each(func(j, r int, _ float32) {
			dst := dx.At(r)
			for c, v := range din.At(j) {
				dst[c] += v
			}
		})
	}
}
