package model

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// naive is a second Device: every operation as its comment says it, in
// float64, no scratch, no fusion. It poisons tensors that an operation
// consumes, so a graph that uses one again gives NaN, and it runs each layer
// twice as the tape may.
type naive struct{}

type naiveWeight struct {
	name       string
	rows, cols int
	x          []float64
}

func (w *naiveWeight) Name() string      { return w.name }
func (w *naiveWeight) Shape() (int, int) { return w.rows, w.cols }

func (naive) Weight(name string, m quant.Matrix) (backend.Weight, error) {
	f := make([]float32, m.Rows*m.Cols)
	if err := quant.Decode(m.Type, f, m.Data); err != nil {
		return nil, err
	}
	w := &naiveWeight{name, m.Rows, m.Cols, make([]float64, len(f))}
	for i, v := range f {
		w.x[i] = float64(v)
	}
	return w, nil
}

// naiveStore keeps rows by (layer, page, position).
type naiveStore struct {
	spec backend.KVSpec
	kv   map[[3]int][2][]float32
}

func (naive) KV(s backend.KVSpec) (backend.KVStore, error) {
	return &naiveStore{s, map[[3]int][2][]float32{}}, nil
}
func (s *naiveStore) Spec() backend.KVSpec          { return s.spec }
func (s *naiveStore) PageBytes() int                { return 1 }
func (s *naiveStore) Grow(int) error                { return nil }
func (s *naiveStore) ReadPage(int32, []byte) error  { return errors.ErrUnsupported }
func (s *naiveStore) WritePage(int32, []byte) error { return errors.ErrUnsupported }
func (s *naiveStore) CopyPage(dst, src int32) error {
	for l := range s.spec.Layers {
		for p := range backend.PagePositions {
			s.kv[[3]int{l, int(dst), p}] = s.kv[[3]int{l, int(src), p}]
		}
	}
	return nil
}

func (naive) Host(t backend.Tensor) ([]float32, error) { return t.Data, nil }
func (naive) Close() error                             { return nil }
func (naive) Step(_ backend.StepKey, in *backend.Inputs, f func(backend.Ops) ([]backend.Tensor, error)) ([]backend.Tensor, error) {
	return f(&naiveOps{in: in})
}

type naiveOps struct{ in *backend.Inputs }

func (o *naiveOps) In() *backend.Inputs { return o.in }

func tensor(rows, cols int, f func(r, c int) float64) backend.Tensor {
	t := backend.Tensor{Rows: rows, Cols: cols, Data: make([]float32, rows*cols)}
	for r := range rows {
		for c := range cols {
			t.Data[r*cols+c] = float32(f(r, c))
		}
	}
	return t
}

func at(t backend.Tensor, r, c int) float64 { return float64(t.Data[r*t.Cols+c]) }

func poison(t backend.Tensor) {
	for i := range t.Data {
		t.Data[i] = float32(math.NaN())
	}
}

func clone(t backend.Tensor) backend.Tensor {
	return tensor(t.Rows, t.Cols, func(r, c int) float64 { return at(t, r, c) })
}

func (o *naiveOps) Layer(i int, x backend.Tensor, f func(backend.Ops, int, backend.Tensor) backend.Tensor) backend.Tensor {
	y, again := f(o, i, clone(x)), f(o, i, clone(x))
	for k := range y.Data {
		if y.Data[k] != again.Data[k] {
			panic(fmt.Sprintf("layer %d gives another result when it is run again", i))
		}
	}
	if o.in.Want&backend.AllHidden == 0 {
		poison(x)
	}
	return y
}

func (o *naiveOps) Embed(w backend.Weight, ids []int32) backend.Tensor {
	m := w.(*naiveWeight)
	return tensor(len(ids), m.cols, func(r, c int) float64 { return m.x[int(ids[r])*m.cols+c] })
}
func (o *naiveOps) Input() backend.Tensor { return clone(o.in.Embeds) }
func (o *naiveOps) Rows(x backend.Tensor, idx []int32) backend.Tensor {
	return tensor(len(idx), x.Cols, func(r, c int) float64 { return at(x, int(idx[r]), c) })
}

