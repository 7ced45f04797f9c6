package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/shard"
)

// Source is where rows come from; data.View is one.
type Source interface {
	ID() distill.Hash // of all rows
	Rows() int
	Length() int
	Batch(index []int, b *distill.Batch) error
}

// Options say what to cache. Source, Teacher and Vocab are needed.
type Options struct {
	Source    Source
	Teacher   distill.Teacher
	Tokenizer distill.Hash // of the rows
	Kernel    string       // rung of the teacher's kernels; "" = not ours
	Vocab     int          // the teacher's ids are below it
	K         int          // likeliest ids kept a position; 0: 32
	Temps     []float64    // temperatures that a recipe may ask for, ascending; nil: 1
	Samples   int          // ids drawn per position and temperature
	Seed      uint64       // of the draws
	Parts     int          // 0: one per 4,096 rows
	BatchRows int          // rows that the teacher takes at once; 0: 4
}

// Chunk is how many positions a teacher is asked about at a time: with 152,000
// ids their logits take 76 MB.
const Chunk = 128

// Job writes a cache. Part i holds a range of frames; the result is the index.
type Job struct {
	o Options
	h Header
}

// NewJob checks the options.
func NewJob(o Options) (*Job, error) {
	if o.Source == nil || o.Teacher == nil {
		return nil, errors.New("cache: no rows or no teacher")
	}
	if o.K == 0 {
		o.K = min(32, o.Vocab)
	}
	if o.Temps == nil {
		o.Temps = []float64{1}
	}
	if o.BatchRows == 0 {
		o.BatchRows = 4
	}
	rows := o.Source.Rows()
	frames := (rows + frameRows - 1) / frameRows
	if o.Parts == 0 {
		o.Parts = (rows + 4095) / 4096
	}
	if rows < 1 || rows > math.MaxInt32 || o.Parts < 1 || o.Parts > frames || o.BatchRows < 1 || o.BatchRows > frameRows {
		return nil, fmt.Errorf("cache: %d rows in %d frames, %d parts, %d rows at once (at most %d)", rows, frames, o.Parts, o.BatchRows, frameRows)
	}
	j := &Job{o: o, h: Header{
		Version: Version, Teacher: Hash(o.Teacher.ID()), Tokenizer: Hash(o.Tokenizer), Kernel: o.Kernel,
		Vocab: o.Vocab, Length: o.Source.Length(), K: o.K, Temps: slices.Clone(o.Temps), Samples: o.Samples,
	}}
	c := sha256.New()
	fmt.Fprintf(c, "cache %d %s %d %v %d %d\n", Version, o.Source.ID(), o.K, o.Temps, o.Samples, o.Seed)
	j.h.Config = Hash(c.Sum(nil))
	if err := j.h.check(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return j, nil
}

// Key implements shard.Job.
func (j *Job) Key() shard.Hash {
	h := sha256.New()
	fmt.Fprintf(h, "cache %d %x %x %x %s %d %d\n", Version, j.h.Teacher, j.h.Tokenizer, j.h.Config, j.h.Kernel, j.h.Vocab, j.o.Parts)
	return shard.Hash(h.Sum(nil))
}

// Shards implements shard.Job.
func (j *Job) Shards() int { return j.o.Parts }

// frames is the range of frames of part i.
func (j *Job) frames(i int) (lo, hi int) {
	n := (j.o.Source.Rows() + frameRows - 1) / frameRows
	return i * n / j.o.Parts, (i + 1) * n / j.o.Parts
}

// Run implements shard.Job.
func (j *Job) Run(ctx context.Context, i int, w io.Writer) error {
	p, err := NewRecorder(w, &j.h)
	if err != nil {
		return err
	}
	lo, hi := j.frames(i)
	last := min(hi*frameRows, j.o.Source.Rows())
	var b distill.Batch
	var index []int
	for row := lo * frameRows; row < last; row += len(index) {
		index = index[:0]
		for r := row; r < min(row+j.o.BatchRows, last, row/frameRows*frameRows+frameRows); r++ {
			index = append(index, r)
		}
		if err := j.o.Source.Batch(index, &b); err != nil {
			return err
		}
		if err := j.batch(ctx, p, &b); err != nil {
			return fmt.Errorf("cache: rows %d to %d: %w", row, row+len(index)-1, err)
		}
	}
	return p.Close()
}

// batch asks the teacher about all positions of b and adds its rows.
func (j *Job) batch(ctx context.Context, p *Recorder, b *distill.Batch) error {
	if err := b.Check(); err != nil {
		return err
	}
	keys := RowKeys(b)
	var said, sparse distill.Targets
	for r := range b.Rows {
		next := b.Next[r*b.Length : (r+1)*b.Length]
		if err := p.Row(keys[r], next); err != nil {
			return err
		}
		for lo := 0; lo < b.Length; lo += Chunk {
			if err := ctx.Err(); err != nil {
				return err
			}
			hi := min(lo+Chunk, b.Length)
			at := r * b.Length
			if err := j.o.Teacher.Score(ctx, b, at+lo, at+hi, &said); err != nil {
				return err
			}
			t := &said
			if said.Dense != nil {
				if err := j.sparse(&said, next[lo:hi], keys[r], lo, &sparse); err != nil {
					return err
				}
				t = &sparse
			}
			for i, id := range next[lo:hi] {
				if id < 0 {
					continue
				}
				if err := p.Position(t, i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// sparse summarises dense targets of positions from, from+1, … of a row.
func (j *Job) sparse(t *distill.Targets, next []int32, key distill.Hash, from int, dst *distill.Targets) error {
	if t.Vocab != j.h.Vocab {
		return fmt.Errorf("the teacher has %d ids, the cache %d", t.Vocab, j.h.Vocab)
	}
	Reserve(dst, t.N, &j.h)
	workers := min(runtime.GOMAXPROCS(0), t.N)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			s := NewSummary(&j.h)
			for i := w * t.N / workers; i < (w+1)*t.N/workers && errs[w] == nil; i++ {
				if next[i] >= 0 {
					errs[w] = s.Row(t.Dense[i*t.Vocab:(i+1)*t.Vocab], dst, i, drawSource(key, from+i, j.o.Seed))
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// drawSource gives a position its own random numbers, whoever caches it.
func drawSource(key distill.Hash, pos int, seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(binary.LittleEndian.Uint64(key[:])^seed, binary.LittleEndian.Uint64(key[8:])+uint64(pos)))
}

// Reserve sizes dst for n positions of what a cache with header h holds.
func Reserve(dst *distill.Targets, n int, h *Header) {
	grow := func(s []float32, n int) []float32 { return slices.Grow(s[:0], n)[:n] }
	dst.N, dst.Vocab, dst.Dense, dst.K, dst.M, dst.Temps = n, h.Vocab, nil, h.K, h.Samples, h.Temps
	dst.IDs = slices.Grow(dst.IDs[:0], n*h.K)[:n*h.K]
	dst.LogP = grow(dst.LogP, n*h.K)
	dst.Tail = grow(dst.Tail, n)
	dst.LogZ = grow(dst.LogZ, n*len(h.Temps))
	m := n * h.Samples * len(h.Temps)
	dst.Samples = slices.Grow(dst.Samples[:0], m)[:m]
}
