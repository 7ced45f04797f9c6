package pipeline

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// probe is what a few rows through the teacher cost here.
type probe struct {
	Row     float64   // seconds a row
	Summary float64   // seconds a position of the cache, over all threads
	Compare float64   // seconds a position and model of an evaluation, over all threads
	Token   float64   // seconds of a token that the teacher writes alone
	Peak    int64     // resident bytes with the teacher at work
	Mass    []float64 // that the cache would hold, at each of its temperatures; nil: none
	Rows    float64   // of training
	HeldOut float64   // rows that are evaluated
	Seconds float64   // of the data stage
	DataMax int64     // resident bytes in it

	some     func(n int) peekedRows // up to n rows like those of the run
	CacheRow float64                // seconds a row of the cache stage; 0: not seen
	CacheMax int64                  // resident bytes in it
	One, All scored                 // with one student, with all that are evaluated; 0: not seen
}

// peekTokens is how much text a plan reads.
const peekTokens = 300_000

// probe measures the teacher with the recipe's own text, where it is in files.
func (p *Pipeline) probe(ctx context.Context, x planned) (*probe, error) {
	q := &probe{}
	b, err := p.probeRows(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := p.probeHeldOut(ctx, q); err != nil {
		return nil, err
	}
	resetPeak()
	t, err := p.openScorer(ctx, distill.Vocab{}, false)
	if err != nil {
		return nil, err
	}
	defer t.close()
	var said distill.Targets
	score := func() error {
		for lo := 0; lo < len(b.IDs); lo += scoreChunk {
			if err := t.Score(ctx, b, lo, min(lo+scoreChunk, len(b.IDs)), &said); err != nil {
				return err
			}
		}
		return nil
	}
	if x.TeacherParams < 100e6 { // its pages are read, its buffers there: no more than some milliseconds
		if err := score(); err != nil {
			return nil, err
		}
		b.IDs[0] = (b.IDs[0] + 1) % int32(x.Vocab) // other rows: it keeps the states of the last
	}
	began := time.Now()
	if err := score(); err != nil {
		return nil, err
	}
	q.Row = time.Since(began).Seconds() / float64(b.Rows)
	if said.Dense != nil {
		if err := q.positions(p, b, &said, x.To.Vocab); err != nil {
			return nil, err
		}
	}
	q.Peak = peakMemory()
	if p.cached() && p.r.Data.Generate == nil && !p.r.Teacher.Served() && float64(p.r.Cache.Batch)*q.Row <= rehearseTime {
		said = distill.Targets{}
		if err := p.rehearseCache(ctx, t, q); err != nil {
			return nil, err
		}
	}
	if len(p.r.Evaluate.Samples) > 0 && !p.r.Teacher.Served() {
		q.Token, err = writing(ctx, p.teacherPath(x), p.r.Threads)
	}
	return q, err
}

// probeRows is rows for the probe, and what the data stage takes.
func (p *Pipeline) probeRows(ctx context.Context, q *probe) (*distill.Batch, error) {
	tok, err := p.tokenizer()
	if err != nil {
		return nil, err
	}
	if p.r.Data.Generate != nil {
		return p.probeGenerate(ctx, q)
	}
	resetPeak()
	began := time.Now()
	d := p.r.Data
	s, err := data.Peek(ctx, data.Options{Files: p.all(d.Files), Tokenizer: tok, Length: d.Length, Separator: d.Separator, ReplaceInvalid: d.ReplaceInvalid}, peekTokens)
	if err != nil {
		return nil, err
	}
	q.Rows, q.Seconds, q.DataMax = s.Tokens*(1-d.HeldOut)/float64(d.Length), s.Seconds, peakMemory()
	if p.r.Student.Vocab > 0 {
		q.Seconds *= 2
	}
	if p.r.Teacher.Served() {
		q.Seconds += time.Since(began).Seconds() // its tokenizer is read again
	}
	b := s.Batch(min(scoreRows, max(1, 2048/d.Length)), d.Length)
	if b.Rows == 0 {
		return nil, p.r.Errorf("data.files", "there is no text in them")
	}
	q.some = func(n int) peekedRows { return rowsOf(s.Batch(n, d.Length)) }
	return b, nil
}

// probeHeldOut counts what is evaluated, by the beginning of the files.
func (p *Pipeline) probeHeldOut(ctx context.Context, q *probe) error {
	d := p.r.Data
	q.HeldOut = q.Rows / (1 - d.HeldOut) * d.HeldOut
	if len(p.r.Evaluate.Files) > 0 {
		tok, err := p.tokenizer()
		if err != nil {
			return err
		}
		s, err := data.Peek(ctx, data.Options{Files: p.all(p.r.Evaluate.Files), Tokenizer: tok, Length: d.Length, Separator: d.Separator, ReplaceInvalid: d.ReplaceInvalid}, peekTokens)
		if err != nil {
			return err
		}
		q.HeldOut = s.Tokens / float64(d.Length)
		q.Seconds += s.Seconds
	}
	if m := p.r.Evaluate.Rows; m > 0 {
		q.HeldOut = min(q.HeldOut, float64(m))
	}
	return nil
}

// probeTime is how long a plan lets the teacher write.
const probeTime = 12 * time.Second

// probeGenerate lets the teacher write some sequences whole; where that takes too
// long, a few tokens of each.
func (p *Pipeline) probeGenerate(ctx context.Context, q *probe) (*distill.Batch, error) {
	t, err := p.openEngine()
	if err != nil {
		return nil, err
	}
	defer t.Close()
	tok, err := p.tokenizer()
	if err != nil {
		return nil, err
	}
	g := *p.r.Data.Generate
	o, err := p.generate(t, tok, g, "data.generate")
	if err != nil {
		return nil, err
	}
	o.K, o.Temps, o.Samples, o.Parts = min(p.r.Cache.K, t.Vocabulary()), p.r.Cache.Temps, p.r.Cache.Samples, 1
	o.Sequences = min(g.Sequences, max(2*g.Batch, 128), 256)
	resetPeak()
	run := func(ctx context.Context, o teacher.GenerateOptions) (float64, error) {
		job, err := teacher.NewGenerator(o)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		err = job.Run(ctx, 0, io.Discard)
		return time.Since(began).Seconds(), err
	}
	short, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	seconds, err := run(short, o)
	per := seconds / float64(o.Sequences)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		few := o
		few.MaxTokens, few.Sequences = 4, min(g.Batch, g.Sequences)
		if seconds, err = run(ctx, few); err != nil {
			return nil, err
		}
		most := p.r.Data.Length
		if g.MaxTokens > 0 {
			most = min(most, g.MaxTokens)
		}
		per = seconds / float64(few.Sequences) * float64(most) / float64(few.MaxTokens)
	}
	if err != nil {
		return nil, err
	}
	q.Seconds, q.DataMax = per*float64(g.Sequences), peakMemory()
	q.Rows = float64(g.Sequences)
	q.some = func(n int) peekedRows { return rowsOf(p.promptRows(o.Prompts, n)) }
	return p.promptRows(o.Prompts, min(scoreRows, max(1, 2048/p.r.Data.Length))), nil
}

