package pipeline

import (
	"context"
	"fmt"

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
	t, job, closeAll, err := p.cacheJob()
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
		c.Stats().Positions, c.Header().K, t.Vocabulary(), mass, p.r.Loss.Temperature))
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
func (p *Pipeline) cacheJob() (t *teacher.Engine, job shard.Job, closeAll func(), err error) {
	if t, err = p.openTeacher(); err != nil {
		return nil, nil, nil, err
	}
	closeAll = func() { t.Close() }
	if p.r.Data.Generate != nil {
		tok, err := t.Tokenizer()
		if err != nil {
			closeAll()
			return nil, nil, nil, err
		}
		g, err := p.generator(t, tok)
		if err != nil {
			closeAll()
			return nil, nil, nil, err
		}
		return t, g.Cache(p.path(rowsFile)), closeAll, nil
	}
	rows, err := p.rows()
	if err != nil {
		closeAll()
		return nil, nil, nil, err
	}
	c := p.r.Cache
	job, err = cache.NewJob(cache.Options{Source: rows.View(data.Train), Teacher: t, Tokenizer: rows.Tokenizer, Kernel: t.Kernel(), Vocab: t.Vocabulary(),
		K: min(c.K, t.Vocabulary()), Temps: c.Temps, Samples: c.Samples, Seed: p.r.Seed, Parts: c.Parts, BatchRows: c.Batch})
	closeAll = func() { rows.Close(); t.Close() }
	if err != nil {
		closeAll()
		return nil, nil, nil, err
	}
	return t, job, closeAll, nil
}

// Parts does this process's parts of one stage: "cache", or "generate", which is
// the data stage of a recipe that samples. The process that ends last makes the
// result; Run then goes on from there.
func (p *Pipeline) Parts(ctx context.Context, what string) error {
	if what == "generate" {
		if p.r.Data.Generate == nil {
			return fmt.Errorf("the recipe has no data.generate")
		}
		if err := p.until(ctx, "plan"); err != nil {
			return err
		}
		t, err := p.openTeacher()
		if err != nil {
			return err
		}
		defer t.Close()
		tok, err := t.Tokenizer()
		if err != nil {
			return err
		}
		g, err := p.generator(t, tok)
		if err != nil {
			return err
		}
		return p.parts(ctx, rowsFile, g, "parts of the sampled text")
	}
	if !p.cached() {
		return fmt.Errorf("the recipe keeps no cache: cache.live is set, or loss.soft is 0")
	}
	if err := p.until(ctx, "data"); err != nil {
		return err
	}
	_, job, closeAll, err := p.cacheJob()
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
