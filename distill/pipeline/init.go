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
	trim, err := p.trimmed()
	if err != nil {
		return nil, nil, err
	}
	if p.r.Student.Start == "random" {
		return []string{startFile}, nil, p.random(ctx, x, trim)
	}
	from := p.teacherPath(x)
	for i, shape := range x.Path {
		if i == len(x.Path)-1 {
			return []string{startFile}, nil, p.cut(ctx, from, startFile, shape, trim)
		}
		name := fmt.Sprintf("cut-%d", i+1)
		if err := p.cut(ctx, from, name+"-start.gguf", shape, trim); err != nil {
			return nil, nil, err
		}
		t := p.r.Train
		t.Steps, t.Warmup = p.r.Student.Between, min(t.Warmup, p.r.Student.Between)
		if err := p.arm(ctx, training{Name: name, Start: name + "-start.gguf", Spec: p.r.Loss.Spec(), Train: t}); err != nil {
			return nil, nil, err
		}
		from, trim = p.path(name+".gguf"), nil
	}
	return nil, nil, fmt.Errorf("no cut leads to %v", x.To)
}

// random writes a student that has learnt nothing.
func (p *Pipeline) random(ctx context.Context, x planned, trim *student.Trimmed) error {
	o := student.InitOptions{WriteOptions: student.WriteOptions{Force: true}, Seed: p.r.Seed}
	if p.r.Student.Config == "" {
		f, err := gguf.Open(p.teacherPath(x))
		if err != nil {
			return err
		}
		defer f.Close()
		return student.Init(ctx, p.path(startFile), f, x.To, trim, o)
	}
	m, err := p.config()
	if err != nil {
		return err
	}
	keys, err := p.tokenizerKeys(m.Vocab, trim)
	if err != nil {
		return err
	}
	return student.InitConfig(ctx, p.path(startFile), m, keys, o)
}

// cut writes to name what the text uses most of the model at from; trim is nil, or
// the part of that model's vocabulary that the rows are in.
func (p *Pipeline) cut(ctx context.Context, from, name string, shape student.Shape, trim *student.Trimmed) error {
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
	s, err := student.Measure(ctx, f, asTeacher(v, trim), index, student.MeasureOptions{Threads: p.r.Threads,
		Done: func(n int) { p.o.Progress(int64(n), int64(len(index)), "rows", "measuring units") }})
	if err != nil {
		return err
	}
	h, err := arch.ReadHyper(f)
	if err != nil {
		return err
	}
	cut, err := student.Choose(h, s, shape, trim)
	if err != nil {
		return err
	}
	return student.Prune(ctx, p.path(name), f, cut, student.WriteOptions{Force: true})
}