func (o *naiveOps) RMSNorm(x backend.Tensor, w backend.Weight, eps float32) backend.Tensor {
	return heads(x, x.Cols, w, eps)
}
func (o *naiveOps) HeadNorm(x backend.Tensor, dim int, w backend.Weight, eps float32) backend.Tensor {
	defer poison(x)
	return heads(x, dim, w, eps)
}

func heads(x backend.Tensor, dim int, w backend.Weight, eps float32) backend.Tensor {
	m := w.(*naiveWeight)
	return tensor(x.Rows, x.Cols, func(r, c int) float64 {
		var ss float64
		for k := range dim {
			v := at(x, r, c/dim*dim+k)
			ss += v * v
		}
		return at(x, r, c) / math.Sqrt(ss/float64(dim)+float64(eps)) * m.x[c%dim]
	})
}

func (o *naiveOps) LayerNorm(x backend.Tensor, w, b backend.Weight, eps float32) backend.Tensor {
	panic("not in these graphs")
}

func (o *naiveOps) Linear(x backend.Tensor, w, b backend.Weight) backend.Tensor {
	m := w.(*naiveWeight)
	if o.in.Observe != nil {
		o.in.Observe(m.name, -1, x)
	}
	return tensor(x.Rows, m.rows, func(r, c int) float64 {
		var s float64
		for k := range m.cols {
			s += at(x, r, k) * m.x[c*m.cols+k]
		}
		if b != nil {
			s += b.(*naiveWeight).x[c]
		}
		return s
	})
}
func (o *naiveOps) QKV(x backend.Tensor, w, b [3]backend.Weight) (q, k, v backend.Tensor) {
	return o.Linear(x, w[0], b[0]), o.Linear(x, w[1], b[1]), o.Linear(x, w[2], b[2])
}
func (o *naiveOps) GateUp(x backend.Tensor, gate, up backend.Weight, b [2]backend.Weight, act backend.Act) backend.Tensor {
	return o.Mul(o.Act(o.Linear(x, gate, b[0]), act), o.Linear(x, up, b[1]))
}

func (o *naiveOps) RoPE(x backend.Tensor, dim int, r *backend.Rope) backend.Tensor {
	defer poison(x)
	t := r.Table()
	return tensor(x.Rows, x.Cols, func(row, c int) float64 {
		i := c % dim
		if i >= r.Rot {
			return at(x, row, c)
		}
		pair, first, other := i/2, i%2 == 0, c^1
		if r.NeoX {
			pair, first = i%(r.Rot/2), i < r.Rot/2
			other = c + r.Rot/2
			if !first {
				other = c - r.Rot/2
			}
		}
		sin, cos := math.Sincos(float64(o.in.Positions[row]) * t.Freqs[pair])
		sin, cos = sin*float64(t.Scale), cos*float64(t.Scale)
		if first {
			return at(x, row, c)*cos - at(x, row, other)*sin
		}
		return at(x, row, c)*cos + at(x, row, other)*sin
	})
}

func (o *naiveOps) StoreKV(layer int, k, v backend.Tensor, views []backend.KVView) {
	row := 0
	for _, view := range views {
		for i := range view.N {
			if s, ok := view.Store.(*naiveStore); ok {
				p := view.Start + i
				s.kv[[3]int{layer, int(view.Pages[p/64]), p % 64}] = [2][]float32{
					k.Data[row*k.Cols : (row+1)*k.Cols], v.Data[row*v.Cols : (row+1)*v.Cols]}
			}
			row++
		}
	}
}

func (o *naiveOps) Attend(layer int, q, k, v backend.Tensor, views []backend.KVView, m backend.Mask) backend.Tensor {
	y := backend.Tensor{Rows: q.Rows, Cols: q.Cols, Data: make([]float32, q.Rows*q.Cols)}
	row := 0
	for _, view := range views {
		first := row
		get := func(p int) (kk, vv []float32) {
			if s, ok := view.Store.(*naiveStore); ok {
				e := s.kv[[3]int{layer, int(view.Pages[p/64]), p % 64}]
				return e[0], e[1]
			}
			r := first + p
			return k.Data[r*k.Cols : (r+1)*k.Cols], v.Data[r*v.Cols : (r+1)*v.Cols]
		}
		for i := range view.N {
			pos := view.Start + i
			last := view.Start + view.N - 1
			if view.Causal {
				last = pos
			}
			lo := 0
			if m.Window > 0 {
				lo = max(0, pos-m.Window+1)
			}
			attendRow(y.Data[row*y.Cols:(row+1)*y.Cols], q.Data[row*q.Cols:(row+1)*q.Cols], k.Cols, m, lo, last, get)
			row++
		}
	}
	return y
}

