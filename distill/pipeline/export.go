package pipeline

import (
	"context"
	"fmt"
	"os"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill/export"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
)

func (p *Pipeline) exportInputs() (any, error) { return p.r.Export, nil }

// export writes the student as a Hugging Face folder; as a GGUF file of F32 it is
// there already. Of a teacher in a folder the tokenizer's files are
// copied, unless its vocabulary was trimmed.
func (p *Pipeline) export(ctx context.Context) ([]string, any, error) {
	t, err := quant.ParseType(p.r.Export)
	if err != nil {
		return nil, nil, err
	}
	f, err := gguf.Open(p.path(studentName + ".gguf"))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	o := export.Options{Type: t, Force: true}
	from := p.r.Teacher.Model
	if p.r.Teacher.Served() {
		from = p.r.Teacher.Tokenizer
	}
	if st, err := os.Stat(p.at(from)); err == nil && st.IsDir() && p.r.Student.Vocab == 0 {
		o.Tokenizer = p.at(from)
	}
	return []string{folderName}, nil, export.Weights{Base: f}.HF(ctx, p.path(folderName), o)
}

const folderName = "student-hf"

func (p *Pipeline) quantizeInputs() (any, error) { return p.r.Quantize, nil }

// quantize writes the files to ship.
func (p *Pipeline) quantize(ctx context.Context) (files []string, _ any, err error) {
	for _, t := range p.r.Quantize {
		name := studentName + "-" + t + ".gguf"
		if err := p.round(ctx, studentName+".gguf", name, t); err != nil {
			return nil, nil, err
		}
		files = append(files, name)
	}
	return files, nil, nil
}

// round writes the file from as one of a type.
func (p *Pipeline) round(ctx context.Context, from, to, typ string) error {
	r, err := convert.Quantize(ctx, convert.Options{Source: p.path(from), Out: p.path(to), Type: typ, Threads: p.r.Threads, Force: true,
		Progress: func(done, total int64, what string) { p.o.Progress(done, total, "", what) }})
	if err != nil {
		return err
	}
	for _, w := range r.Warnings {
		p.o.Note("warning: " + w)
	}
	p.o.Note(fmt.Sprintf("%s: %d bytes", to, r.OutBytes))
	return nil
}

// size is the bytes of a file.
func size(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
