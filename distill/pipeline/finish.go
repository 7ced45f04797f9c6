package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
)

// finishedName is the student that was trained for its quantized file.
const finishedName = studentName + "-finished"

// shippedName is the model to ship of a type: what finish made, or plain rounding.
func (p *Pipeline) shippedName(typ string) string {
	if f := p.r.Finish; f != nil && f.Type == typ {
		return finishedName + "-" + typ
	}
	return studentName + "-" + typ
}

func (p *Pipeline) finishInputs() (any, error) {
	if p.r.Finish == nil {
		return nil, nil
	}
	in, err := p.trainInputs()
	return []any{in, p.r.Finish}, err
}

// finish goes on with the student for some steps in which its matrices are those of
// the quantized file, and writes that. A moving average or low-rank pairs would make
// another file than the one that was trained for.
func (p *Pipeline) finish(ctx context.Context) ([]string, any, error) {
	f := p.r.Finish
	if f == nil {
		return nil, nil, nil
	}
	types, err := matrixTypes(p.path(studentName + "-" + f.Type + ".gguf"))
	if err != nil {
		return nil, nil, err
	}
	t := p.r.Train
	t.Steps, t.LR, t.FinalLR, t.Warmup = f.Steps, f.LR, min(t.FinalLR, f.LR), min(t.Warmup, f.Steps/10)
	t.EMA, t.LoRA = 0, nil
	job := training{Name: finishedName, Start: studentName + ".gguf", Spec: p.r.Loss.Spec(), Train: t, Types: types}
	if err := p.arm(ctx, job); err != nil {
		return nil, nil, err
	}
	name := p.shippedName(f.Type) + ".gguf"
	return []string{finishedName + ".gguf", name}, nil, p.round(ctx, finishedName+".gguf", name, f.Type)
}

// runs are the folders of the trainings of a stage, of which those between cuts
// belong to init.
func (p *Pipeline) runs(stage string) (dirs []string) {
	owner := func(name string) string {
		switch {
		case name == finishedName:
			return "finish"
		case strings.HasPrefix(name, "cut-"):
			return "init"
		}
		return "train"
	}
	all, _ := os.ReadDir(p.path("train")) // none yet: no runs
	for _, e := range all {
		if owner(e.Name()) == stage {
			dirs = append(dirs, filepath.Join("train", e.Name()))
		}
	}
	return dirs
}

// matrixTypes are the types of a file's tensors.
func matrixTypes(path string) (map[string]quant.Type, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	types := map[string]quant.Type{}
	for _, t := range f.Tensors() {
		types[t.Name] = t.Type
	}
	return types, nil
}
