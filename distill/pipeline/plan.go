package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// planned is the result of plan.
type planned struct {
	Teacher       string          `json:"teacher"` // the GGUF file
	From, To      student.Shape   // of teacher and student
	Path          []student.Shape // of the cuts, To the last
	TeacherParams int             `json:"teacher_params"`
	Params        int             `json:"params"`
}

func (p *Pipeline) planInputs() (any, error) {
	h, err := hashPath(p.at(p.r.Teacher.Model))
	return []any{h, p.r.Teacher.Type, p.r.Student, p.r.Quantize}, err
}

// plan makes the teacher a GGUF file and decides the student's shape.
func (p *Pipeline) plan(ctx context.Context) ([]string, any, error) {
	src := p.at(p.r.Teacher.Model)
	st, err := os.Stat(src)
	if err != nil {
		return nil, nil, err
	}
	x := planned{Teacher: src}
	files := []string{"plan.json"}
	if st.IsDir() {
		x.Teacher = "teacher.gguf"
		_, err := convert.Quantize(ctx, convert.Options{Source: src, Out: p.path(x.Teacher), Type: p.r.Teacher.Type, Threads: p.r.Threads, Force: true,
			Progress: func(done, total int64, what string) { p.o.Progress(done, total, "", what) }})
		if err != nil {
			return nil, nil, err
		}
		files = append(files, x.Teacher)
	}
	if err := p.shape(&x); err != nil {
		return nil, nil, err
	}
	b, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	p.o.Note(fmt.Sprintf("student: %v: %d parameters, %.0f %% of the teacher's %d", x.To, x.Params, 100*float64(x.Params)/float64(x.TeacherParams), x.TeacherParams))
	return files, x, writeFile(p.path("plan.json"), append(b, '\n'))
}

// shape fills in the sizes.
func (p *Pipeline) shape(x *planned) error {
	f, err := gguf.Open(p.teacherPath(*x))
	if err != nil {
		return err
	}
	defer f.Close()
	h, err := arch.ReadHyper(f)
	if err != nil {
		return err
	}
	x.From = student.ShapeOf(h)
	s := p.r.Student
	has := student.Has(f, h.Arch)
	q := student.Request{Layers: s.Layers, Device: s.Device, Context: s.Context, Rate: s.Rate}
	if len(p.r.Quantize) > 0 {
		q.Type = p.r.Quantize[0]
	}
	if s.Size != "" {
		if q.Params, err = student.ParseParams(s.Size); err != nil {
			return err
		}
	}
	if x.To, err = student.Fit(h, has, q); err != nil {
		return err
	}
	for _, v := range []struct {
		to   *int
		want int
	}{{&x.To.Layers, s.Layers}, {&x.To.Hidden, s.Hidden}, {&x.To.FFN, s.FFN}, {&x.To.Heads, s.Heads}, {&x.To.KVHeads, s.KVHeads}} {
		if v.want != 0 {
			*v.to = v.want
		}
	}
	if x.To.KVHeads < 1 || x.To.Heads%x.To.KVHeads != 0 {
		return fmt.Errorf("%d heads in %d groups", x.To.Heads, x.To.KVHeads)
	}
	_, x.TeacherParams = x.From.Params(h, has)
	_, x.Params = x.To.Params(h, has)
	if s.Start == "random" {
		x.Path = []student.Shape{x.To}
		return nil
	}
	x.Path, err = student.Steps(x.From, x.To, s.PruneSteps, func(s student.Shape) int { _, n := s.Params(h, has); return n })
	return err
}

// teacherPath is the teacher's file.
func (p *Pipeline) teacherPath(x planned) string {
	if x.Teacher == "teacher.gguf" {
		return p.path(x.Teacher)
	}
	return x.Teacher
}
