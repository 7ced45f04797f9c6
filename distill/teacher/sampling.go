package teacher

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// sequence is one that is being sampled.
type sequence struct {
	ids     []int32
	prompt  int             // of them
	said    distill.Targets // about positions prompt-1, prompt, …
	kv      *kvcache.Seq
	sampler *sample.Sampler
	rng     *rand.Rand
	done    bool
}

// sampling runs sequences of a Generator, many at a time.
type sampling struct {
	g     *Generator
	kv    *kvcache.Cache
	batch model.Batch
	sums  []*cache.Summary // one per worker
}

// newSampling makes a KV cache of float32: a step then sees what a pass over
// the whole row sees.
func newSampling(g *Generator) (*sampling, error) {
	pages := g.o.Batch * ((g.o.Length + kvcache.PagePositions - 1) / kvcache.PagePositions)
	spec, err := g.o.Engine.mdl.KVSpec(quant.F32, pages)
	if err != nil {
		return nil, err
	}
	store, err := g.o.Engine.dev.KV(spec)
	if err != nil {
		return nil, err
	}
	s := &sampling{g: g}
	if s.kv, err = kvcache.New(store); err != nil {
		return nil, err
	}
	for range min(runtime.GOMAXPROCS(0), g.o.Batch) {
		s.sums = append(s.sums, cache.NewSummary(&g.h))
	}
	return s, nil
}

// run samples the sequences lo to hi-1 and returns them in order.
func (s *sampling) run(ctx context.Context, lo, hi int) ([]*sequence, error) {
	var all, live []*sequence
	defer func() {
		for _, q := range live {
			q.kv.Release()
		}
	}()
	for next := lo; next < hi || len(live) > 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for next < hi && len(live) < s.g.o.Batch {
			q := s.start(next)
			next++
			all, live = append(all, q), append(live, q)
		}
		if err := s.step(live); err != nil {
			return nil, err
		}
		live = slices.DeleteFunc(live, func(q *sequence) bool {
			if q.done {
				q.kv.Release()
			}
			return q.done
		})
	}
	return all, nil
}

// start makes sequence number i, whose random numbers are its own.
func (s *sampling) start(i int) *sequence {
	o := &s.g.o
	prompt := o.Prompts[i%len(o.Prompts)]
	q := &sequence{ids: slices.Clone(prompt), prompt: len(prompt), kv: s.kv.New()}
	seeds := rand.New(rand.NewPCG(o.Sampling.Seed, uint64(i)))
	opt := o.Sampling
	opt.Seed = seeds.Uint64()
	q.sampler = sample.New(opt)
	q.rng = rand.New(rand.NewPCG(seeds.Uint64(), 1))
	for _, id := range prompt {
		q.sampler.Accept(id)
	}
	cache.Reserve(&q.said, min(o.MaxTokens, o.Length-len(prompt)), &s.g.h)
	return q
}

// step runs the pending ids of every sequence, samples one for each, and
// records what the model said.
func (s *sampling) step(live []*sequence) error {
	e, b := s.g.o.Engine, &s.batch
	b.IDs, b.Seqs, b.Rows, b.Want = b.IDs[:0], b.Seqs[:0], b.Rows[:0], backend.Logits
	for _, q := range live {
		at := q.kv.Len()
		b.IDs = append(b.IDs, q.ids[at:]...)
		b.Seqs = append(b.Seqs, model.Span{KV: q.kv, Start: at, N: len(q.ids) - at, Causal: true})
		b.Rows = append(b.Rows, int32(len(b.IDs)-1))
	}
	out, err := e.mdl.Run(b)
	if err != nil {
		return err
	}
	logits, err := e.dev.Host(out[0])
	if err != nil {
		return err
	}
	vocab := s.g.h.Vocab
	errs := make([]error, len(s.sums))
	var wg sync.WaitGroup
	for w, sum := range s.sums {
		wg.Go(func() {
			n := len(s.sums)
			for i := w * len(live) / n; i < (w+1)*len(live)/n && errs[w] == nil; i++ {
				errs[w] = s.g.advance(live[i], logits[i*vocab:(i+1)*vocab], sum)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// advance records a row of logits and appends the id drawn from it.
func (g *Generator) advance(q *sequence, logits []float32, sum *cache.Summary) error {
	if err := sum.Row(logits, &q.said, len(q.ids)-q.prompt, q.rng); err != nil {
		return err
	}
	id := q.sampler.Next(logits, nil).ID
	if id < 0 {
		return errors.New("no id can be drawn")
	}
	q.sampler.Accept(id)
	q.ids = append(q.ids, id)
	q.done = slices.Contains(g.o.EOG, id) || len(q.ids)-q.prompt == q.said.N
	return nil
}
