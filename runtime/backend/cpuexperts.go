package backend

import (
	"fmt"

	"github.com/qwq-edge/qwq/quant"
)

// expert is the part of a stacked weight that is expert e's.
func (w *cpuWeight) expert(e, experts int) quant.Matrix {
	m := w.m
	m.Rows /= experts
	size := m.Rows * m.RowBytes()
	m.Data = m.Data[e*size : (e+1)*size : (e+1)*size]
	return m
}

// Experts groups the rows by expert: each matrix is read once, and only those of
// experts that a row has chosen.
func (o *cpuOps) Experts(x, logits Tensor, e *Experts) Tensor {
	var gate, up *cpuWeight
	down := o.matrix(e.Down)
	if e.Gate != nil {
		gate, up = o.matrix(e.Gate), o.matrix(e.Up)
	}
	if o.err == nil {
		o.fail(checkExperts(x, logits, e, gate, up, down))
	}
	if o.err != nil {
		return Tensor{}
	}
	n := logits.Cols
	out := down.m.Rows / n
	var bias []float32
	if e.Bias != nil {
		if bias = o.vector(e.Bias, down.m.Rows); o.err != nil {
			return Tensor{}
		}
	}
	y := o.tensor(x.Rows, out)
	clear(y.Data)
	o.pool.Softmax(mat(logits))
	o.route.Choose(logits, e.Used, e.Norm)
	if o.fetch.now {
		o.fetch.experts(&o.route, n, gate, up, down)
	}
	for i := range n {
		slots := o.route.Slots(i)
		if len(slots) == 0 {
			continue
		}
		m := o.arena.mark()
		in := x
		if len(slots) < x.Rows {
			in = o.tensor(len(slots), x.Cols)
			for j, s := range slots {
				r := int(s) / e.Used
				copy(in.Data[j*x.Cols:(j+1)*x.Cols], x.Data[r*x.Cols:])
			}
		}
		if gate != nil {
			in = o.expertGateUp(in, gate, up, i, n, e.Act)
		}
		o.observe(down, i, in)
		z := o.tensor(in.Rows, out)
		o.y[0], o.w[0], o.bias[0] = mat(z), down.expert(i, n), nil
		if bias != nil {
			o.bias[0] = bias[i*out : (i+1)*out]
		}
		o.matmul(in, 1, 1, NoAct)
		for j, s := range slots {
			p, dst, src := o.route.Probs[s], y.Data[int(s)/e.Used*out:][:out], z.Data[j*out:][:out]
			for c, f := range src {
				dst[c] += float32(p * f)
			}
		}
		o.arena.release(m)
	}
	return y
}

func (o *cpuOps) expertGateUp(in Tensor, gate, up *cpuWeight, i, n int, act Act) Tensor {
	o.observe(gate, i, in)
	o.observe(up, i, in)
	h := o.tensor(in.Rows, gate.m.Rows/n)
	o.y[0], o.w[0], o.w[1], o.bias[0], o.bias[1] = mat(h), gate.expert(i, n), up.expert(i, n), nil, nil
	o.matmul(in, 1, 2, act)
	return h
}

func (o *cpuOps) observe(w *cpuWeight, expert int, x Tensor) {
	if o.in.Observe != nil {
		o.in.Observe(w.name, expert, x)
	}
}

// checkExperts compares the shapes. Without a gate the router's choice is the
// same but an expert is one matrix.
func checkExperts(x, logits Tensor, e *Experts, gate, up, down *cpuWeight) error {
	n, ffn := logits.Cols, x.Cols
	switch {
	case n == 0 || logits.Rows != x.Rows:
		return fmt.Errorf("backend: experts: logits [%d, %d] for %d rows", logits.Rows, logits.Cols, x.Rows)
	case e.Used < 1 || e.Used > n:
		return fmt.Errorf("backend: experts: %d of %d used", e.Used, n)
	}
	if gate != nil {
		if e.Act == NoAct {
			return fmt.Errorf("backend: experts: tensor %q: gate and up without an activation", gate.name)
		}
		for _, w := range []*cpuWeight{gate, up} {
			if w.m.Rows%n != 0 || w.m.Rows != gate.m.Rows || w.m.Cols != x.Cols {
				return fmt.Errorf("backend: tensor %q: [%d, %d] for %d experts of %d inputs", w.name, w.m.Rows, w.m.Cols, n, x.Cols)
			}
		}
		ffn = gate.m.Rows / n
	}
	if down.m.Rows%n != 0 || down.m.Cols != ffn {
		return fmt.Errorf("backend: tensor %q: [%d, %d] for %d experts of %d inputs", down.name, down.m.Rows, down.m.Cols, n, ffn)
	}
	return nil
}
