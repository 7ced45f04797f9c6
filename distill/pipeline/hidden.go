package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// hidden is a training's loss between states.
type hidden struct {
	Spec   loss.Hidden
	Layers [][2]int // the student's, the teacher's
}

// hidden decides which layers belong together; nil: the recipe has no such loss.
// Unless the recipe says it, layer i of n has the teacher's nearest to i/n of its
// way.
func (p *Pipeline) hidden(x planned) (*hidden, error) {
	r := p.r.Loss.Hidden
	if r == nil {
		return nil, nil
	}
	h := &hidden{Spec: r.Spec()}
	if r.Layers == nil {
		for s := 1; s <= x.To.Layers; s++ {
			h.Layers = append(h.Layers, [2]int{s, int(math.Round(float64(s*x.From.Layers) / float64(x.To.Layers)))})
		}
		return h, nil
	}
	for _, s := range slices.Sorted(maps.Keys(r.Layers)) {
		t := r.Layers[s]
		if s > x.To.Layers || t > x.From.Layers {
			return nil, p.r.Errorf("loss.hidden.layers", "%d: %d: the student has %d layers, the teacher %d", s, t, x.To.Layers, x.From.Layers)
		}
		h.Layers = append(h.Layers, [2]int{s, t})
	}
	return h, nil
}

// plannedHidden is hidden of the plan that was made.
func (p *Pipeline) plannedHidden() (*hidden, error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	return p.hidden(x)
}

// learned begins the names of the matrices that bring the student's states to the
// teacher's width: no tensor of a file has such a name.
const learned = "hidden."

// project adds a matrix [teacher's width, student's] for each pair of layers to the
// parameters, uniform in ±1/sqrt(student's width).
func (h *hidden) project(dev *tape.Device, width, to int, seed uint64) error {
	bound := 1 / math.Sqrt(float64(width))
	for _, l := range h.Layers {
		name := fmt.Sprintf("%s%d.%d", learned, l[0], l[1])
		rng := rand.New(rand.NewChaCha8(sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(name), seed))))
		b := make([]byte, 0, 4*width*to)
		for range width * to {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32((2*rng.Float64()-1)*bound)))
		}
		if _, err := dev.Weight(name, quant.Matrix{Type: quant.F32, Rows: to, Cols: width, Data: b}); err != nil {
			return err
		}
	}
	return nil
}

// ofModel is the parameters without the learned matrices, which no file has.
func ofModel(p *tape.Params) *tape.Params {
	table := slices.Clone(p.Table)
	table = slices.DeleteFunc(table, func(e tape.Param) bool { return strings.HasPrefix(e.Name, learned) })
	return &tape.Params{Flat: p.Flat, Table: table}
}

// states is a train.States and its teacher.
type states struct {
	h      *hidden
	pool   *kernel.Pool
	t      *teacher.Engine
	params *tape.Params
	index  []int // of the learned matrices
	sum    int   // of the distance in the sums
	said   []float32
}

// openStates opens the teacher for its states.
func (p *Pipeline) openStates(pool *kernel.Pool, h *hidden) (*states, error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	v, err := p.vocab()
	if err != nil {
		return nil, err
	}
	o := teacher.Options{Threads: p.r.Threads, Vocab: v}
	for _, l := range h.Layers {
		o.Layers = append(o.Layers, l[1])
	}
	t, err := teacher.Open(p.teacherPath(x), o)
	return &states{h: h, pool: pool, t: t}, err
}

// join makes the distance part of a training's losses.
func (s *states) join(l *losses, params *tape.Params) *train.States {
	s.params, s.sum = params, len(l.names)
	l.names = append(l.names, "hidden")
	out := &train.States{Loss: s.rows}
	for _, layer := range s.h.Layers {
		out.Layers = append(out.Layers, layer[0])
	}
	for i, e := range params.Table {
		if strings.HasPrefix(e.Name, learned) {
			s.index = append(s.index, i)
		}
	}
	return out
}

// rows implements train.States: the mean of the distances over the layers.
func (s *states) rows(ctx context.Context, b *distill.Batch, lo, hi int, x, dx []kernel.F32, grad []float32, scale float64, sums []float64) (err error) {
	n := float64(len(x))
	for i := range x {
		if s.said, err = s.t.States(ctx, b, lo, hi, i, s.said[:0]); err != nil {
			return err
		}
		at := s.index[i]
		e := s.params.Table[at]
		matrix := func(flat []float32) kernel.F32 {
			return kernel.F32{Rows: e.Rows, Cols: e.Cols, Data: s.params.Of(flat, at)}
		}
		_, sum, err := s.h.Spec.Rows(s.pool, loss.States{Student: x[i], DStudent: dx[i], Proj: matrix(s.params.Flat), DProj: matrix(grad),
			Teacher: kernel.F32{Rows: hi - lo, Cols: s.t.Width(), Data: s.said}}, b.Next[lo:hi], scale/n)
		if err != nil {
			return err
		}
		sums[0] += s.h.Spec.Weight * sum / n
		sums[s.sum] += sum / n
	}
	return nil
}
