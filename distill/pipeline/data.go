package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

const (
	rowsFile    = "data/rows"
	heldOutFile = "data/held-out"
	cacheFile   = "cache/train"
)

func (p *Pipeline) dataInputs() (any, error) {
	files, err := hashAll(p.all(p.r.Data.Files))
	if err != nil {
		return nil, err
	}
	held, err := hashAll(p.all(p.r.Evaluate.Files))
	in := []any{files, held, p.r.Data, p.r.Seed}
	if p.r.Data.Generate != nil { // recorded while sampling
		in = append(in, p.r.Cache.K, p.r.Cache.Temps, p.r.Cache.Samples, p.r.Cache.Parts)
	}
	return in, err
}

// data tokenizes the files, or samples rows from the teacher.
func (p *Pipeline) data(ctx context.Context) (files []string, _ any, err error) {
	t, err := p.openTeacher()
	if err != nil {
		return nil, nil, err
	}
	defer t.Close()
	tok, err := t.Tokenizer()
	if err != nil {
		return nil, nil, err
	}
	var job shard.Job
	if p.r.Data.Generate != nil {
		job, err = p.generator(t, tok)
	} else {
		job, err = p.pack(tok, p.r.Data.Files, p.r.Data.HeldOut)
	}
	if err == nil {
		err = p.shards(ctx, rowsFile, job, shard.Selection{}, "rows")
	}
	if err != nil {
		return nil, nil, err
	}
	files = []string{rowsFile}
	if p.r.Data.Generate != nil { // the cache is made of them
		for i := range job.Shards() {
			files = append(files, shard.PartPath(rowsFile, i, job.Shards()))
		}
	}
	if len(p.r.Evaluate.Files) > 0 {
		held, err := p.pack(tok, p.r.Evaluate.Files, 0)
		if err == nil {
			err = p.shards(ctx, heldOutFile, held, shard.Selection{}, "held-out rows")
		}
		if err != nil {
			return nil, nil, err
		}
		files = append(files, heldOutFile)
	}
	rows, err := data.Open(p.path(rowsFile))
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	s := rows.Stats
	p.o.Note(fmt.Sprintf("data: %d documents, %d tokens in %d rows of %d", s.Documents, s.Tokens, rows.Len(data.Train), rows.Length))
	return files, s, nil
}

func (p *Pipeline) pack(tok *tokenizer.Tokenizer, files []string, heldOut float64) (*data.Job, error) {
	o := data.Options{Files: p.all(files), Tokenizer: tok, Length: p.r.Data.Length, HeldOut: heldOut}
	if !*p.r.Data.Answers {
		o.Loss = data.LossAll
	}
	return data.NewJob(o)
}

// generator samples rows and records the teacher's targets.
func (p *Pipeline) generator(t *teacher.Engine, tok *tokenizer.Tokenizer) (*teacher.Generator, error) {
	id, err := data.TokenizerID(tok)
	if err != nil {
		return nil, err
	}
	g, c := p.r.Data.Generate, p.r.Cache
	var prompts [][]int32
	for _, s := range g.Prompts {
		var ids []int32
		if tok.AddBOS() {
			ids = append(ids, tok.BOS())
		}
		prompts = append(prompts, tok.Append(ids, s, tokenizer.EncodeOptions{}))
	}
	return teacher.NewGenerator(teacher.GenerateOptions{
		Engine: t, Tokenizer: id, EOG: tok.EOGs(), Prompts: prompts, Sequences: g.Sequences, Length: p.r.Data.Length, MaxTokens: g.MaxTokens,
		Batch: g.Batch, Sampling: sample.Options{Temperature: g.Temperature, TopP: g.TopP, Seed: p.r.Seed},
		K: min(c.K, t.Vocabulary()), Temps: c.Temps, Samples: c.Samples, Parts: generateParts(g.Sequences, c.Parts),
	})
}

// generateParts is the number of files: unless the recipe says it, one per 256
// sequences up to 64, so that a killed run loses little.
func generateParts(sequences, want int) int {
	if want > 0 {
		return want
	}
	return min((sequences+255)/256, 64)
}

// shards runs this process's parts of a job.
func (p *Pipeline) shards(ctx context.Context, name string, job shard.Job, sel shard.Selection, what string) error {
	done := int64(0)
	err := shard.Run(ctx, p.path(name), job, sel, shard.Options{Done: func(int, bool) {
		done++
		p.o.Progress(done, int64(job.Shards()), "parts", what)
	}})
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

func (p *Pipeline) openTeacher() (*teacher.Engine, error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, err
	}
	return teacher.Open(p.teacherPath(x), teacher.Options{Threads: p.r.Threads})
}

// rows opens the training rows.
func (p *Pipeline) rows() (*data.Rows, error) { return data.Open(p.path(rowsFile)) }

// heldOut opens the held-out rows; at most evaluate.rows of them are used.
func (p *Pipeline) heldOut() (v data.View, n int, closeRows func() error, err error) {
	name, split := heldOutFile, data.Train
	if len(p.r.Evaluate.Files) == 0 {
		name, split = rowsFile, data.HeldOut
	}
	rows, err := data.Open(p.path(name))
	if err != nil {
		return v, 0, nil, err
	}
	v = rows.View(split)
	n = v.Rows()
	if m := p.r.Evaluate.Rows; m > 0 {
		n = min(n, m)
	}
	if n == 0 {
		return v, 0, nil, errors.Join(errors.New("no held-out rows: a larger data.held-out or evaluate.files is needed"), rows.Close())
	}
	return v, n, rows.Close, nil
}
