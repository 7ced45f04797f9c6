package pipeline

import (
	"context"

	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

const startFile = "start.gguf"

func (p *Pipeline) initInputs() (any, error) { return []any{p.r.Student, p.r.Seed}, nil }

// init writes the student before training: the teacher's most used units, or
// random weights.
func (p *Pipeline) init(ctx context.Context) ([]string, any, error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, nil, err
	}
	f, err := gguf.Open(p.teacherPath(x))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if p.r.Student.Start == "random" {
		o := student.InitOptions{WriteOptions: student.WriteOptions{Force: true}, Seed: p.r.Seed}
		return []string{startFile}, nil, student.Init(ctx, p.path(startFile), f, x.To, nil, o)
	}
	rows, err := p.rows()
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	v := rows.View(data.Train)
	var index []int
	for i := range min(p.r.Student.Rows, v.Rows()) {
		index = append(index, data.Order{N: v.Rows(), Seed: p.r.Seed}.At(0, i))
	}
	s, err := student.Measure(ctx, f, v, index, student.MeasureOptions{Threads: p.r.Threads,
		Done: func(n int) { p.o.Progress(int64(n), int64(len(index)), "rows", "measuring the teacher's units") }})
	if err != nil {
		return nil, nil, err
	}
	h, err := arch.ReadHyper(f)
	if err != nil {
		return nil, nil, err
	}
	cut, err := student.Choose(h, s, x.To, nil)
	if err != nil {
		return nil, nil, err
	}
	return []string{startFile}, nil, student.Prune(ctx, p.path(startFile), f, cut, student.WriteOptions{Force: true})
}
