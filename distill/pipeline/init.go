package pipeline

import (
	"context"
	"fmt"

	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

const startFile = "start.gguf"

func (p *Pipeline) initInputs() (any, error) {
	in := []any{p.r.Student, p.r.Seed}
	if p.r.Student.Between > 0 {
		in = append(in, p.r.Loss, p.r.Train, p.r.Cache.Live)
	}
	return in, nil
}

// init writes the student before training: random weights, or the teacher's most
// used units. Where more than one cut leads there, each smaller model learns from
// the teacher before the next one.
func (p *Pipeline) init(ctx context.Context) ([]string, any, error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, nil, err
	}
	from := p.teacherPath(x)
	if p.r.Student.Start == "random" {
		f, err := gguf.Open(from)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		o := student.InitOptions{WriteOptions: student.WriteOptions{Force: true}, Seed: p.r.Seed}
		return []string{startFile}, nil, student.Init(ctx, p.path(startFile), f, x.To, nil, o)
	}
	for i, shape := range x.Path {
		if i == len(x.Path)-1 {
			return []string{startFile}, nil, p.cut(ctx, from, startFile, shape)
		}
		name := fmt.Sprintf("cut-%d", i+1)
		if err := p.cut(ctx, from, name+"-start.gguf", shape); err != nil {
			return nil, nil, err
		}
		t := p.r.Train
		t.Steps, t.Warmup = p.r.Student.Between, min(t.Warmup, p.r.Student.Between)
		if err := p.arm(ctx, name, name+"-start.gguf", p.r.Loss.Spec(), t); err != nil {
			return nil, nil, err
		}
		from = p.path(name + ".gguf")
	}
	return nil, nil, fmt.Errorf("no cut leads to %v", x.To)
}

// cut writes to name what the text uses most of the model at from.
func (p *Pipeline) cut(ctx context.Context, from, name string, shape student.Shape) error {
	f, err := gguf.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := p.rows()
	if err != nil {
		return err
	}
	defer rows.Close()
	v := rows.View(data.Train)
	var index []int
	for i := range min(p.r.Student.Rows, v.Rows()) {
		index = append(index, data.Order{N: v.Rows(), Seed: p.r.Seed}.At(0, i))
	}
	s, err := student.Measure(ctx, f, v, index, student.MeasureOptions{Threads: p.r.Threads,
		Done: func(n int) { p.o.Progress(int64(n), int64(len(index)), "rows", "measuring units") }})
	if err != nil {
		return err
	}
	h, err := arch.ReadHyper(f)
	if err != nil {
		return err
	}
	cut, err := student.Choose(h, s, shape, nil)
	if err != nil {
		return err
	}
	return student.Prune(ctx, p.path(name), f, cut, student.WriteOptions{Force: true})
}