// promptRows is n rows of prompts over and over, for a teacher's time.
func (p *Pipeline) promptRows(prompts [][]int32, n int) *distill.Batch {
	b := &distill.Batch{Rows: n, Length: p.r.Data.Length}
	for i := 0; len(b.IDs) < b.Rows*b.Length; i++ {
		b.IDs = append(b.IDs, prompts[i%len(prompts)]...)
	}
	b.IDs = b.IDs[:b.Rows*b.Length]
	b.Next = make([]int32, len(b.IDs))
	for range b.Rows {
		b.Docs = append(b.Docs, int32(b.Length))
	}
	return b
}

// positions measures what is done with the logits of some positions; own is the
// student's number of ids.
func (q *probe) positions(p *Pipeline, b *distill.Batch, said *distill.Targets, own int) error {
	n := min(said.N, 64)
	workers := float64(runtime.GOMAXPROCS(0))
	next := b.Next[len(b.Next)-said.N:][:n]
	h := &cache.Header{Vocab: said.Vocab, K: min(p.r.Cache.K, said.Vocab), Temps: p.r.Cache.Temps, Samples: p.r.Cache.Samples}
	var sparse distill.Targets
	cache.Reserve(&sparse, n, h)
	s, rng := cache.NewSummary(h), rand.New(rand.NewPCG(1, 2))
	began := time.Now()
	for i := range n {
		if err := s.Row(said.Dense[i*said.Vocab:(i+1)*said.Vocab], &sparse, i, rng); err != nil {
			return err
		}
	}
	q.Summary = time.Since(began).Seconds() / float64(n) / workers
	if p.cached() && p.r.Data.Generate == nil {
		for t, temp := range h.Temps {
			mass := 0.0
			for i := range n {
				for _, l := range sparse.LogP[i*h.K : (i+1)*h.K] {
					mass += math.Exp(float64(l)/temp - float64(sparse.LogZ[t*n+i]))
				}
			}
			q.Mass = append(q.Mass, mass/float64(n))
		}
	}
	all := slices.Repeat([]distill.Targets{{N: n, Vocab: said.Vocab, Dense: said.Dense[:n*said.Vocab]}}, 3)
	scores := make([]Score, len(all))
	for i := range scores {
		scores[i].rows, scores[i].counts = make([]float64, 1), make([]int, 1)
	}
	began = time.Now()
	compare(scores, all, next, func(int) int { return 0 })
	q.Compare = time.Since(began).Seconds() / float64(n) / float64(len(all)+1) * float64(own) / float64(said.Vocab)
	return nil
}

// writing is the seconds of a token that a model writes.
func writing(ctx context.Context, path string, threads int) (float64, error) {
	m, err := engine.Open(path, engine.Options{Threads: threads, Sequences: 1})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	var began time.Time
	n := 0
	for _, err := range m.Generate(ctx, engine.Request{Prompt: "The", MaxTokens: 9, IgnoreEOS: true, Sampling: sample.Options{Temperature: 1, Seed: 1}}) {
		if err != nil {
			return 0, err
		}
		if n == 0 {
			began = time.Now()
		}
		n++
	}
	if n < 2 {
		return 0, nil
	}
	return time.Since(began).Seconds() / float64(n-1), nil
}
