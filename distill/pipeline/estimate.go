package pipeline

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/kernel"
)

// Estimate is what a run would take.
type Estimate struct {
	Student       student.Shape   `json:"student"`
	Params        int             `json:"parameters"`
	TeacherParams int             `json:"teacher_parameters"` // 0: it is served
	Students      int             `json:"students"`           // that are trained
	Tokens        int64           `json:"tokens"`             // that each reads
	TrainSeconds  float64         `json:"train_seconds"`      // of one
	Seconds       float64         `json:"seconds"`            // of all stages that are to do
	Memory        int64           `json:"memory"`             // most resident bytes in them
	Available     int64           `json:"available"`
	Captured      []Captured      `json:"captured,omitempty"` // of the teacher's mass, by the cache
	Stages        []StageEstimate `json:"stages"`
}

// Captured is the part of the teacher's mass that a cache holds id by id.
type Captured struct {
	Temperature float64 `json:"temperature"`
	Mass        float64 `json:"mass"`
}

// StageEstimate says whether a stage has to be done and what it takes; of one that is
// done, what it took.
type StageEstimate struct {
	Name    string  `json:"name"`
	Done    bool    `json:"done"`
	Seconds float64 `json:"seconds"`
	Memory  int64   `json:"memory"` // most resident bytes
}

// estimateFile keeps the last estimate, which the report shows beside what came.
const estimateFile = "state/estimate.json"

// Estimate plans a run without doing more than the plan stage, which decides the
// shapes, and some seconds of measurements. A stage whose inputs are not there yet
// is one to do.
func (p *Pipeline) Estimate(ctx context.Context) (*Estimate, error) {
	defer tightHeap()()
	if err := p.until(ctx, "plan"); err != nil {
		return nil, err
	}
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	t := p.r.Train
	e := &Estimate{Student: x.To, Params: x.Params, TeacherParams: x.TeacherParams, Students: 1,
		Tokens: int64(t.Steps) * int64(t.Leaves) * int64(t.Batch) * int64(p.r.Data.Length)}
	if p.r.Baseline.Hard {
		e.Students = 2
	}
	e.Available = int64(p.host().Free())
	known, left := true, false
	for _, s := range stages() {
		done := false
		if known {
			key, err := p.key(s)
			if err != nil {
				return nil, err
			}
			r, err := p.load(s.name)
			if err != nil {
				return nil, err
			}
			done = r != nil && r.Key == key
			p.done[s.name] = r
		}
		known = known && done
		left = left || !done
		e.Stages = append(e.Stages, StageEstimate{Name: s.name, Done: done})
	}
	costs := map[string]StageEstimate{}
	if left {
		if err := p.fits(ctx, x); err != nil {
			return nil, err
		}
		var err error
		if costs, err = p.predict(ctx, x, e); err != nil {
			return nil, err
		}
	}
	for i := range e.Stages {
		s := &e.Stages[i]
		if s.Done {
			s.Seconds, s.Memory = p.done[s.Name].Seconds, p.done[s.Name].Peak
			continue
		}
		s.Seconds, s.Memory = costs[s.Name].Seconds, max(costs[s.Name].Memory, program)
		e.Seconds += s.Seconds
		e.Memory = max(e.Memory, s.Memory)
	}
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil || !left {
		return e, err
	}
	return e, writeFile(p.path(estimateFile), append(b, '\n'))
}

// What is not computed, measured: a process before it does anything, a model that is
// open for scoring besides its weights and numbers, a cache's compressor, and a
// teacher whose units are measured besides one that scores.
const (
	program     = 24 << 20
	engineRest  = 10 << 20
	cacheRest   = 20 << 20
	measureRest = 50 << 20
)

// predict measures a few steps of the student's widths and some rows of the teacher,
// and adds up what each stage does with them.
func (p *Pipeline) predict(ctx context.Context, x planned, e *Estimate) (map[string]StageEstimate, error) {
	q, err := p.probe(ctx, x)
	if err != nil {
		return nil, err
	}
	for i, m := range q.Mass {
		e.Captured = append(e.Captured, Captured{p.r.Cache.Temps[i], m})
	}
	f, done, err := p.openBase(ctx, x)
	if err != nil {
		return nil, err
	}
	defer done()
	h, err := arch.ReadHyper(f)
	if err != nil {
		return nil, err
	}
	pool, err := kernel.New(kernel.Options{Threads: p.r.Threads})
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	r := p.r.Train
	t := p.trainingPlan()
	v, err := student.Calibrate(ctx, pool, f, x.To, t)
	if err != nil {
		return nil, err
	}
	e.TrainSeconds = v.Seconds(t, x.To.Layers, x.Params)
	if p.r.Cache.Live && p.cachedSoft() {
		e.TrainSeconds += float64(r.Steps*r.Leaves*r.Batch) * q.Row
	}
	if p.rehearsable(x, q) {
		if err := p.rehearseScores(ctx, x, f, q); err != nil {
			return nil, err
		}
	}
	return p.costs(x, q, e, t.Memory(h, student.Has(f, h.Arch), x.To).Total()), nil
}

// trainingPlan is what decides a training's time and memory.
func (p *Pipeline) trainingPlan() student.Training {
	r := p.r.Train
	return student.Training{Rows: r.Batch, Length: p.r.Data.Length, Leaves: r.Leaves, Steps: r.Steps, Recompute: r.Recompute, EMA: r.EMA > 0,
		Precision: precisions[r.Precision]}
}

