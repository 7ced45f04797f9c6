package teacher

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// GenerateOptions say what to sample. Engine, Tokenizer, Prompts, Sequences and
// Length are needed.
type GenerateOptions struct {
	Engine    *Engine
	Tokenizer distill.Hash // of the engine's model: data.TokenizerID
	EOG       []int32      // ids that end a sequence, which keeps them
	Prompts   [][]int32    // sequence i begins with Prompts[i % len]; no target is in them
	Sequences int
	Length    int            // ids of a row, and the most of a sequence
	MaxTokens int            // most ids sampled for a sequence; 0: until the row is full
	Batch     int            // sequences at a time; 0: 64
	Sampling  sample.Options // Seed is of all sequences; each has its own from it
	K         int            // as in cache.Options
	Temps     []float64
	Samples   int
	Parts     int // 0: one per 4,096 sequences
}

// group is how many sequences are packed together, so that what is written does
// not depend on how many run at a time.
const group = 256

// Generator samples rows from a model and records what the model said on the
// way, so that no row has to be scored again. It is the shard.Job whose result
// is the rows file; Cache is a second job that makes the teacher cache from the
// parts. A sequence lies in one row, where it sees what it saw when it was
// sampled: the cache holds the numbers that Score would give.
type Generator struct {
	o GenerateOptions
	h cache.Header
	s *sampling // made by the first Run: a device keeps its KV stores
}

// NewGenerator checks the options.
func NewGenerator(o GenerateOptions) (*Generator, error) {
	if o.Engine == nil || !o.Engine.v.Same() {
		return nil, errors.New("teacher: generating needs an engine with its own vocabulary")
	}
	vocab := o.Engine.Vocabulary()
	if o.K == 0 {
		o.K = min(32, vocab)
	}
	if o.Temps == nil {
		o.Temps = []float64{1}
	}
	if o.Batch == 0 {
		o.Batch = 64
	}
	if o.MaxTokens == 0 {
		o.MaxTokens = o.Length
	}
	groups := (o.Sequences + group - 1) / group
	if o.Parts == 0 {
		o.Parts = (o.Sequences + 4095) / 4096
	}
	switch {
	case o.Sequences < 1 || o.Sequences > 1<<31-1 || o.Parts < 1 || o.Parts > groups:
		return nil, fmt.Errorf("teacher: %d sequences in %d parts: a part holds at least %d", o.Sequences, o.Parts, group)
	case o.Batch < 1 || o.Batch > group || o.MaxTokens < 1:
		return nil, fmt.Errorf("teacher: %d sequences at a time (at most %d), %d ids each", o.Batch, group, o.MaxTokens)
	case len(o.Prompts) == 0:
		return nil, errors.New("teacher: no prompts: a model needs at least one id to go on from")
	}
	for i, p := range o.Prompts {
		if len(p) < 1 || len(p) >= o.Length {
			return nil, fmt.Errorf("teacher: prompt %d has %d ids, rows %d", i, len(p), o.Length)
		}
		for _, id := range p {
			if id < 0 || int(id) >= vocab {
				return nil, fmt.Errorf("teacher: prompt %d: id %d is not in 0 to %d", i, id, vocab-1)
			}
		}
	}
	if err := o.Sampling.Check(); err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	g := &Generator{o: o, h: cache.Header{
		Version: cache.Version, Teacher: cache.Hash(o.Engine.ID()), Tokenizer: cache.Hash(o.Tokenizer), Kernel: o.Engine.Kernel(),
		Vocab: vocab, Length: o.Length, K: o.K, Temps: slices.Clone(o.Temps), Samples: o.Samples,
	}}
	c := sha256.New()
	fmt.Fprintf(c, "generate %d %v %v %d %d %d %+v %d %v %d\n", cache.Version, o.EOG, o.Prompts, o.Sequences, o.Length, o.MaxTokens, o.Sampling, o.K, o.Temps, o.Samples)
	g.h.Config = cache.Hash(c.Sum(nil))
	if _, err := cache.NewRecorder(io.Discard, &g.h); err != nil {
		return nil, err
	}
	return g, nil
}

// Key implements shard.Job.
func (g *Generator) Key() shard.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "rows %x %x %x %s %d", g.h.Config, g.h.Teacher, g.h.Tokenizer, g.h.Kernel, g.o.Parts))
}

// Shards implements shard.Job.
func (g *Generator) Shards() int { return g.o.Parts }

