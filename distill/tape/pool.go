package tape

import "github.com/qwq-edge/qwq/runtime/backend"

// Pool's backward hands a view's gradient to the rows that made it.
func (o *ops) Pool(t backend.Tensor, views []backend.KVView, mean bool) backend.Tensor {
	x := o.val(t)
	if !o.checkViews(t, views) {
		return backend.Tensor{}
	}
	y := o.result(len(views), x.cols, x.needs)
	at := 0
	for i, v := range views {
		dst := y.mat().At(i)
		copy(dst, x.mat().At(at))
		if mean {
			backend.PoolMean(dst, x.buf.data[at*x.cols:(at+v.N)*x.cols])
		}
		at += v.N
	}
	if o.recording(y) {
		o.push(func() {
			dx, add := o.into(x)
			if !add {
				clear(dx.Data)
			}
			at := 0
			for i, v := range views {
				n := 1
				if mean {
					n = v.N
				}
				from := y.grad.data[i*x.cols : (i+1)*x.cols]
				for r := range n {
					to := dx.At(at + r)
					for c, g := range from {
						to[c] += g / float32(n)
					}
				}
				at += v.N
			}
		}, []*value{y}, nil)
	}
	return o.tensor(y)
}