// cachedSoft says whether the loss asks the teacher.
func (p *Pipeline) cachedSoft() bool { return *p.r.Loss.Soft > 0 }

// costs is seconds and memory of each stage; memory is a training's.
func (p *Pipeline) costs(x planned, q *probe, e *Estimate, memory int64) map[string]StageEstimate {
	c := map[string]StageEstimate{}
	length := float64(p.r.Data.Length)
	part := 1.0 // of the teacher's time that the student takes for a row
	if x.TeacherParams > 0 {
		part = 2 * float64(x.Params) / float64(x.TeacherParams) // its weights are F32
	}
	// scoring is of held-out rows by the teacher and some students.
	scoring := func(students int) float64 {
		n := float64(students)
		if s := q.seen(students); s.Row > 0 {
			return q.HeldOut * s.Row
		}
		return q.HeldOut * (q.Row*(1+n*part) + length*q.Compare*(1+n))
	}
	students := len(p.models()) - 1
	logits := func(positions int64) int64 { // of the teacher's own ids
		if p.r.Teacher.Served() {
			return 0
		}
		return positions * 4 * int64(x.Vocab)
	}
	ram := func(students int) int64 {
		if s := q.seen(students); s.Max > 0 {
			return s.Max
		}
		each := engineRest + 4*int64(x.Params) + scoreChunk*4*int64(x.To.Vocab) + scoreRows*int64(p.r.Data.Length)*int64(4*x.To.Hidden+2*x.To.FFN)
		return q.Peak - logits(scoreChunk) + scoreChunk*4*int64(x.To.Vocab) + int64(students)*each
	}
	c["data"] = StageEstimate{Seconds: q.Seconds, Memory: q.DataMax}
	if p.cached() && p.r.Data.Generate == nil {
		c["cache"] = StageEstimate{Seconds: q.Rows * (q.Row + length*q.Summary), Memory: q.Peak - 2*logits(scoreChunk-cache.Chunk) + cacheRest}
		if q.CacheRow > 0 {
			c["cache"] = StageEstimate{Seconds: q.Rows * q.CacheRow, Memory: q.CacheMax}
		}
	}
	if s := p.r.Student; s.Start != "random" {
		one := float64(min(s.Rows, int(q.Rows)))*q.Row + 4*float64(x.Params)/writeRate
		between := float64(max(len(x.Path)-1, 0)) * float64(s.Between) / float64(p.r.Train.Steps) * e.TrainSeconds
		c["init"] = StageEstimate{Seconds: one*float64(len(x.Path)) + between*float64(x.TeacherParams+x.Params)/2/float64(x.Params), Memory: q.Peak - 2*logits(scoreChunk) + measureRest}
	}
	train := StageEstimate{Seconds: float64(e.Students) * e.TrainSeconds, Memory: memory}
	if p.r.Baseline.Hard {
		train.Seconds += scoring(1)
		train.Memory = max(train.Memory, ram(1))
	}
	if o := p.r.OnPolicy; o.Rounds > 0 {
		g := o.Generate
		ids := float64(p.r.Data.Length)
		if g.MaxTokens > 0 {
			ids = min(ids, float64(g.MaxTokens))
		}
		rows := float64(g.Sequences)
		round := float64(o.Steps)/float64(p.r.Train.Steps)*e.TrainSeconds + rows*(q.Row+length*q.Summary) + rows*ids*q.Row*part/length*4
		train.Seconds += float64(o.Rounds) * round
	}
	c["train"] = train
	if f := p.r.Finish; f != nil {
		c["finish"] = StageEstimate{Seconds: float64(f.Steps) / float64(p.r.Train.Steps) * e.TrainSeconds * 1.3, Memory: memory}
	}
	c["export"] = StageEstimate{Seconds: 4 * float64(x.Params) / writeRate}
	c["quantize"] = StageEstimate{Seconds: float64(len(p.r.Quantize)) * 4 * float64(x.Params) / writeRate}
	n := float64(len(p.r.Evaluate.Samples) * p.r.Evaluate.Tokens)
	c["evaluate"] = StageEstimate{Seconds: scoring(students) + n*q.Token*(1+float64(students)*min(1, 2*part)), Memory: ram(students)}
	return c
}

// writeRate is bytes of matrices a second that are made and written.
const writeRate = 300e6

// openBase opens a file with the settings and tensors of the student's family: the
// teacher's, or one layer of the configuration. done closes it.
func (p *Pipeline) openBase(ctx context.Context, x planned) (f *gguf.File, done func(), err error) {
	path, remove := p.teacherPath(x), func() {}
	if p.r.Student.Config != "" {
		m, err := p.config()
		if err != nil {
			return nil, nil, err
		}
		dir, err := os.MkdirTemp("", "qwq-plan-")
		if err != nil {
			return nil, nil, err
		}
		path, remove = filepath.Join(dir, "base.gguf"), func() { os.RemoveAll(dir) }
		if err := student.ConfigBase(ctx, path, m); err != nil {
			remove()
			return nil, nil, err
		}
	}
	if f, err = gguf.Open(path); err != nil {
		remove()
		return nil, nil, err
	}
	return f, func() { f.Close(); remove() }, nil
}
