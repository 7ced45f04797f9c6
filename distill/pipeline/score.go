package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/teacher"
)

// Score is what held-out text says of a model.
type Score struct {
	Name   string  `json:"name"`
	Tokens int     `json:"tokens"`
	Nats   float64 `json:"nats"` // mean negative log likelihood of a token
	KL     float64 `json:"kl"`   // from the teacher, nats a token
	Top1   float64 `json:"top1"` // share of tokens where both prefer the same one
	Bytes  int64   `json:"bytes"`

	rows   []float64 // nats, a row of text each
	counts []int
}

// Perplexity is e^Nats.
func (s Score) Perplexity() float64 { return math.Exp(s.Nats) }

// openModel opens a model to be measured and says how big its file is: "teacher",
// or the name of a file here.
func (p *Pipeline) openModel(ctx context.Context, name string, ids distill.Vocab) (*scorer, int64, error) {
	if name == "teacher" {
		var x planned
		if err := p.result("plan", &x); err != nil {
			return nil, 0, err
		}
		m, err := p.openScorer(ctx, ids, true)
		return m, size(p.teacherPath(x)), err
	}
	path := p.path(name + ".gguf")
	e, err := teacher.Open(path, teacher.Options{Threads: p.r.Threads})
	if err != nil {
		return nil, 0, err
	}
	return &scorer{e, e.Kernel(), e.Vocabulary(), func() { e.Close() }}, size(path), nil
}

const (
	scoreRows  = 8   // at a time
	scoreChunk = 256 // positions whose logits are held
)

// score measures models side by side; the first is the teacher.
func (p *Pipeline) score(ctx context.Context, names []string) (scores []Score, err error) {
	v, n, closeRows, err := p.heldOut()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeRows()) }()
	ids, err := p.vocab()
	if err != nil {
		return nil, err
	}
	var models []*scorer
	var sizes []int64
	defer func() {
		for _, m := range models {
			m.close()
		}
	}()
	for _, name := range names {
		m, bytes, err := p.openModel(ctx, name, ids)
		if err != nil {
			return nil, err
		}
		models, sizes = append(models, m), append(sizes, bytes)
	}
	c := newComparison(models, names, n)
	scores = c.scores
	for i := range scores {
		scores[i].Bytes = sizes[i]
	}
	var b distill.Batch
	for at := 0; at < n; at += scoreRows {
		var index []int
		for i := at; i < min(at+scoreRows, n); i++ {
			index = append(index, i)
		}
		if err := v.Batch(index, &b); err != nil {
			return nil, err
		}
		if err := c.add(ctx, &b, at); err != nil {
			return nil, err
		}
		p.o.Progress(int64(min(at+scoreRows, n)), int64(n), "rows", "measuring on held-out text")
	}
	for i := range scores {
		s := &scores[i]
		for r, c := range s.counts {
			s.Nats += s.rows[r]
			s.Tokens += c
		}
		if s.Tokens == 0 {
			return nil, errors.New("no token of the held-out text is scored")
		}
		t := float64(s.Tokens)
		s.Nats, s.KL, s.Top1 = s.Nats/t, s.KL/t, s.Top1/t
	}
	return scores, nil
}

// comparison scores models side by side; the first is the teacher.
type comparison struct {
	models []*scorer
	names  []string
	said   []distill.Targets
	scores []Score
}

// newComparison is for rows rows of text.
func newComparison(models []*scorer, names []string, rows int) *comparison {
	c := &comparison{models: models, names: names, said: make([]distill.Targets, len(models))}
	for _, name := range names {
		c.scores = append(c.scores, Score{Name: name, rows: make([]float64, rows), counts: make([]int, rows)})
	}
	return c
}

