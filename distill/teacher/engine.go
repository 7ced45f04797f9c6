package teacher

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"sync/atomic"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Options configure an Engine; the zero value works.
type Options struct {
	Threads int           // that compute; 0: one per CPU
	Kernel  string        // kernel variant; "": QWQ_KERNEL, else the best of this machine
	Precise bool          // float32 activations for quantized weights; slow
	Vocab   distill.Vocab // of the student
	Layers  []int         // whose states States gives: i after layer i, 0 the embedding
}

// stepTokens is about how many tokens go through the model at once: whole rows,
// at least one.
const stepTokens = 2048

// absent is the logit of a student's id that the teacher does not have: small
// enough for a probability of 0 at every temperature, and still a number.
const absent = -1e30

// Engine is a model file as a teacher. Its targets are dense. It is for one
// goroutine at a time.
type Engine struct {
	file *gguf.File
	dev  *backend.CPU
	mdl  *model.Model
	o    Options
	v    *distill.Mapped
	id   distill.Hash
	key  uint64 // of the head's steps

	batch  model.Batch
	ids    []int32
	rows   distill.Hash // of the rows whose hidden states are kept
	first  int          // position of the first
	hidden []float32    // [positions, hidden]
	states [][]float32  // [positions, hidden] for each of Options.Layers
}

var heads atomic.Uint64

// Open opens a GGUF file. It is read once to hash it: the hash is part of ID.
func Open(path string, o Options) (*Engine, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	e := &Engine{file: f, o: o, key: math.MaxUint64 - heads.Add(1)}
	if err := e.open(); err != nil {
		e.Close()
		return nil, fmt.Errorf("teacher: %s: %w", path, err)
	}
	return e, nil
}

func (e *Engine) open() (err error) {
	if e.dev, err = backend.NewCPU(backend.CPUOptions{Threads: e.o.Threads, Kernel: e.o.Kernel, Precise: e.o.Precise}); err != nil {
		return err
	}
	if e.mdl, err = model.New(e.file, e.dev); err != nil {
		return err
	}
	if err := e.o.checkLayers(e.mdl.Hyper().Layers); err != nil {
		return err
	}
	if e.v, err = e.o.Vocab.For(e.mdl.Hyper().Vocab); err != nil {
		return err
	}
	e.id, err = fileID(e.file, e.o.Precise)
	return err
}

// fileID hashes the bytes of a model file, all parts of a split one, and what
// else decides the logits.
func fileID(f *gguf.File, precise bool) (id distill.Hash, err error) {
	h := sha256.New()
	fmt.Fprintf(h, "engine 1 %v\n", precise)
	seen := map[string]bool{}
	for _, t := range f.Tensors() {
		if seen[t.Path()] {
			continue
		}
		seen[t.Path()] = true
		file, err := os.Open(t.Path())
		if err != nil {
			return id, err
		}
		n, err := io.Copy(h, file)
		file.Close()
		if err != nil {
			return id, err
		}
		fmt.Fprintf(h, "\n%d\n", n)
	}
	return distill.Hash(h.Sum(nil)), nil
}

// Close frees the model. It is idempotent.
func (e *Engine) Close() error {
	if e.dev != nil {
		e.dev.Close()
	}
	return e.file.Close()
}

// ID implements distill.Teacher: the hash of the file's bytes and settings, not
// of the kernels, which Kernel names.
func (e *Engine) ID() distill.Hash { return e.id }

// Kernel is the rung whose bits Score gives.
func (e *Engine) Kernel() string { return e.dev.Pool().Variant() }

// Vocabulary is the number of the model's own ids.
func (e *Engine) Vocabulary() int { return e.mdl.Hyper().Vocab }

// Tokenizer reads the tokenizer of the file.
func (e *Engine) Tokenizer() (*tokenizer.Tokenizer, error) { return tokenizer.FromGGUF(e.file) }

