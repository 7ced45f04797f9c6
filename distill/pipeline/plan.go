package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/convert/hf"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// planned is the result of plan.
type planned struct {
	Teacher       string          `json:"teacher"` // the GGUF file; "": it is served
	Vocab         int             `json:"vocab"`   // ids of the teacher
	From, To      student.Shape   // of teacher and student; From is empty where the teacher is served
	Path          []student.Shape // of the cuts, To the last
	TeacherParams int             `json:"teacher_params"` // 0: it is served
	Params        int             `json:"params"`
}

func (p *Pipeline) planInputs() (any, error) {
	model := p.r.Teacher.Model
	if p.r.Teacher.Served() {
		model = p.r.Teacher.Tokenizer
	}
	h, err := hashPath(p.at(model))
	if err != nil {
		return nil, err
	}
	in := []any{h, p.r.Teacher, p.r.Student, p.r.Loss.Hidden, p.r.Quantize}
	if p.r.Student.Config == "" {
		return in, nil
	}
	h, err = hashPath(p.at(p.r.Student.Config))
	return append(in, h), err
}

// plan makes the teacher a GGUF file and decides the student's shape. What cannot be
// is refused here, before any work.
func (p *Pipeline) plan(ctx context.Context) ([]string, any, error) {
	files := []string{"plan.json"}
	x, err := p.teacherOf(ctx)
	if err != nil {
		return nil, nil, err
	}
	if x.Teacher == teacherFile {
		files = append(files, x.Teacher)
	}
	if p.r.Student.Config != "" {
		err = p.configured(&x)
	} else {
		err = p.shape(&x)
	}
	if err == nil {
		err = p.tokenizable(x)
	}
	if err == nil {
		_, err = p.hidden(x)
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return nil, nil, err
	}
	of := ""
	if x.TeacherParams > 0 {
		of = fmt.Sprintf(", %.0f %% of the teacher's %d", 100*float64(x.Params)/float64(x.TeacherParams), x.TeacherParams)
	}
	p.o.Note(fmt.Sprintf("student: %v: %d parameters%s", x.To, x.Params, of))
	return files, x, writeFile(p.path("plan.json"), append(b, '\n'))
}

// teacherFile is what a folder is converted to.
const teacherFile = "teacher.gguf"

// teacherOf finds the teacher: a file, a folder that is converted, or a server that
// must be able to score.
func (p *Pipeline) teacherOf(ctx context.Context) (x planned, err error) {
	if p.r.Teacher.Served() {
		tok, err := p.tokenizer()
		if err != nil {
			return x, p.r.Errorf("teacher.tokenizer", "%s", err)
		}
		if x.Vocab = tok.Len(); p.r.Teacher.Vocab > 0 {
			x.Vocab = p.r.Teacher.Vocab
		}
		if x.Vocab < tok.Len() {
			return x, p.r.Errorf("teacher.vocab", "%d: the tokenizer has %d ids", x.Vocab, tok.Len())
		}
		if _, err := teacher.Dial(ctx, p.httpOptions(x.Vocab)); err != nil {
			return x, p.r.Errorf("teacher.url", "%w", err)
		}
		return x, nil
	}
	src := p.at(p.r.Teacher.Model)
	x.Teacher = src
	if st, err := os.Stat(src); err != nil || !st.IsDir() {
		return x, err
	}
	x.Teacher = teacherFile
	_, err = convert.Quantize(ctx, convert.Options{Source: src, Out: p.path(x.Teacher), Type: p.r.Teacher.Type, Threads: p.r.Threads, Force: true,
		Progress: func(done, total int64, what string) { p.o.Progress(done, total, "", what) }})
	return x, err
}

