package tape

import (
	"errors"
	"math"
	"sort"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// oracle is a Device in float64, every operation as its comment in backend.Ops
// says it. Finite differences of it are what the tape's gradients are held
// against.
type oracle struct {
	w  []*oracleWeight
	in *backend.Inputs
	t  [][]float64
	// embeds stands in for In.Embeds, so that it can be varied in float64.
	embeds []float64
	routed [][]float64 // the probabilities of every row of every mixture
}

type oracleWeight struct {
	name       string
	rows, cols int
	x          []float64
}

func (w *oracleWeight) Name() string      { return w.name }
func (w *oracleWeight) Shape() (int, int) { return w.rows, w.cols }

func (o *oracle) Weight(name string, m quant.Matrix) (backend.Weight, error) {
	f := make([]float32, m.Rows*m.Cols)
	if err := quant.Decode(m.Type, f, m.Data); err != nil {
		return nil, err
	}
	w := &oracleWeight{name, m.Rows, m.Cols, wide(f)}
	o.w = append(o.w, w)
	return w, nil
}

func wide(f []float32) []float64 {
	x := make([]float64, len(f))
	for i, v := range f {
		x[i] = float64(v)
	}
	return x
}

func (o *oracle) KV(backend.KVSpec) (backend.KVStore, error)                    { return nil, errors.ErrUnsupported }
func (o *oracle) Host(backend.Tensor) ([]float32, error)                        { return nil, errors.ErrUnsupported }
func (o *oracle) Close() error                                                  { return nil }
func (o *oracle) In() *backend.Inputs                                           { return o.in }
func (o *oracle) num(t backend.Tensor) []float64                                { return o.t[t.Ref-1] }
func (o *oracle) StoreKV(int, backend.Tensor, backend.Tensor, []backend.KVView) {}

func (o *oracle) Step(_ backend.StepKey, in *backend.Inputs, f func(backend.Ops) ([]backend.Tensor, error)) ([]backend.Tensor, error) {
	o.in, o.t = in, nil
	return f(o)
}

// make fills a new tensor value by value.
func (o *oracle) make(rows, cols int, f func(r, c int) float64) backend.Tensor {
	x := make([]float64, rows*cols)
	for i := range x {
		x[i] = f(i/cols, i%cols)
	}
	o.t = append(o.t, x)
	return backend.Tensor{Rows: rows, Cols: cols, Ref: uint64(len(o.t))}
}

func (o *oracle) Layer(i int, x backend.Tensor, f func(backend.Ops, int, backend.Tensor) backend.Tensor) backend.Tensor {
	return f(o, i, x)
}

func (o *oracle) Embed(w backend.Weight, ids []int32) backend.Tensor {
	p := w.(*oracleWeight)
	return o.make(len(ids), p.cols, func(r, c int) float64 { return p.x[int(ids[r])*p.cols+c] })
}

func (o *oracle) Input() backend.Tensor {
	e := o.in.Embeds
	return o.make(e.Rows, e.Cols, func(r, c int) float64 { return o.embeds[r*e.Cols+c] })
}

func (o *oracle) Rows(x backend.Tensor, idx []int32) backend.Tensor {
	v := o.num(x)
	return o.make(len(idx), x.Cols, func(r, c int) float64 { return v[int(idx[r])*x.Cols+c] })
}

func (o *oracle) RMSNorm(x backend.Tensor, w backend.Weight, eps float32) backend.Tensor {
	return o.HeadNorm(x, x.Cols, w, eps)
}

func (o *oracle) HeadNorm(x backend.Tensor, dim int, w backend.Weight, eps float32) backend.Tensor {
	v, p := o.num(x), w.(*oracleWeight).x
	return o.make(x.Rows, x.Cols, func(r, c int) float64 {
		at, sum := r*x.Cols+c/dim*dim, 0.0
		for _, f := range v[at : at+dim] {
			sum += f * f
		}
		return v[r*x.Cols+c] / math.Sqrt(sum/float64(dim)+float64(eps)) * p[c%dim]
	})
}

func (o *oracle) LayerNorm(x backend.Tensor, w, b backend.Weight, eps float32) backend.Tensor {
	v, p, q := o.num(x), w.(*oracleWeight).x, b.(*oracleWeight).x
	n := float64(x.Cols)
	return o.make(x.Rows, x.Cols, func(r, c int) float64 {
		mean, sq := 0.0, 0.0
		for _, f := range v[r*x.Cols : (r+1)*x.Cols] {
			mean += f / n
		}
		for _, f := range v[r*x.Cols : (r+1)*x.Cols] {
			sq += (f - mean) * (f - mean) / n
		}
		return (v[r*x.Cols+c]-mean)/math.Sqrt(sq+float64(eps))*p[c] + q[c]
	})
}

func (o *oracle) Linear(x backend.Tensor, w, b backend.Weight) backend.Tensor {
	v, p := o.num(x), w.(*oracleWeight)
	return o.make(x.Rows, p.rows, func(r, c int) float64 {
		sum := 0.0
		if b != nil {
			sum = b.(*oracleWeight).x[c]
		}
		for i := range p.cols {
			sum += v[r*x.Cols+i] * p.x[c*p.cols+i]
		}
		return sum
	})
}

func (o *oracle) QKV(x backend.Tensor, w, b [3]backend.Weight) (q, k, v backend.Tensor) {
	return o.Linear(x, w[0], b[0]), o.Linear(x, w[1], b[1]), o.Linear(x, w[2], b[2])
}

func (o *oracle) GateUp(x backend.Tensor, gate, up backend.Weight, b [2]backend.Weight, act backend.Act) backend.Tensor {
	return o.Mul(o.Act(o.Linear(x, gate, b[0]), act), o.Linear(x, up, b[1]))
}

func (o *oracle) RoPE(x backend.Tensor, dim int, r *backend.Rope) backend.Tensor {
	v, t := o.num(x), r.Table()
	half := r.Rot / 2
	return o.make(x.Rows, x.Cols, func(row, c int) float64 {
		d := c % dim
		if d >= r.Rot {
			return v[row*x.Cols+c]
		}
		pair, other, sign := d/2, c^1, -1.0
		if d%2 == 1 {
			sign = 1
		}
		if r.NeoX {
			pair, other, sign = d, c+half, -1
			if d >= half {
				pair, other, sign = d-half, c-half, 1
			}
		}
		at := int(o.in.Positions[row])*half + pair
		return v[row*x.Cols+c]*float64(t.Cos[at]) + sign*v[row*x.Cols+other]*float64(t.Sin[at])
	})
}

func (o *oracle) Attend(_ int, q, k, v backend.Tensor, views []backend.KVView, m backend.Mask) backend.Tensor {
	dim := q.Cols / m.QHeads
	group := m.QHeads / (k.Cols / dim)
	nq, nk, nv := o.num(q), o.num(k), o.num(v)
	y := make([]float64, len(nq))
	at := 0
	for _, view := range views {
		for i := range view.N {
			lo, hi := 0, view.N
			if view.Causal {
				hi = i + 1
			}
			if m.Window > 0 {
				lo = max(0, i-m.Window+1)
			}
			for h := range m.QHeads {
				row := nq[(at+i)*q.Cols+h*dim:][:dim]
				sum, out := 0.0, y[(at+i)*q.Cols+h*dim:][:dim]
				for j := lo; j < hi; j++ {
					s := 0.0
					for d, f := range row {
						s += f * nk[(at+j)*k.Cols+h/group*dim+d]
					}
					p := math.Exp(s * float64(m.Scale))
					sum += p
					for d := range out {
						out[d] += p * nv[(at+j)*k.Cols+h/group*dim+d]
					}
				}
				for d := range out {
					out[d] /= sum
				}
			}
		}
		at += view.N
	}
	return o.make(q.Rows, q.Cols, func(r, c int) float64 { return y[r*q.Cols+c] })
}

func (o *oracle) Add(x, y backend.Tensor) backend.Tensor {
	v, w := o.num(x), o.num(y)
	return o.make(x.Rows, x.Cols, func(r, c int) float64 { return v[r*x.Cols+c] + w[r*x.Cols+c] })
}

func (o *oracle) Mul(x, y backend.Tensor) backend.Tensor {
	v, w := o.num(x), o.num(y)
	if y.Cols == 1 {
		return o.make(x.Rows, x.Cols, func(r, c int) float64 { return v[r*x.Cols+c] * w[r] })
	}
	return o.make(x.Rows, x.Cols, func(r, c int) float64 { return v[r*x.Cols+c] * w[r*x.Cols+c] })
}

func (o *oracle) Act(x backend.Tensor, a backend.Act) backend.Tensor {
	v := o.num(x)
	return o.make(x.Rows, x.Cols, func(r, c int) float64 {
		return activation(v[r*x.Cols+c], a)
	})
}

func activation(f float64, a backend.Act) float64 {
	switch a {
	case backend.SiLU:
		return f / (1 + math.Exp(-f))
	case backend.QuickGELU:
		return f / (1 + math.Exp(-1.702*f))
	case backend.ReLU:
		return max(f, 0)
	case backend.Sigmoid:
		return 1 / (1 + math.Exp(-f))
	case backend.Tanh:
		return math.Tanh(f)
	case backend.GELU:
		return f * 0.5 * math.Erfc(-f/math.Sqrt2)
	case backend.GELUTanh:
		return f / (1 + math.Exp(-2*math.Sqrt(2/math.Pi)*(f+0.044715*f*f*f)))
	}
	return f
}

// Experts runs every expert on every row and picks by sorting.
func (o *oracle) Experts(x, logits backend.Tensor, e *backend.Experts) backend.Tensor {
	n := logits.Cols
	p := o.num(o.Softmax(logits))
	rows := func(w backend.Weight) []float64 { return w.(*oracleWeight).x }
	xs, down := o.num(x), e.Down.(*oracleWeight)
	out := down.rows / n
	y := make([]float64, x.Rows*out)
	for r := range x.Rows {
		ids := make([]int, n)
		for i := range ids {
			ids[i] = i
		}
		of := p[r*n : (r+1)*n]
		o.routed = append(o.routed, of)
		sort.SliceStable(ids, func(i, j int) bool { return of[ids[i]] > of[ids[j]] })
		sum := 1.0
		if e.Norm {
			sum = 0
			for _, i := range ids[:e.Used] {
				sum += of[i]
			}
		}
		for _, i := range ids[:e.Used] {
			in := xs[r*x.Cols : (r+1)*x.Cols]
			if e.Gate != nil {
				g := expertProduct(rows(e.Gate), in, i, n)
				for c, u := range expertProduct(rows(e.Up), in, i, n) {
					g[c] = activation(g[c], e.Act) * u
				}
				in = g
			}
			for c, z := range expertProduct(down.x, in, i, n) {
				if e.Bias != nil {
					z += rows(e.Bias)[i*out+c]
				}
				y[r*out+c] += of[i] / sum * z
			}
		}
	}
	return o.make(x.Rows, out, func(r, c int) float64 { return y[r*out+c] })
}

// expertProduct is expert i's matrix of n times x.
func expertProduct(w, x []float64, i, n int) []float64 {
	w = w[len(w)/n*i : len(w)/n*(i+1)]
	y := make([]float64, len(w)/len(x))
	for r := range y {
		for c, f := range x {
			y[r] += w[r*len(x)+c] * f
		}
	}
	return y
}

func (o *oracle) Pool(x backend.Tensor, views []backend.KVView, mean bool) backend.Tensor {
	v, first := o.num(x), []int{0}
	for _, view := range views {
		first = append(first, first[len(first)-1]+view.N)
	}
	return o.make(len(views), x.Cols, func(r, c int) float64 {
		sum, n := 0.0, 1
		if mean {
			n = views[r].N
		}
		for i := range n {
			sum += v[(first[r]+i)*x.Cols+c]
		}
		return sum / float64(n)
	})
}

func (o *oracle) Softmax(x backend.Tensor) backend.Tensor {
	v := o.num(x)
	return o.make(x.Rows, x.Cols, func(r, c int) float64 {
		sum := 0.0
		for _, f := range v[r*x.Cols : (r+1)*x.Cols] {
			sum += math.Exp(f)
		}
		return math.Exp(v[r*x.Cols+c]) / sum
	})
}
