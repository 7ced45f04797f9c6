package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/student"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/gguf"
)

// A plan runs a stage's own code on some rows, where that takes no more than some
// seconds and the student's file no more than this: what it costs is then what was
// seen, and not a sum of parts.
const (
	rehearseTime  = 4.0 // seconds of a stage
	rehearseBytes = 256 << 20

	rehearseBatches = 8 // of scoring, at most
)

// peekedRows are rows of the beginning of the files, as a cache takes them.
type peekedRows struct {
	b    *distill.Batch
	docs [][]int32 // of each row
}

// rowsOf are the rows of b.
func rowsOf(b *distill.Batch) peekedRows {
	r := peekedRows{b: b}
	r.docs = make([][]int32, r.b.Rows)
	at := 0
	for _, d := range r.b.Docs {
		r.docs[at/b.Length] = append(r.docs[at/b.Length], d)
		at += int(d)
	}
	return r
}

// ID implements cache.Source: what is made of these rows is not kept.
func (r peekedRows) ID() distill.Hash { return distill.Hash{} }

// Rows implements cache.Source.
func (r peekedRows) Rows() int { return r.b.Rows }

// Length implements cache.Source.
func (r peekedRows) Length() int { return r.b.Length }

// Batch implements cache.Source.
func (r peekedRows) Batch(index []int, b *distill.Batch) error {
	n := r.b.Length
	*b = distill.Batch{Rows: len(index), Length: n, IDs: b.IDs[:0], Next: b.Next[:0], Docs: b.Docs[:0]}
	for _, i := range index {
		if i < 0 || i >= r.b.Rows {
			return fmt.Errorf("row %d of %d", i, r.b.Rows)
		}
		b.IDs, b.Next, b.Docs = append(b.IDs, r.b.IDs[i*n:(i+1)*n]...), append(b.Next, r.b.Next[i*n:(i+1)*n]...), append(b.Docs, r.docs[i]...)
	}
	return nil
}

// rehearseCache writes a cache of some rows to nowhere.
func (p *Pipeline) rehearseCache(ctx context.Context, t *scorer, q *probe) error {
	c := p.r.Cache
	rows := q.some(max(c.Batch, min(512, int(rehearseTime/q.Row))))
	job, err := cache.NewJob(cache.Options{Source: rows, Teacher: t, Kernel: t.kernel, Vocab: t.vocab,
		K: min(c.K, t.vocab), Temps: c.Temps, Samples: c.Samples, Seed: p.r.Seed, Parts: 1, BatchRows: min(c.Batch, 64)})
	if err != nil {
		return err
	}
	resetPeak()
	began := time.Now()
	if err := job.Run(ctx, 0, io.Discard); err != nil {
		return err
	}
	q.CacheRow, q.CacheMax = time.Since(began).Seconds()/float64(rows.Rows()), peakMemory()
	return nil
}

// scored is what a row costs that the teacher and some students score.
type scored struct {
	Row float64 // seconds
	Max int64   // resident bytes
}

// seen is what was measured with so many students.
func (q *probe) seen(students int) scored {
	if students == 1 {
		return q.One
	}
	return q.All
}

// rehearsable says whether students may be measured whole.
func (p *Pipeline) rehearsable(x planned, q *probe) bool {
	return !p.r.Teacher.Served() && x.To.Vocab == x.Vocab && p.r.Student.Vocab == 0 &&
		4*int64(x.Params) <= rehearseBytes && 2*scoreRows*q.Row <= rehearseTime
}

// rehearseScores measures students of x's shape beside the teacher: one, as the
// training does with its baseline, and all that are evaluated.
func (p *Pipeline) rehearseScores(ctx context.Context, x planned, base *gguf.File, q *probe) error {
	dir, err := os.MkdirTemp("", "qwq-rehearse-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	whole := filepath.Join(dir, "whole.gguf")
	if err := student.Blank(ctx, whole, base, x.To); err != nil {
		return err
	}
	all := []string{}
	for range len(p.models()) - 1 - p.shipped() {
		all = append(all, whole)
	}
	for _, t := range p.r.Quantize {
		path := filepath.Join(dir, t+".gguf")
		if _, err := convert.Quantize(ctx, convert.Options{Source: whole, Out: path, Type: t, Threads: p.r.Threads}); err != nil {
			return err
		}
		all = append(all, path)
		if p.shippedName(t) != studentName+"-"+t {
			all = append(all, path)
		}
	}
	if q.One, err = p.rehearseScore(ctx, all[:1], q); err != nil {
		return err
	}
	q.All, err = p.rehearseScore(ctx, all, q)
	return err
}

// shipped is how many of the models are quantized.
func (p *Pipeline) shipped() (n int) {
	for _, t := range p.r.Quantize {
		n++
		if p.shippedName(t) != studentName+"-"+t {
			n++
		}
	}
	return n
}

// rehearseScore scores some batches of rows: buffers reach their sizes in the first,
// whose time does not count where there are more.
func (p *Pipeline) rehearseScore(ctx context.Context, students []string, q *probe) (s scored, err error) {
	rows := q.some(rehearseBatches * scoreRows)
	resetPeak()
	t, err := p.openScorer(ctx, distill.Vocab{}, true)
	if err != nil {
		return s, err
	}
	models := []*scorer{t}
	defer func() {
		for _, m := range models {
			m.close()
		}
	}()
	for _, path := range students {
		e, err := teacher.Open(path, teacher.Options{Threads: p.r.Threads})
		if err != nil {
			return s, err
		}
		models = append(models, &scorer{e, e.Kernel(), e.Vocabulary(), func() { e.Close() }})
	}
	c := newComparison(models, append([]string{"teacher"}, students...), rows.Rows())
	var b distill.Batch
	n, total := 0, 0.0
	for at := 0; at < rows.Rows(); at += scoreRows {
		var index []int
		for i := at; i < min(at+scoreRows, rows.Rows()); i++ {
			index = append(index, i)
		}
		if err := rows.Batch(index, &b); err != nil {
			return s, err
		}
		began := time.Now()
		if err := c.add(ctx, &b, at); err != nil {
			return s, err
		}
		took := time.Since(began).Seconds()
		if at == 0 {
			s.Row = took / float64(len(index))
			continue
		}
		n, total = n+len(index), total+took
		s.Row = total / float64(n)
		if total > rehearseTime {
			break
		}
	}
	s.Max = peakMemory() * 106 / 100 // garbage of a longer run: measured are 0 to 13 %
	return s, nil
}