// Score implements distill.Teacher. The rows that hold lo are run whole; their
// hidden states are kept for the positions that follow.
func (e *Engine) Score(ctx context.Context, b *distill.Batch, lo, hi int, dst *distill.Targets) error {
	if lo < 0 || hi < lo || hi > len(b.IDs) {
		return fmt.Errorf("teacher: positions %d to %d of %d", lo, hi, len(b.IDs))
	}
	if err := b.Check(); err != nil {
		return err
	}
	n := hi - lo
	*dst = distill.Targets{N: n, Vocab: e.v.Size, Dense: dst.Dense[:0]}
	if cap(dst.Dense) < n*e.v.Size {
		dst.Dense = make([]float32, 0, n*e.v.Size)
	}
	dst.Dense = dst.Dense[:n*e.v.Size]
	width := e.mdl.Hyper().Hidden
	for at := lo; at < hi; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.run(b, at); err != nil {
			return err
		}
		end := min(hi, e.first+len(e.hidden)/width)
		if err := e.head(e.hidden[(at-e.first)*width:(end-e.first)*width], dst.Dense[(at-lo)*e.v.Size:]); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// run makes hidden hold the rows around position at.
func (e *Engine) run(b *distill.Batch, at int) error {
	group := max(1, stepTokens/b.Length)
	row := at / b.Length / group * group
	last := min(row+group, b.Rows)
	lo, hi := row*b.Length, last*b.Length
	e.batch.Seqs = e.batch.Seqs[:0]
	sum := 0
	h := sha256.New()
	for _, d := range b.Docs {
		if sum >= lo && sum < hi {
			e.batch.Seqs = append(e.batch.Seqs, model.Span{N: int(d), Causal: true})
			_ = binary.Write(h, binary.LittleEndian, d)
		}
		sum += int(d)
	}
	_ = binary.Write(h, binary.LittleEndian, b.IDs[lo:hi])
	key := distill.Hash(h.Sum(nil))
	if key == e.rows && e.first == lo && e.hidden != nil {
		return nil
	}
	e.ids = e.ids[:0]
	for i, id := range b.IDs[lo:hi] {
		t, ok := e.v.ToTeacher(id)
		if !ok {
			return fmt.Errorf("teacher: it has no id for the student's %d at %d", id, lo+i)
		}
		e.ids = append(e.ids, t)
	}
	e.batch.IDs, e.batch.Want = e.ids, backend.Hidden
	if len(e.o.Layers) > 0 {
		e.batch.Want |= backend.AllHidden
	}
	out, err := e.mdl.Run(&e.batch)
	if err != nil {
		return err
	}
	states, err := e.dev.Host(out[0])
	if err != nil {
		return err
	}
	e.hidden, e.rows, e.first = append(e.hidden[:0], states...), key, lo
	return e.keep(out)
}

// head writes the logits of hidden states in the student's ids. hidden: [n,
// width], dst: [at least n, student's ids].
func (e *Engine) head(hidden, dst []float32) error {
	width := e.mdl.Hyper().Hidden
	n := len(hidden) / width
	in := &backend.Inputs{Embeds: backend.Tensor{Rows: n, Cols: width, Data: hidden}, Want: backend.Logits}
	out, err := e.dev.Step(backend.StepKey{Model: e.key, Rows: n, Outputs: -1, Want: backend.Logits}, in,
		func(o backend.Ops) ([]backend.Tensor, error) {
			return []backend.Tensor{e.mdl.Head(o, o.Input())}, nil
		})
	if err != nil {
		return err
	}
	logits, err := e.dev.Host(out[0])
	if err != nil {
		return err
	}
	if e.v.Same() {
		copy(dst, logits)
		return nil
	}
	vocab := e.Vocabulary()
	for i := range n {
		from, to := logits[i*vocab:(i+1)*vocab], dst[i*e.v.Size:(i+1)*e.v.Size]
		for s := range to {
			to[s] = absent
			if t, ok := e.v.ToTeacher(int32(s)); ok {
				to[s] = from[t]
			}
		}
	}
	return nil
}