// Run implements shard.Job. A part is 8 bytes length and the payload of a rows
// file, then that of a part of a cache.
func (g *Generator) Run(ctx context.Context, part int, w io.Writer) error {
	var rows, said bytes.Buffer
	out, err := data.NewWriter(&rows, g.o.Tokenizer, g.o.Length, g.h.Vocab, 0)
	if err != nil {
		return err
	}
	rec, err := cache.NewRecorder(&said, &g.h)
	if err != nil {
		return err
	}
	if g.s == nil {
		if g.s, err = newSampling(g); err != nil {
			return err
		}
	}
	groups := (g.o.Sequences + group - 1) / group
	for i := part * groups / g.o.Parts; i < (part+1)*groups/g.o.Parts; i++ {
		docs, err := g.s.run(ctx, i*group, min((i+1)*group, g.o.Sequences))
		if err != nil {
			return fmt.Errorf("teacher: sequences from %d: %w", i*group, err)
		}
		for _, row := range fit(docs, g.o.Length) {
			if err := g.write(row, out, rec); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(out.Close(), rec.Close()); err != nil {
		return err
	}
	if err := binary.Write(w, binary.LittleEndian, uint64(rows.Len())); err != nil {
		return err
	}
	_, err = io.Copy(w, io.MultiReader(&rows, &said))
	return err
}

// fit packs sequences into rows: the longest first, each into the first row
// that has room.
func fit(docs []*sequence, length int) [][]*sequence {
	slices.SortStableFunc(docs, func(a, b *sequence) int { return len(b.ids) - len(a.ids) })
	var rows [][]*sequence
	var room []int
next:
	for _, d := range docs {
		for i := range rows {
			if room[i] >= len(d.ids) {
				rows[i], room[i] = append(rows[i], d), room[i]-len(d.ids)
				continue next
			}
		}
		rows, room = append(rows, []*sequence{d}), append(room, length-len(d.ids))
	}
	return rows
}

// write writes one row to both files.
func (g *Generator) write(row []*sequence, out *data.Writer, rec *cache.Recorder) error {
	b := distill.Batch{Rows: 1, Length: g.o.Length}
	for _, d := range row {
		scored := make([]bool, len(d.ids))
		for i, id := range d.ids {
			scored[i] = i >= d.prompt
			b.IDs = append(b.IDs, id)
			next := int32(-1)
			if i+1 < len(d.ids) && i+1 >= d.prompt {
				next = d.ids[i+1]
			}
			b.Next = append(b.Next, next)
		}
		b.Docs = append(b.Docs, int32(len(d.ids)))
		if err := out.Add(data.Train, d.ids, scored); err != nil {
			return err
		}
	}
	if left := g.o.Length - len(b.IDs); left > 0 {
		b.Docs = append(b.Docs, int32(left))
		for range left {
			b.IDs, b.Next = append(b.IDs, 0), append(b.Next, -1)
		}
	}
	if err := out.Fill(data.Train); err != nil {
		return err
	}
	if err := rec.Row(cache.RowKeys(&b)[0], b.Next); err != nil {
		return err
	}
	for _, d := range row {
		for i := range len(d.ids) - d.prompt {
			if err := rec.Position(&d.said, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// rows reads the rows of a part and leaves r at its cache.
func rows(r io.Reader) ([]byte, error) {
	var n uint64
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if n > 1<<40 {
		return nil, fmt.Errorf("teacher: a part with %d bytes of rows", n)
	}
	_, err := io.CopyN(&b, r, int64(n))
	return b.Bytes(), err
}

// Reduce implements shard.Job: the rows of all parts.
func (g *Generator) Reduce(ctx context.Context, parts []io.Reader, w io.Writer) error {
	out, err := data.NewWriter(w, g.o.Tokenizer, g.o.Length, g.h.Vocab, 0)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := rows(p)
		if err == nil {
			err = out.Append(b)
		}
		if err != nil {
			return err
		}
	}
	return out.Close()
}

// Cache is the job that makes the teacher cache of what g recorded, out of the
// parts beside the rows file at path.
func (g *Generator) Cache(path string) shard.Job { return recorded{g, path} }

type recorded struct {
	*Generator
	path string
}

// Key implements shard.Job.
func (r recorded) Key() shard.Hash {
	key := r.Generator.Key()
	return sha256.Sum256(append([]byte("cache of "), key[:]...))
}

// Run implements shard.Job.
func (r recorded) Run(_ context.Context, i int, w io.Writer) error {
	p, err := shard.OpenPart(r.path, r.Generator.Key(), i, r.Shards())
	if err != nil {
		return err
	}
	defer p.Close()
	if _, err := rows(p); err != nil {
		return err
	}
	_, err = io.Copy(w, p)
	return err
}

// Reduce implements shard.Job.
func (r recorded) Reduce(ctx context.Context, parts []io.Reader, w io.Writer) error {
	return cache.Index(ctx, parts, w)
}