// add scores the rows of b, of which the first is number at.
func (c *comparison) add(ctx context.Context, b *distill.Batch, at int) error {
	for lo := 0; lo < len(b.IDs); lo += scoreChunk {
		hi := min(lo+scoreChunk, len(b.IDs))
		for i, m := range c.models {
			if err := m.Score(ctx, b, lo, hi, &c.said[i]); err != nil {
				return err
			}
			if c.said[i].Vocab != c.said[0].Vocab {
				return fmt.Errorf("%s has %d ids, the teacher %d", c.names[i], c.said[i].Vocab, c.said[0].Vocab)
			}
		}
		compare(c.scores, c.said, b.Next[lo:hi], func(i int) int { return at + (lo+i)/b.Length })
	}
	return nil
}

// one is what one position says of one model.
type one struct {
	nats, kl float64
	same     bool
}

// compare adds positions to the scores, in their order, whatever computes them.
func compare(scores []Score, said []distill.Targets, next []int32, row func(i int) int) {
	n, vocab := len(next), said[0].Vocab
	out := make([]one, n*len(scores))
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			p, q := make([]float64, vocab), make([]float64, vocab)
			for i := w; i < n; i += workers {
				if next[i] < 0 {
					continue
				}
				best := -1
				if said[0].Dense != nil {
					best = logProbs(p, said[0].Dense[i*vocab:(i+1)*vocab])
				}
				for k := range scores {
					o := &out[i*len(scores)+k]
					if said[k].Dense == nil {
						*o = sparseOne(&said[k], i, nil, next[i])
						continue
					}
					mine := logProbs(q, said[k].Dense[i*vocab:(i+1)*vocab])
					if said[0].Dense == nil {
						*o = sparseOne(&said[0], i, q, next[i])
						o.nats, o.same = -q[next[i]], int32(mine) == said[0].IDs[i*said[0].K]
						continue
					}
					o.nats, o.same = -q[next[i]], mine == best
					for v, l := range p {
						o.kl += math.Exp(l) * (l - q[v])
					}
				}
			}
		})
	}
	wg.Wait()
	for i := range n {
		if next[i] < 0 {
			continue
		}
		for k := range scores {
			s, o := &scores[k], out[i*len(scores)+k]
			s.rows[row(i)] += o.nats
			s.counts[row(i)]++
			s.KL += o.kl
			if o.same {
				s.Top1++
			}
		}
	}
}

// sparseOne is what a served teacher says of position i, where its likeliest ids, the
// target among them, and the rest are known: KL over these, which is at most that
// over all ids. q is a student's log-probabilities; nil: the teacher itself.
func sparseOne(t *distill.Targets, i int, q []float64, next int32) one {
	o := one{nats: math.Inf(1), same: true}
	rest := 1.0
	for k := i * t.K; k < (i+1)*t.K && t.IDs[k] >= 0; k++ {
		l := float64(t.LogP[k])
		if t.IDs[k] == next {
			o.nats = -l
		}
		if q != nil {
			o.kl += math.Exp(l) * (l - q[t.IDs[k]])
			rest -= math.Exp(q[t.IDs[k]])
		}
	}
	if tail := float64(t.Tail[i]); q != nil && tail > 0 {
		o.kl += tail * (math.Log(tail) - math.Log(max(rest, 1e-30)))
	}
	o.kl = max(o.kl, 0) // rounding
	return o
}

// logProbs writes the log of the softmax of z and returns the likeliest id.
func logProbs(dst []float64, z []float32) (best int) {
	for i, v := range z {
		if v > z[best] {
			best = i
		}
	}
	top, sum := float64(z[best]), 0.0
	for _, v := range z {
		sum += math.Exp(float64(v) - top)
	}
	l := top + math.Log(sum)
	for i, v := range z {
		dst[i] = float64(v) - l
	}
	return best
}

// paired is the difference of the nats a token of b and a, and its standard error
// over the rows of text.
func paired(a, b Score) (diff, stderr float64) {
	diff = b.Nats - a.Nats
	n, mean := float64(len(a.rows)), float64(a.Tokens)/float64(len(a.rows))
	sum := 0.0
	for i := range a.rows {
		d := (b.rows[i] - a.rows[i] - diff*float64(a.counts[i])) / mean
		sum += d * d
	}
	return diff, math.Sqrt(sum / max(n-1, 1) / n)
}
