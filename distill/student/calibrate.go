package student

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Speed is what a machine was measured to need for a student's shape.
type Speed struct {
	Base  float64 `json:"base"`  // seconds a token: embedding, last norm, head, softmax
	Layer float64 `json:"layer"` // seconds a token and layer, forward and backward
	Adam  float64 `json:"adam"`  // seconds a parameter and step
}

// Seconds predicts a run of t; params is the student's parameters. A teacher's time
// comes on top.
func (v Speed) Seconds(t Training, layers, params int) float64 {
	tokens := float64(t.Rows*t.Length) * float64(max(1, t.Leaves))
	return float64(t.Steps) * (tokens*(v.Base+float64(layers)*v.Layer) + float64(params)*v.Adam)
}

// Calibrate measures pool with micro-batches of t through students of one layer and
// of up to five, of the shape's widths: with fewer, caches hold what a whole student
// reads from memory. A few seconds for widths of today's students.
// What it writes into the folder for temporary files is gone afterwards.
func Calibrate(ctx context.Context, pool *kernel.Pool, teacher *gguf.File, s Shape, t Training) (v Speed, err error) {
	dir, err := os.MkdirTemp("", "qwq-calibrate-")
	if err != nil {
		return v, fmt.Errorf("student: %w", err)
	}
	defer os.RemoveAll(dir)
	var sec [2]float64
	many := max(2, min(5, s.Layers))
	for i, n := range []int{1, many} {
		s.Layers = n
		path := filepath.Join(dir, fmt.Sprint(s.Layers))
		if err := Blank(ctx, path, teacher, s); err != nil {
			return v, err
		}
		if sec[i], v.Adam, err = timeSteps(ctx, pool, path, t); err != nil {
			return v, err
		}
	}
	tokens := float64(t.Rows * t.Length)
	v.Layer = max(0, sec[1]-sec[0]) / float64(many-1) / tokens
	v.Base = max(0, sec[0]/tokens-v.Layer)
	return v, nil
}

// Blank writes a student of shape s and of teacher's family into a file at path, in
// F32 and with random matrices: what takes the time and memory of a trained one.
func Blank(ctx context.Context, path string, teacher *gguf.File, s Shape) error {
	h, err := arch.ReadHyper(teacher)
	if err != nil {
		return err
	}
	o := InitOptions{Std: 0.02}
	named := tensorsOf(h.Arch, s.Layers, Has(teacher, h.Arch))
	kvs := metadata(teacher.KVs(), h.Arch, s, h.Rot, "", []gguf.KV{})
	return o.write(ctx, path, kvs, named, s.dims(h.Rot), func(n arch.Named) []float32 {
		if n.Axes[0] == arch.RotHalf {
			return ones(s.dims(h.Rot).Size(arch.RotHalf))
		}
		return nil
	})
}

func ones(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	return x
}

// timeSteps is the mean time of a micro-batch, and of Adam a parameter: a run has the
// slow ones too.
func timeSteps(ctx context.Context, pool *kernel.Pool, path string, t Training) (leaf, adam float64, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	dev := tape.New(pool, tape.Options{Recompute: t.Recompute, Precision: t.Precision})
	defer dev.Close()
	m, err := model.New(f, dev)
	if err != nil {
		return 0, 0, err
	}
	p, err := dev.Params()
	if err != nil {
		return 0, 0, err
	}
	n := len(p.Flat)
	grad, state := make([]float32, n), optim.NewState(0, n)
	const rounds = 4
	for i := range 1 + rounds { // the first one is warm-up
		if err := ctx.Err(); err != nil {
			return 0, 0, err
		}
		began := time.Now()
		if err := step(pool, dev, m, t, grad); err != nil {
			return 0, 0, err
		}
		one := time.Since(began).Seconds()
		began = time.Now()
		optim.Options{Decoupled: true}.Step(pool, state, p.Flat, grad, []optim.Group{{Lo: 0, Hi: n}}, optim.Update{LR: 1e-6, Scale: 1})
		if i > 0 {
			leaf += one / rounds
			adam += time.Since(began).Seconds() / float64(n) / rounds
		}
	}
	return leaf, adam, nil
}

// step runs one micro-batch of t with a cross-entropy for ids of its own, forward
// and backward.
func step(pool *kernel.Pool, dev *tape.Device, m *model.Model, t Training, grad []float32) error {
	vocab := m.Hyper().Vocab
	b := &model.Batch{Want: backend.Hidden}
	for r := range t.Rows {
		b.Seqs = append(b.Seqs, model.Span{N: t.Length, Causal: true})
		for i := range t.Length {
			b.IDs = append(b.IDs, int32((r*7919+i*104729)%vocab))
		}
	}
	out, err := m.Run(b)
	if err != nil {
		return err
	}
	chunk := t.Chunk
	if chunk == 0 {
		chunk = tape.HeadChunk(vocab)
	}
	err = dev.Head(out[0], chunk, m.Head, func(lo, _ int, logits []float32) error {
		x := kernel.F32{Rows: len(logits) / vocab, Cols: vocab, Data: logits}
		pool.Softmax(x)
		pool.Parallel(x.Rows, 8, func(_, from, to int) {
			for r := from; r < to; r++ {
				row := x.At(r)
				row[b.IDs[lo+r]]--
				for i := range row {
					row[i] /= float32(len(b.IDs))
				}
			}
		})
		return nil
	}, grad)
	if err != nil {
		return err
	}
	return dev.Backward(grad)
}