func attendRow(y, q []float32, kvCols int, m backend.Mask, lo, last int, get func(int) (k, v []float32)) {
	dim := len(q) / m.QHeads
	group := m.QHeads / (kvCols / dim)
	for h := range m.QHeads {
		at := h / group * dim
		var score []float64
		top := math.Inf(-1)
		for p := lo; p <= last; p++ {
			kk, _ := get(p)
			var s float64
			for c := range dim {
				s += float64(q[h*dim+c]) * float64(kk[at+c])
			}
			score = append(score, s*float64(m.Scale))
			top = max(top, s*float64(m.Scale))
		}
		var sum float64
		acc := make([]float64, dim)
		for i, s := range score {
			e := math.Exp(s - top)
			sum += e
			_, vv := get(lo + i)
			for c := range dim {
				acc[c] += e * float64(vv[at+c])
			}
		}
		for c := range dim {
			y[h*dim+c] = float32(acc[c] / sum)
		}
	}
}

func (o *naiveOps) Add(x, y backend.Tensor) backend.Tensor {
	defer poison(x)
	return tensor(x.Rows, x.Cols, func(r, c int) float64 { return at(x, r, c) + at(y, r, c) })
}
func (o *naiveOps) Mul(x, y backend.Tensor) backend.Tensor {
	defer poison(x)
	if y.Cols == 1 {
		y = tensor(x.Rows, x.Cols, func(r, _ int) float64 { return at(y, r, 0) })
	}
	return tensor(x.Rows, x.Cols, func(r, c int) float64 { return at(x, r, c) * at(y, r, c) })
}
func (o *naiveOps) Act(x backend.Tensor, a backend.Act) backend.Tensor {
	defer poison(x)
	switch a {
	case backend.SiLU:
	case backend.Sigmoid:
		return tensor(x.Rows, x.Cols, func(r, c int) float64 { return 1 / (1 + math.Exp(-at(x, r, c))) })
	default:
		panic("not in these graphs")
	}
	return tensor(x.Rows, x.Cols, func(r, c int) float64 { return at(x, r, c) / (1 + math.Exp(-at(x, r, c))) })
}

// Experts runs every expert on every row and takes the most probable ones.
func (o *naiveOps) Experts(x, logits backend.Tensor, e *backend.Experts) backend.Tensor {
	defer poison(logits)
	n := logits.Cols
	gate, up, down := e.Gate.(*naiveWeight), e.Up.(*naiveWeight), e.Down.(*naiveWeight)
	ffn := gate.rows / n
	y := make([]float64, x.Rows*x.Cols)
	for r := range x.Rows {
		var total, taken float64
		p := make([]float64, n)
		for i := range p {
			p[i] = math.Exp(at(logits, r, i))
			total += p[i]
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[b], p[a]) })
		for _, i := range order[:e.Used] {
			taken += p[i]
		}
		if !e.Norm {
			taken = total
		}
		for _, i := range order[:e.Used] {
			h := make([]float64, ffn)
			for c := range h {
				var g, u float64
				for k := range x.Cols {
					g += at(x, r, k) * gate.x[(i*ffn+c)*x.Cols+k]
					u += at(x, r, k) * up.x[(i*ffn+c)*x.Cols+k]
				}
				h[c] = g / (1 + math.Exp(-g)) * u
			}
			for c := range x.Cols {
				var z float64
				for k, f := range h {
					z += f * down.x[(i*x.Cols+c)*ffn+k]
				}
				y[r*x.Cols+c] += p[i] / taken * z
			}
		}
	}
	return tensor(x.Rows, x.Cols, func(r, c int) float64 { return y[r*x.Cols+c] })
}
func (o *naiveOps) Pool(backend.Tensor, []backend.KVView, bool) backend.Tensor {
	panic("not in these graphs")
}
func (o *naiveOps) Softmax(backend.Tensor) backend.Tensor { panic("not in these graphs") }
