package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/export"
	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model"
)

// The students that are trained, in order; their files are NAME.gguf.
const (
	hardName    = "hard-label"
	studentName = "student"
)

func (p *Pipeline) trainInputs() (any, error) {
	return []any{p.r.Loss, p.r.Train, p.r.Baseline, p.r.Cache.Live, p.r.Seed, p.r.Data.Length}, nil
}

// WeakError means that the teacher has too little to teach.
type WeakError struct{ Teacher, Hard, Margin float64 }

// Error says by how much.
func (e *WeakError) Error() string {
	return fmt.Sprintf("the teacher is too weak: %.4f nats a token on held-out text, the hard-label student %.4f: %.4f better, wanted is %g",
		e.Teacher, e.Hard, e.Hard-e.Teacher, e.Margin)
}

// train trains the hard-label student, checks that the teacher is better than it,
// and trains the distilled one.
func (p *Pipeline) train(ctx context.Context) ([]string, any, error) {
	var files []string
	if p.r.Baseline.Hard {
		t := p.r.Train
		t.LR, t.FinalLR = p.r.Baseline.LR, min(t.FinalLR, p.r.Baseline.LR)
		if err := p.arm(ctx, hardName, startFile, loss.Spec{Hard: 1}, t); err != nil {
			return nil, nil, err
		}
		files = append(files, hardName+".gguf")
		s, err := p.score(ctx, []string{"teacher", hardName})
		if err != nil {
			return nil, nil, err
		}
		p.o.Note(fmt.Sprintf("held-out: teacher %.4f nats a token, hard-label student %.4f", s[0].Nats, s[1].Nats))
		if w := (&WeakError{s[0].Nats, s[1].Nats, *p.r.Baseline.Margin}); w.Hard-w.Teacher < w.Margin {
			return nil, nil, w
		}
	}
	if err := p.arm(ctx, studentName, startFile, p.r.Loss.Spec(), p.r.Train); err != nil {
		return nil, nil, err
	}
	return append(files, studentName+".gguf"), nil, nil
}

