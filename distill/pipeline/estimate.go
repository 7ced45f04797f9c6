package pipeline

import (
	"context"
	"os"
	"path/filepath"

	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/kernel"
)

// Estimate is what a run would take.
type Estimate struct {
	Student       student.Shape   `json:"student"`
	Params        int             `json:"parameters"`
	TeacherParams int             `json:"teacher_parameters"`
	Students      int             `json:"students"` // that are trained
	Tokens        int64           `json:"tokens"`   // that each reads
	TrainSeconds  float64         `json:"train_seconds"`
	Memory        int64           `json:"memory"` // bytes while training
	Available     int64           `json:"available"`
	Stages        []StageEstimate `json:"stages"`
}

// StageEstimate says whether a stage has to be done.
type StageEstimate struct {
	Name string `json:"name"`
	Done bool   `json:"done"`
}

// Estimate plans a run without doing more than the plan stage, which decides the
// shapes. A stage whose inputs are not there yet is one to do.
func (p *Pipeline) Estimate(ctx context.Context) (*Estimate, error) {
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
	if err := p.predict(ctx, x, e); err != nil {
		return nil, err
	}
	e.Available = int64(cpu.HostMemory().Free())
	known := true
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
		e.Stages = append(e.Stages, StageEstimate{s.name, done})
	}
	return e, nil
}

// predict measures a few steps of the student's widths here. The live teacher, the
// cache and sampling come on top.
func (p *Pipeline) predict(ctx context.Context, x planned, e *Estimate) error {
	base := p.teacherPath(x)
	if p.r.Student.Config != "" {
		m, err := p.config()
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "qwq-plan-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		base = filepath.Join(dir, "base.gguf")
		if err := student.ConfigBase(ctx, base, m); err != nil {
			return err
		}
	}
	f, err := gguf.Open(base)
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := arch.ReadHyper(f)
	if err != nil {
		return err
	}
	pool, err := kernel.New(kernel.Options{Threads: p.r.Threads})
	if err != nil {
		return err
	}
	defer pool.Close()
	r := p.r.Train
	t := student.Training{Rows: r.Batch, Length: p.r.Data.Length, Leaves: r.Leaves, Steps: r.Steps, Recompute: r.Recompute, EMA: r.EMA > 0}
	t.Precision = precisions[r.Precision]
	v, err := student.Calibrate(ctx, pool, f, x.To, t)
	if err != nil {
		return err
	}
	e.TrainSeconds = v.Seconds(t, x.To.Layers, x.Params)
	e.Memory = t.Memory(h, student.Has(f, h.Arch), x.To).Total()
	return nil
}
