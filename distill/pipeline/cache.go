package pipeline

import (
	"context"
	"fmt"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/internal/shard"
)

func (p *Pipeline) cacheInputs() (any, error) {
	return []any{p.cached(), p.r.Cache, p.r.Seed}, nil
}

// cached says whether training asks the cache.
func (p *Pipeline) cached() bool { return !p.r.Cache.Live && *p.r.Loss.Soft > 0 }

// cache keeps what the teacher says about the training rows.
func (p *Pipeline) cache(ctx context.Context) ([]string, any, error) {
	if !p.cached() {
		return nil, nil, nil
	}
	job, closeAll, err := p.cacheJob(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer closeAll()
	if err := p.shards(ctx, cacheFile, job, shard.Selection{}, "parts of the teacher cache"); err != nil {
		return nil, nil, err
	}
	c, err := cache.Open(p.path(cacheFile))
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	mass := c.Captured(p.r.Loss.Temperature)
	p.o.Note(fmt.Sprintf("cache: %d positions, the %d likeliest of %d ids hold %.3f of the mass at T %g",
		c.Stats().Positions, c.Header().K, c.Header().Vocab, mass, p.r.Loss.Temperature))
	if mass < cache.LowMass && !p.r.Loss.Sampled {
		p.o.Note(fmt.Sprintf("warning: less than %g of the teacher's mass is known: raise cache.k, lower the temperature, or set cache.live", cache.LowMass))
	}
	files := []string{cacheFile}
	for i := range job.Shards() {
		files = append(files, shard.PartPath(cacheFile, i, job.Shards()))
	}
	return files, mass, nil
}

// cacheJob is the job that writes the cache; closeAll ends what it uses.
func (p *Pipeline) cacheJob(ctx context.Context) (job shard.Job, closeAll func(), err error) {
	if p.r.Data.Generate == nil {
		return p.scoreJob(ctx, rowsFile)
	}
	t, err := p.openEngine()
	if err != nil {
		return nil, nil, err
	}
	closeAll = func() { t.Close() }
	tok, err := p.tokenizer()
	if err == nil {
		var g *teacher.Generator
		if g, err = p.generator(t, tok); err == nil {
			return g.Cache(p.path(p.sampledFile())), closeAll, nil
		}
	}
	closeAll()
	return nil, nil, err
}

// scoreJob is the job that asks the teacher about the rows in a file.
func (p *Pipeline) scoreJob(ctx context.Context, name string) (job shard.Job, closeAll func(), err error) {
	trim, err := p.trimmed()
	if err != nil {
		return nil, nil, err
	}
	t, err := p.openScorer(ctx, distill.Vocab{}, false)
	if err != nil {
		return nil, nil, err
	}
	rows, err := data.Open(p.path(name))
	if err != nil {
		t.close()
		return nil, nil, err
	}
	closeAll = func() { rows.Close(); t.close() }
	c := p.r.Cache
	job, err = cache.NewJob(cache.Options{Source: asTeacher(rows.View(data.Train), trim), Teacher: t, Tokenizer: rows.Tokenizer, Kernel: t.kernel, Vocab: t.vocab,
		K: min(c.K, t.vocab), Temps: c.Temps, Samples: c.Samples, Seed: p.r.Seed, Parts: c.Parts, BatchRows: min(c.Batch, 64)})
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return job, closeAll, nil
}

// Parts does this process's parts of one stage: "cache", or "generate", which is
// the data stage of a recipe that samples. The process that ends last makes the
// result; Run then goes on from there.
func (p *Pipeline) Parts(ctx context.Context, what string) error {
	if what == "generate" {
		if p.r.Data.Generate == nil {
			return p.r.Errorf("data", "has no generate: the text is in files")
		}
		if err := p.until(ctx, "plan"); err != nil {
			return err
		}
		t, err := p.openEngine()
		if err != nil {
			return err
		}
		defer t.Close()
		tok, err := p.tokenizer()
		if err != nil {
			return err
		}
		g, err := p.generator(t, tok)
		if err != nil {
			return err
		}
		return p.parts(ctx, p.sampledFile(), g, "parts of the sampled text")
	}
	if !p.cached() {
		return p.r.Errorf("cache", "the recipe keeps none: cache.live is set, or loss.soft is 0")
	}
	if err := p.until(ctx, "data"); err != nil {
		return err
	}
	job, closeAll, err := p.cacheJob(ctx)
	if err != nil {
		return err
	}
	defer closeAll()
	return p.parts(ctx, cacheFile, job, "parts of the teacher cache")
}

// parts is shards for the selection, and says what was done.
func (p *Pipeline) parts(ctx context.Context, name string, job shard.Job, what string) error {
	if err := p.shards(ctx, name, job, p.o.Shard, what); err != nil {
		return err
	}
	have := 0
	for i := range job.Shards() {
		if p.o.Shard.Has(i) {
			have++
		}
	}
	p.o.Note(fmt.Sprintf("%s: %d of %d %s", name, have, job.Shards(), what))
	return nil
}