// shape fills in the sizes of a student that is like its teacher.
func (p *Pipeline) shape(x *planned) error {
	f, err := gguf.Open(p.teacherPath(*x))
	if err != nil {
		return p.r.Errorf("teacher.model", "%w", err)
	}
	defer f.Close()
	h, err := arch.ReadHyper(f)
	if err != nil {
		return p.r.Errorf("teacher.model", "%w", err)
	}
	x.From, x.Vocab = student.ShapeOf(h), h.Vocab
	s := p.r.Student
	has := student.Has(f, h.Arch)
	q := student.Request{Layers: s.Layers, Hidden: s.Hidden, FFN: s.FFN, Heads: s.Heads, KVHeads: s.KVHeads, Vocab: s.Vocab,
		Device: s.Device, Context: s.Context, Rate: s.Rate}
	if len(p.r.Quantize) > 0 {
		q.Type = p.r.Quantize[0]
	}
	if s.Size != "" {
		if q.Params, err = student.ParseParams(s.Size); err != nil {
			return p.r.Errorf("student.size", "%w", err)
		}
	}
	if x.To, err = student.Fit(h, has, q); err != nil {
		return p.r.Errorf(p.guilty(), "%w", err)
	}
	_, x.TeacherParams = x.From.Params(h, has)
	_, x.Params = x.To.Params(h, has)
	if s.Start == "random" {
		x.Path = []student.Shape{x.To}
		return nil
	}
	x.Path, err = student.Steps(x.From, x.To, s.PruneSteps, func(s student.Shape) int { _, n := s.Params(h, has); return n })
	if err != nil {
		return p.r.Errorf("student.prune-steps", "%w", err)
	}
	return nil
}

// guilty is the key that a shape that cannot be is most likely about.
func (p *Pipeline) guilty() string {
	for _, k := range []string{"size", "device", "config", "vocab"} {
		if p.r.Has("student." + k) {
			return "student." + k
		}
	}
	return "student"
}

// configured fills in the sizes of a student that a Hugging Face configuration
// describes; its family may be another than the teacher's.
func (p *Pipeline) configured(x *planned) error {
	if !p.r.Teacher.Served() {
		f, err := gguf.Open(p.teacherPath(*x))
		if err != nil {
			return p.r.Errorf("teacher.model", "%w", err)
		}
		defer f.Close()
		h, err := arch.ReadHyper(f)
		if err != nil {
			return p.r.Errorf("teacher.model", "%w", err)
		}
		x.From, x.Vocab = student.ShapeOf(h), h.Vocab
		_, x.TeacherParams = x.From.Params(h, student.Has(f, h.Arch))
	}
	m, err := p.config()
	if err != nil {
		return err
	}
	if x.To, x.Params, err = student.ConfigShape(m); err != nil {
		return p.r.Errorf("student.config", "%w", err)
	}
	x.Path = []student.Shape{x.To}
	s := p.r.Student
	if s.Vocab > 0 && s.Vocab != m.Vocab {
		return p.r.Errorf("student.vocab", "%d: the configuration's vocab_size is %d", s.Vocab, m.Vocab)
	}
	if s.Device == "" {
		return nil
	}
	typ := "q8_0"
	if len(p.r.Quantize) > 0 {
		typ = p.r.Quantize[0]
	}
	if err := student.Runs(m, s.Device, typ, s.Context, s.Rate); err != nil {
		return p.r.Errorf("student.device", "%w", err)
	}
	return nil
}

// config reads the student's configuration.
func (p *Pipeline) config() (*hf.Model, error) {
	path := p.at(p.r.Student.Config)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, p.r.Errorf("student.config", "%w", err)
	}
	m, err := hf.Parse(b, nil)
	if err != nil {
		return nil, p.r.Errorf("student.config", "%s: %w", path, err)
	}
	return m, nil
}

// tokenizable checks that every id of the tokenizer is one of the student's, and
// that prompts leave room to sample.
func (p *Pipeline) tokenizable(x planned) error {
	tok, err := p.tokenizerAt(x)
	if err != nil {
		return p.r.Errorf("teacher.model", "%w", err)
	}
	if p.r.Student.Vocab == 0 && tok.Len() > x.To.Vocab {
		return p.r.Errorf("student.config", "vocab_size is %d, the teacher's tokenizer has %d ids: set student.vocab to trim it", x.To.Vocab, tok.Len())
	}
	if n := p.r.Student.Vocab; n > 0 {
		if _, err := student.Trim(tok, make([]int64, x.Vocab), n); err != nil {
			return p.r.Errorf("student.vocab", "%w", err)
		}
	}
	if g := p.r.Data.Generate; g != nil {
		if _, err := p.prompts(tok, g.Prompts, "data.generate"); err != nil {
			return err
		}
	}
	if p.r.OnPolicy.Rounds > 0 {
		_, err = p.prompts(tok, p.r.OnPolicy.Generate.Prompts, "on-policy.generate")
	}
	return err
}

// teacherPath is the teacher's file.
func (p *Pipeline) teacherPath(x planned) string {
	if x.Teacher == teacherFile {
		return p.path(x.Teacher)
	}
	return x.Teacher
}
