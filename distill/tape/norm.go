package tape

import (
	"github.com/qwq-edge/qwq/runtime/backend"
)

func (o *ops) RMSNorm(t backend.Tensor, w backend.Weight, eps float32) backend.Tensor {
	return o.rms(t, t.Cols, w, eps)
}

// HeadNorm consumes x, but its backward needs the numbers: the result has memory
// of its own where it is recorded.
func (o *ops) HeadNorm(t backend.Tensor, dim int, w backend.Weight, eps float32) backend.Tensor {
	return o.rms(t, dim, w, eps)
}

func (o *ops) rms(t backend.Tensor, dim int, w backend.Weight, eps float32) backend.Tensor {
	x, p := o.val(t), o.vector(w, dim)
	if o.err != nil {
		return backend.Tensor{}
	}
	y := o.result(x.rows, x.cols, x.needs || p.trained())
	o.pool.RMSNormHeads(y.mat(), x.mat(), dim, p.master, eps)
	if o.recording(y) {
		y.again = func(m matrix) {
			o.lend(x, func(x matrix) { o.pool.RMSNormHeads(m, x, dim, p.master, eps) })
		}
		o.push(func() {
			m := o.use(x)
			var dx matrix
			add := false
			if x.needs {
				dx, add = o.into(x)
			}
			o.pool.RMSNormGrad(dx, o.of(p), o.own(y), m, dim, p.master, eps, add)
		}, []*value{y}, []*value{x})
	}
	return o.tensor(y)
}

func (o *ops) LayerNorm(t backend.Tensor, w, b backend.Weight, eps float32) backend.Tensor {
	x, p, q := o.val(t), o.vector(w, t.Cols), o.vector(b, t.Cols)
	if o.err != nil {
		return backend.Tensor{}
	}
	y := o.result(x.rows, x.cols, x.needs || p.trained() || q.trained())
	o.pool.LayerNorm(y.mat(), x.mat(), p.master, q.master, eps)
	if o.recording(y) {
		y.again = func(m matrix) {
			o.lend(x, func(x matrix) { o.pool.LayerNorm(m, x, p.master, q.master, eps) })
		}
		o.push(func() {
			m, dy := o.use(x), o.own(y)
			if db := o.of(q); db != nil {
				o.pool.SumRows(db, dy)
			}
			var dx matrix
			add := false
			if x.needs {
				dx, add = o.into(x)
			}
			o.pool.LayerNormGrad(dx, o.of(p), dy, m, p.master, eps, add)
		}, []*value{y}, []*value{x})
	}
	return o.tensor(y)
}
