package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/recipe"
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
	in := []any{files, held, p.r.Data, p.r.Seed, p.r.Student.Vocab}
	if p.r.Data.Generate != nil { // recorded while sampling
		in = append(in, p.r.Cache.K, p.r.Cache.Temps, p.r.Cache.Samples, p.r.Cache.Parts)
	}
	return in, err
}

// data tokenizes the files, or samples rows from the teacher, and held-out text. A
// trimmed vocabulary is chosen on the way.
func (p *Pipeline) data(ctx context.Context) (files []string, _ any, err error) {
	var x planned
	if err := p.result("plan", &x); err != nil {
		return nil, nil, err
	}
	tok, err := p.tokenizer()
	if err != nil {
		return nil, nil, err
	}
	if p.r.Data.Generate != nil {
		files, err = p.sampled(ctx, tok)
	} else {
		files, err = p.packed(ctx, tok, x.Vocab)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(p.r.Evaluate.Files) > 0 {
		own, err := p.ownTokenizer()
		if err != nil {
			return nil, nil, err
		}
		held, err := p.pack(own, p.r.Evaluate.Files, 0)
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
	left := ""
	if s.Duplicates+s.Empty > 0 {
		left = fmt.Sprintf("; left out: %d duplicates, %d without a target", s.Duplicates, s.Empty)
	}
	p.o.Note(fmt.Sprintf("data: %d documents, %d tokens in %d rows of %d for training, %d held out%s", s.Documents, s.Tokens, rows.Len(data.Train), rows.Length,
		rows.Len(data.HeldOut), left))
	if rows.Len(data.Train) == 0 {
		return nil, nil, p.r.Errorf("data", "no row to train on: %d documents, %d duplicates, %d without a target", s.Documents, s.Duplicates, s.Empty)
	}
	_, _, done, err := p.heldOut() // before anything is trained
	if err != nil {
		return nil, nil, err
	}
	return files, s, done()
}

// packed makes the rows of the files. Where the vocabulary is trimmed, the
// teacher's tokens decide which it is, and the text is read again with those.
func (p *Pipeline) packed(ctx context.Context, tok *tokenizer.Tokenizer, vocab int) ([]string, error) {
	pack := func(name string, tok *tokenizer.Tokenizer) error {
		job, err := p.pack(tok, p.r.Data.Files, p.r.Data.HeldOut)
		if err != nil {
			return err
		}
		return p.shards(ctx, name, job, shard.Selection{}, "rows")
	}
	if p.r.Student.Vocab == 0 {
		return []string{rowsFile}, pack(rowsFile, tok)
	}
	if err := pack(teacherRows, tok); err != nil {
		return nil, err
	}
	rows, err := data.Open(p.path(teacherRows))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if _, err := p.trim(tok, rows, vocab); err != nil {
		return nil, err
	}
	own, err := p.ownTokenizer()
	if err != nil {
		return nil, err
	}
	if err := pack(rowsFile, own); err != nil {
		return nil, err
	}
	return []string{rowsFile, vocabFile}, p.dropTeacherRows()
}

// sampledFile is the rows that the teacher writes, in its ids.
func (p *Pipeline) sampledFile() string {
	if p.r.Student.Vocab > 0 {
		return teacherRows
	}
	return rowsFile
}

// sampled makes rows of what the teacher writes.
func (p *Pipeline) sampled(ctx context.Context, tok *tokenizer.Tokenizer) ([]string, error) {
	t, err := p.openEngine()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	job, err := p.generator(t, tok)
	if err != nil {
		return nil, err
	}
	name := p.sampledFile()
	if err := p.shards(ctx, name, job, shard.Selection{}, "parts of the sampled text"); err != nil {
		return nil, err
	}
	files := []string{name}
	for i := range job.Shards() { // the cache is made of them
		files = append(files, shard.PartPath(name, i, job.Shards()))
	}
	if name == rowsFile {
		return files, nil
	}
	rows, err := data.Open(p.path(name))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	trim, err := p.trim(tok, rows, t.Vocabulary())
	if err != nil {
		return nil, err
	}
	return append(files, rowsFile, vocabFile), p.remap(ctx, rows, trim)
}

func (p *Pipeline) pack(tok *tokenizer.Tokenizer, files []string, heldOut float64) (*data.Job, error) {
	d := p.r.Data
	o := data.Options{Files: p.all(files), Tokenizer: tok, Length: d.Length, HeldOut: heldOut, KeepDuplicates: d.KeepDuplicates, ReplaceInvalid: d.ReplaceInvalid,
		Separator: d.Separator}
	if !*p.r.Data.Answers {
		o.Loss = data.LossAll
	}
	return data.NewJob(o)
}

// generator samples rows and records the teacher's targets.
func (p *Pipeline) generator(t *teacher.Engine, tok *tokenizer.Tokenizer) (*teacher.Generator, error) {
	o, err := p.generate(t, tok, *p.r.Data.Generate, "data.generate")
	if err != nil {
		return nil, err
	}
	c := p.r.Cache
	o.K, o.Temps, o.Samples, o.Parts = min(c.K, t.Vocabulary()), c.Temps, c.Samples, generateParts(o.Sequences, c.Parts)
	return teacher.NewGenerator(o)
}

// generate is the options of what a key asks to sample.
func (p *Pipeline) generate(t *teacher.Engine, tok *tokenizer.Tokenizer, g recipe.Generate, key string) (o teacher.GenerateOptions, err error) {
	id, err := data.TokenizerID(tok)
	if err != nil {
		return o, err
	}
	prompts, err := p.prompts(tok, g.Prompts, key)
	return teacher.GenerateOptions{
		Engine: t, Tokenizer: id, EOG: tok.EOGs(), Prompts: prompts, Sequences: g.Sequences, Length: p.r.Data.Length, MaxTokens: g.MaxTokens,
		Batch: g.Batch, Sampling: sample.Options{Temperature: g.Temperature, TopP: g.TopP, Seed: p.r.Seed},
	}, err
}

// prompts are the ids of a key's prompts; a row must have room for one more.
func (p *Pipeline) prompts(tok *tokenizer.Tokenizer, texts []string, key string) (out [][]int32, err error) {
	for i, s := range texts {
		var ids []int32
		if tok.AddBOS() {
			ids = append(ids, tok.BOS())
		}
		ids = tok.Append(ids, s, tokenizer.EncodeOptions{})
		if len(ids) >= p.r.Data.Length {
			return nil, p.r.Errorf(key+".prompts", "number %d has %d tokens, a row of data.length %d: nothing is left to sample", i+1, len(ids), p.r.Data.Length)
		}
		out = append(out, ids)
	}
	return out, nil
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
		err := p.r.Errorf("data.held-out", "%g of %d documents is no held-out row: a larger share, or text in evaluate.files, is needed", p.r.Data.HeldOut, rows.Stats.Documents)
		if len(p.r.Evaluate.Files) > 0 {
			err = p.r.Errorf("evaluate.files", "no held-out row: the text has %d documents, %d of them without a target", rows.Stats.Documents+rows.Stats.Empty, rows.Stats.Empty)
		}
		return v, 0, nil, errors.Join(err, rows.Close())
	}
	return v, n, rows.Close, nil
}
