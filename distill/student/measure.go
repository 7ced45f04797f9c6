package student

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Source is where rows come from; data.View is one.
type Source interface {
	Rows() int
	Length() int
	Batch(index []int, b *distill.Batch) error
}

// MeasureOptions configure Measure; the zero value works.
type MeasureOptions struct {
	Threads int            // that compute; 0: one per CPU
	Kernel  string         // kernel variant; "": QWQ_KERNEL, else the best of this machine
	Precise bool           // float32 activations for quantized weights; slow
	Rows    int            // that the teacher takes at once; 0: as many as 2,048 tokens
	Done    func(rows int) // called after each batch; may be nil
}

// Measure runs the teacher over the rows of src that index names. A batch of rows
// changes no bit of the result.
func Measure(ctx context.Context, teacher *gguf.File, src Source, index []int, o MeasureOptions) (*Stats, error) {
	if len(index) == 0 {
		return nil, errors.New("student: no rows to measure")
	}
	if len(index) > 1<<22 {
		return nil, fmt.Errorf("student: %d rows to measure, at most %d", len(index), 1<<22)
	}
	if o.Rows <= 0 {
		o.Rows = max(1, 2048/src.Length())
	}
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: o.Threads, Kernel: o.Kernel, Precise: o.Precise})
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	m, err := model.New(teacher, dev)
	if err != nil {
		return nil, err
	}
	w := &watch{s: newStats(m.Hyper().Dims()), arch: m.Hyper().Arch, length: src.Length()}
	var b distill.Batch
	mb := &model.Batch{Want: backend.Hidden | backend.AllHidden, Observe: w.observe}
	for at := 0; at < len(index); at += o.Rows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := src.Batch(index[at:min(at+o.Rows, len(index))], &b); err != nil {
			return nil, err
		}
		if err := w.batch(dev, m, mb, &b); err != nil {
			return nil, err
		}
		if o.Done != nil {
			o.Done(at + b.Rows)
		}
	}
	return w.s, nil
}

// watch adds what a teacher's steps show to statistics.
type watch struct {
	s      *Stats
	arch   *arch.Arch
	length int
	last   arch.Axis // of the newest observation's columns
	layer  int
	norms  int // of the step so far
	mean   []float64
	err    error
}

func (w *watch) batch(dev *backend.CPU, m *model.Model, mb *model.Batch, b *distill.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	mb.IDs, mb.Seqs = b.IDs, mb.Seqs[:0]
	for _, d := range b.Docs {
		mb.Seqs = append(mb.Seqs, model.Span{N: int(d), Causal: true})
	}
	w.last, w.layer, w.norms = 0, -1, 0
	out, err := m.Run(mb)
	if err != nil {
		return err
	}
	host := func(i int) backend.Tensor {
		t := out[i]
		if w.err == nil {
			t.Data, w.err = dev.Host(out[i])
		}
		return t
	}
	w.add(w.s.norms[len(w.s.norms)-1], host(0))
	for l := range w.s.dims.Layers {
		w.distance(&w.s.distances[l], host(1+l), host(2+l))
	}
	if w.err == nil && w.norms != 2*w.s.dims.Layers {
		w.err = fmt.Errorf("student: %d norms in %d layers of %s, want two each", w.norms, w.s.dims.Layers, w.arch.Name)
	}
	w.s.rows += uint64(b.Rows)
	return w.err
}

// observe sees the input of every matrix. Matrices that share an input follow one
// another: only the first counts.
func (w *watch) observe(name string, _ int, x backend.Tensor) {
	n, ok := w.arch.Find(name)
	if !ok || n.Layer < 0 || w.err != nil {
		return
	}
	axis := n.Axes[1]
	again := axis == w.last && n.Layer == w.layer
	w.last, w.layer = axis, n.Layer
	switch {
	case again:
	case axis == arch.FFN:
		w.add(w.s.ffn[n.Layer], x)
	case axis == arch.QHeads:
		w.add(w.s.heads[n.Layer], x)
	case axis == arch.Hidden && w.norms < 2*w.s.dims.Layers:
		w.add(w.s.norms[w.norms], x)
		w.norms++
	}
}

// add adds (mean over a row's positions of |x|)² of each row.
func (w *watch) add(to []sum, x backend.Tensor) {
	if w.err != nil {
		return
	}
	if len(w.mean) < x.Cols {
		w.mean = make([]float64, x.Cols)
	}
	mean := w.mean[:x.Cols]
	for at := 0; at < x.Rows; at += w.length {
		clear(mean)
		for r := at; r < at+w.length; r++ {
			for i, v := range x.Data[r*x.Cols : (r+1)*x.Cols] {
				mean[i] += math.Abs(float64(v))
			}
		}
		for i, v := range mean {
			v /= float64(w.length)
			if err := to[i].add(v * v); err != nil {
				w.err = err
				return
			}
		}
	}
}

// distance adds the mean over a row's positions of 1-cos(x, y) of each row.
func (w *watch) distance(to *sum, x, y backend.Tensor) {
	for at := 0; at < x.Rows && w.err == nil; at += w.length {
		mean := 0.0
		for r := at; r < at+w.length; r++ {
			var xy, xx, yy float64
			b := y.Data[r*x.Cols : (r+1)*x.Cols]
			for i, v := range x.Data[r*x.Cols : (r+1)*x.Cols] {
				f, g := float64(v), float64(b[i])
				xx, yy, xy = xx+float64(f*f), yy+float64(g*g), xy+float64(f*g)
			}
			if n := math.Sqrt(xx) * math.Sqrt(yy); n > 0 {
				mean += max(0, 1-xy/n)
			}
		}
		w.err = to.add(mean / float64(w.length))
	}
}
