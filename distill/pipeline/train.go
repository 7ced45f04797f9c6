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
	in := []any{p.r.Loss, p.r.Train, p.r.Baseline, p.r.Cache.Live, p.r.Seed, p.r.Data.Length}
	if p.r.OnPolicy.Rounds > 0 {
		in = append(in, p.r.OnPolicy, p.r.Cache)
	}
	return in, nil
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
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, nil, err
	}
	if err := p.fits(ctx, x); err != nil {
		return nil, nil, err
	}
	if p.r.Baseline.Hard {
		t := p.r.Train
		t.LR, t.FinalLR = p.r.Baseline.LR, min(t.FinalLR, p.r.Baseline.LR)
		if err := p.arm(ctx, training{Name: hardName, Start: startFile, Spec: loss.Spec{Hard: 1}, Train: t}); err != nil {
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
	if p.r.OnPolicy.Rounds > 0 {
		more, err := p.rounds(ctx)
		return append(files, more...), nil, err
	}
	h, err := p.plannedHidden()
	if err != nil {
		return nil, nil, err
	}
	if err := p.arm(ctx, training{Name: studentName, Start: startFile, Spec: p.r.Loss.Spec(), Train: p.r.Train, Hidden: h}); err != nil {
		return nil, nil, err
	}
	return append(files, studentName+".gguf"), nil, nil
}

// arm trains the student in the file Start into NAME.gguf, from its checkpoint if
// there is one of the same run, in all processes.
func (p *Pipeline) arm(ctx context.Context, job training) error {
	if err := p.fresh(job); err != nil {
		return err
	}
	if err := p.begin(&job); err != nil {
		return err
	}
	if err := p.fit(ctx, job); err != nil {
		return &RankError{err}
	}
	return nil
}

// fit is one process's part of a training; rank 0 writes the student.
func (p *Pipeline) fit(ctx context.Context, job training) (err error) {
	name, t := job.Name, job.Train
	id, err := p.runID(job)
	if err != nil {
		return err
	}
	threads := p.r.Threads
	if threads == 0 {
		threads = p.o.Threads
	}
	pool, err := kernel.New(kernel.Options{Threads: threads})
	if err != nil {
		return err
	}
	defer pool.Close()
	f, err := gguf.Open(p.path(job.Start))
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := data.Open(p.path(job.From.rows()))
	if err != nil {
		return err
	}
	defer rows.Close()
	opt := job.tape(p.r.Seed)
	dev := tape.New(pool, opt)
	defer dev.Close()
	m, err := model.New(f, dev)
	if err != nil {
		return err
	}
	var seen *states
	if job.Hidden != nil {
		if seen, err = p.openStates(pool, job.Hidden); err != nil {
			return err
		}
		defer seen.t.Close()
		if err := job.Hidden.project(dev, m.Hyper().Hidden, seen.t.Width(), p.r.Seed); err != nil {
			return err
		}
	}
	params, err := dev.Params()
	if err != nil {
		return err
	}
	if err := matched(t.LoRA, params); err != nil {
		return err
	}
	teach, closeTeacher, err := p.teach(ctx, job.From, job.Spec, seen)
	if err != nil {
		return err
	}
	defer closeTeacher()
	l, err := newLosses(pool, job.Spec, teach)
	if err != nil {
		return err
	}
	var between *train.States
	if seen != nil {
		between = seen.join(l, params)
	}
	v := rows.View(data.Train)
	if v.Rows() == 0 {
		return errors.New("no rows to train on")
	}
	report := func(m train.Metrics) { p.o.Step(name, t.Steps, m) }
	if !p.leads() {
		report = nil
	}
	tr, err := train.New(pool, dev, m, newSource(v, t.Batch, t.Leaves, p.r.Seed), l.rows, train.Options{
		Steps: t.Steps, Leaves: t.Leaves, Optim: t.Options(), Rules: optim.Rules{Freeze: t.Freeze},
		Schedule: optim.Schedule{Shape: t.Schedule, Peak: t.LR, Final: t.FinalLR, Warmup: t.Warmup},
		Clip:     t.Clip, EMA: t.EMA, Names: l.names, Dir: p.path("train", name), Every: t.Every, ID: id, AllowRungChange: p.o.AllowRungChange,
		Exchanger: p.exchanger(), ShardOptimizer: p.o.ShardOptimizer, Report: report,
		Scaler: optim.Scaler{Scale: t.LossScale}, States: between,
	})
	if err != nil {
		return err
	}
	for _, x := range f.Tensors() { // the tape has copies
		if err := x.Release(); err != nil {
			return err
		}
	}
	if err := tr.Resume(); err == nil && p.leads() {
		p.o.Note(fmt.Sprintf("%s: goes on at step %d of %d", name, tr.Step(), t.Steps))
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := tr.Run(ctx); err != nil || !p.leads() {
		return err
	}
	w := export.Weights{Base: f, Params: ofModel(params), Flat: tr.Average(), LoRA: opt.LoRA}
	return w.GGUF(ctx, p.path(name+".gguf"), export.Options{Force: true})
}

// runID names a training by all that decides its bits.
func (p *Pipeline) runID(job training) (id distill.Hash, err error) {
	job.Train.Every = 0 // the same numbers however often they are saved
	h, err := hashAll([]string{p.path(job.Start), p.path(job.From.rows())})
	if err != nil {
		return id, err
	}
	in := []any{h, p.done["plan"].Files, p.done["data"].Files, p.done["cache"].Files}
	b, err := json.Marshal(append(in, version, job.Spec, job.Train, job.Types, job.Hidden, p.r.Seed, p.r.Cache.Live))
	if err != nil {
		return id, err
	}
	return sha256.Sum256(b), nil
}

// fresh removes what another run left where this one keeps its checkpoint.
func (p *Pipeline) fresh(job training) error {
	id, err := p.runID(job)
	if err != nil {
		return err
	}
	dir := p.path("train", job.Name)
	name := dir + "/run"
	if old, err := os.ReadFile(name); err != nil || string(old) != id.String() {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return writeFile(name, []byte(id.String()))
}

// teach opens what the soft loss asks: the cache or the live teacher, which may be
// open for its states.
func (p *Pipeline) teach(ctx context.Context, from lesson, spec loss.Spec, seen *states) (distill.Teacher, func(), error) {
	if spec.Soft == 0 {
		return nil, func() {}, nil
	}
	if seen != nil {
		return seen.t, func() {}, nil
	}
	v, err := p.vocab()
	if err != nil {
		return nil, nil, err
	}
	if p.r.Cache.Live {
		t, err := p.openScorer(ctx, v, false)
		if err != nil {
			return nil, nil, err
		}
		return t, t.close, nil
	}
	c, err := cache.Open(p.path(from.cache()))
	if err != nil {
		return nil, nil, err
	}
	o := cache.TeacherOptions{Temps: []float64{max(spec.Temperature, 0)}, Vocab: v}
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