// arm trains the student in the file start into NAME.gguf, from its checkpoint if
// there is one of the same run.
func (p *Pipeline) arm(ctx context.Context, name, start string, spec loss.Spec, t recipe.Train) (err error) {
	dir := p.path("train", name)
	id, err := p.fresh(dir, start, spec, t)
	if err != nil {
		return err
	}
	pool, err := kernel.New(kernel.Options{Threads: p.r.Threads})
	if err != nil {
		return err
	}
	defer pool.Close()
	f, err := gguf.Open(p.path(start))
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := p.rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	o := tape.Options{Recompute: t.Recompute}
	if t.Precision == "bf16" {
		o.Precision = tape.BF16
	}
	dev := tape.New(pool, o)
	defer dev.Close()
	m, err := model.New(f, dev)
	if err != nil {
		return err
	}
	teach, closeTeacher, err := p.teach(spec)
	if err != nil {
		return err
	}
	defer closeTeacher()
	l, err := newLosses(pool, spec, teach)
	if err != nil {
		return err
	}
	v := rows.View(data.Train)
	if v.Rows() == 0 {
		return errors.New("no rows to train on")
	}
	tr, err := train.New(pool, dev, m, newSource(v, t.Batch, t.Leaves, p.r.Seed), l.rows, train.Options{
		Steps: t.Steps, Leaves: t.Leaves, Optim: t.Options(), Rules: optim.Rules{Freeze: t.Freeze},
		Schedule: optim.Schedule{Shape: t.Schedule, Peak: t.LR, Final: t.FinalLR, Warmup: t.Warmup},
		Clip:     t.Clip, EMA: t.EMA, Names: l.names, Dir: dir, Every: t.Every, ID: id, AllowRungChange: p.o.AllowRungChange,
		Report: func(m train.Metrics) { p.o.Step(name, t.Steps, m) },
	})
	if err != nil {
		return err
	}
	if err := tr.Resume(); err == nil {
		p.o.Note(fmt.Sprintf("%s: goes on at step %d of %d", name, tr.Step(), t.Steps))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := tr.Run(ctx); err != nil {
		return err
	}
	w := export.Weights{Base: f, Params: tr.Params(), Flat: tr.Average()}
	return w.GGUF(ctx, p.path(name+".gguf"), export.Options{Force: true})
}

// fresh removes what another run left in dir, and returns the name of this one.
func (p *Pipeline) fresh(dir, start string, spec loss.Spec, t recipe.Train) (id distill.Hash, err error) {
	t.Every = 0 // the same numbers however often they are saved
	h, err := hashPath(p.path(start))
	if err != nil {
		return id, err
	}
	in := []any{h, p.done["plan"].Files, p.done["data"].Files, p.done["cache"].Files}
	b, err := json.Marshal(append(in, version, spec, t, p.r.Seed, p.r.Cache.Live))
	if err != nil {
		return id, err
	}
	id = sha256.Sum256(b)
	name := dir + "/run"
	if old, err := os.ReadFile(name); err != nil || string(old) != id.String() {
		if err := os.RemoveAll(dir); err != nil {
			return id, err
		}
	}
	return id, writeFile(name, []byte(id.String()))
}

// teach opens what the soft loss asks: the cache or the live teacher.
func (p *Pipeline) teach(spec loss.Spec) (distill.Teacher, func(), error) {
	if spec.Soft == 0 {
		return nil, func() {}, nil
	}
	if p.r.Cache.Live {
		t, err := p.openTeacher()
		if err != nil {
			return nil, nil, err
		}
		return t, func() { t.Close() }, nil
	}
	c, err := cache.Open(p.path(cacheFile))
	if err != nil {
		return nil, nil, err
	}
	o := cache.TeacherOptions{Temps: []float64{max(spec.Temperature, 0)}}
	if spec.Sampled {
		o.Samples = p.r.Cache.Samples
	}
	t, err := c.Teacher(o)
	if err != nil {
		return nil, nil, errors.Join(err, c.Close())
	}
	return t, func() { c.Close() }, nil
}

// losses makes a train.Loss of a loss.Loss and what the teacher says.
type losses struct {
	l     *loss.Loss
	spec  loss.Spec
	t     distill.Teacher // nil: hard labels alone
	said  distill.Targets
	names []string
}

func newLosses(pool *kernel.Pool, s loss.Spec, t distill.Teacher) (*losses, error) {
	l, err := loss.New(pool, s)
	x := &losses{l: l, spec: s, t: t, names: []string{"loss"}}
	if s.Soft > 0 {
		x.names = append(x.names, "soft", "mass")
	}
	if s.Hard > 0 {
		x.names = append(x.names, "hard")
	}
	return x, err
}

// rows implements train.Loss.
func (l *losses) rows(ctx context.Context, b *distill.Batch, lo, hi int, logits []float32, scale float64, sums []float64) error {
	var said *distill.Targets
	if l.t != nil {
		if err := l.t.Score(ctx, b, lo, hi, &l.said); err != nil {
			return err
		}
		said = &l.said
	}
	var s loss.Sums
	n := hi - lo
	vocab := len(logits) / n
	if err := l.l.Rows(kernel.F32{Rows: n, Cols: vocab, Data: logits}, said, b.Next[lo:hi], scale, &s); err != nil {
		return err
	}
	i := 0
	add := func(v float64) { sums[i] += v; i++ }
	add(l.spec.Value(s, vocab))
	if l.spec.Soft > 0 {
		add(s.Soft)
		add(s.Mass)
	}
	if l.spec.Hard > 0 {
		add(s.Hard)
	}
	return nil
}

// source deals rows out in a shuffled order: micro-batch i of a step depends on
// nothing else.
type source struct {
	v      data.View
	order  data.Order
	batch  int
	leaves int
	b      []distill.Batch // one per leaf of a step
}

func newSource(v data.View, batch, leaves int, seed uint64) *source {
	return &source{v: v, order: data.Order{N: v.Rows(), Seed: seed}, batch: batch, leaves: leaves, b: make([]distill.Batch, leaves)}
}

// Leaf implements train.Source.
func (s *source) Leaf(step, i int) (*distill.Batch, error) {
	at := (uint64(step)*uint64(s.leaves) + uint64(i)) * uint64(s.batch)
	n := uint64(s.order.N)
	c := data.Cursor{Epoch: at / n, Pos: at % n}
	b := &s.b[i]
	return b, s.v.Batch(s.order.Next(&c, s.batch, nil), b)
}
