package model

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/kvcache"
)

// Batch is the rows of one step. It may be reused for the next one; its zero
// value is empty.
type Batch struct {
	IDs    []int32        // [rows] token ids
	Embeds backend.Tensor // [rows, hidden] host data, in place of IDs
	// Segments is the kind of each row's segment, encoders only; nil: all 0.
	Segments []int32
	Seqs     []Span       // whose rows follow one another in this order
	Rows     []int32      // rows to return, ascending; nil: all, empty: none
	Want     backend.Want // 0: Logits
	Layers   int          // 0: all; else only the first ones (early exit)
	// Observe is called where a matmul takes its input (backend.Inputs).
	Observe func(weight string, expert int, x backend.Tensor)

	in    backend.Inputs
	zeros []int32
	model *Model
	run   func(backend.Ops) ([]backend.Tensor, error)
}

// Span is one sequence's rows in a batch: positions Start to Start+N-1.
type Span struct {
	KV     *kvcache.Seq // nil: encoder, training; Start is 0 then
	Start  int          // = KV.Len()
	N      int          // at least 1
	Causal bool
}

// maxContext keeps positions and their sums far from overflow.
const maxContext = 1 << 30

// ropeStep is how many positions the table of angles grows by, at least.
const ropeStep = 512

// Bind checks a batch, reserves the KV pages that it will write, and gives the
// inputs and the key of its step. They are part of b: valid until it changes.
func (m *Model) Bind(b *Batch) (*backend.Inputs, backend.StepKey, error) {
	var key backend.StepKey
	rows, err := m.checkRows(b)
	if err != nil {
		return nil, key, err
	}
	in := &b.in
	in.IDs, in.Embeds, in.Rows = b.IDs, b.Embeds, b.Rows
	in.Want, in.Layers, in.Observe = b.Want, b.Layers, b.Observe
	if in.Want == 0 {
		in.Want = backend.Logits
	}
	in.Positions, in.Views = in.Positions[:0], in.Views[:0]
	in.Segments = b.Segments
	if m.cfg.Segments > 0 && b.Segments == nil {
		b.zeros = append(b.zeros[:0], make([]int32, rows)...)
		in.Segments = b.zeros
	}
	last, pages := 0, 0
	in.Ends = m.ends(in.Ends[:0], b)
	for i := range b.Seqs {
		s := &b.Seqs[i]
		if s.KV == nil {
			in.Views = append(in.Views, backend.KVView{N: s.N, Causal: s.Causal || m.cfg.Causal})
		} else {
			if err := s.KV.Reserve(s.Start + s.N); err != nil {
				return nil, key, err
			}
			in.Views = append(in.Views, s.KV.View(s.Start, s.N, s.Causal))
		}
		for p := s.Start; p < s.Start+s.N; p++ {
			in.Positions = append(in.Positions, int32(p))
		}
		last = max(last, s.Start+s.N)
		pages = max(pages, len(in.Views[i].Pages))
	}
	if m.rope != nil && last > m.ropeLen {
		m.ropeLen = max(last+ropeStep, last/ropeStep*ropeStep*5/4)
		m.rope.Grow(m.ropeLen)
	}
	key = backend.StepKey{
		Model: m.id, Rows: rows, Seqs: len(b.Seqs), Outputs: len(b.Rows), Want: in.Want,
		KVPages: 1 << bits.Len(uint(pages)), Layers: b.Layers, Observed: b.Observe != nil,
	}
	if b.Rows == nil {
		key.Outputs = -1
	}
	return in, key, nil
}

// ends is the row that stands for each span of a text tower: the first token that
// ends a text, else the last one.
func (m *Model) ends(dst []int32, b *Batch) []int32 {
	if !m.cfg.Causal {
		return dst
	}
	at := 0
	for _, s := range b.Seqs {
		end := at + s.N - 1
		if b.IDs != nil {
			if i := slices.Index(b.IDs[at:at+s.N], int32(m.cfg.EOS)); i >= 0 {
				end = at + i
			}
		}
		dst = append(dst, int32(end))
		at += s.N
	}
	return dst
}

func (m *Model) checkRows(b *Batch) (rows int, err error) {
	rows = len(b.IDs)
	if b.IDs == nil {
		rows = b.Embeds.Rows
		if b.Embeds.Cols != m.input || len(b.Embeds.Data) != rows*m.input {
			return 0, fmt.Errorf("model: embeddings [%d, %d] with %d values, want %d columns", rows, b.Embeds.Cols, len(b.Embeds.Data), m.input)
		}
	}
	for i, id := range b.IDs {
		if id < 0 || int(id) >= m.cfg.Vocab {
			return 0, fmt.Errorf("model: id %d at row %d is not in 0 to %d", id, i, m.cfg.Vocab-1)
		}
	}
	if b.Segments != nil && (m.cfg.Segments == 0 || len(b.Segments) != rows) {
		return 0, fmt.Errorf("model: %d segments for %d rows of a %s", len(b.Segments), rows, m.cfg.Arch.Name)
	}
	for i, s := range b.Segments {
		if s < 0 || int(s) >= m.cfg.Segments {
			return 0, fmt.Errorf("model: segment %d at row %d is not in 0 to %d", s, i, m.cfg.Segments-1)
		}
	}
	n := 0
	for i, s := range b.Seqs {
		switch {
		case m.cfg.Arch.Encoder && (s.KV != nil || s.Causal):
			return 0, fmt.Errorf("model: span %d: a %s has no KV cache and a mask of its own", i, m.cfg.Arch.Name)
		case m.cfg.Arch.Encoder && s.N > m.cfg.Context:
			return 0, fmt.Errorf("model: span %d has %d positions, the model has %d", i, s.N, m.cfg.Context)
		case s.N < 1 || s.N > rows-n:
			return 0, fmt.Errorf("model: span %d has %d rows, %d are left", i, s.N, rows-n)
		case s.KV == nil && s.Start != 0:
			return 0, fmt.Errorf("model: span %d starts at %d without a KV cache", i, s.Start)
		case s.KV != nil && s.Start != s.KV.Len():
			return 0, fmt.Errorf("model: span %d starts at %d, its KV cache holds %d positions", i, s.Start, s.KV.Len())
		case s.KV != nil && slices.ContainsFunc(b.Seqs[:i], func(o Span) bool { return o.KV == s.KV }):
			return 0, fmt.Errorf("model: span %d has the KV cache of another", i)
		case s.Start > maxContext-s.N:
			return 0, fmt.Errorf("model: span %d ends beyond position %d", i, maxContext)
		}
		n += s.N
	}
	if n != rows || rows == 0 {
		return 0, fmt.Errorf("model: spans of %d rows over a batch of %d", n, rows)
	}
	for i, r := range b.Rows {
		if r < 0 || int(r) >= rows || i > 0 && r <= b.Rows[i-1] {
			return 0, fmt.Errorf("model: output row %d is out of order or not in 0 to %d", r, rows-1)
		}
	}
	if b.Layers < 0 || b.Layers > m.cfg.Layers {
		return 0, fmt.Errorf("model: %d layers asked for, there are %d", b.Layers, m.cfg.Layers)
	}
	return rows, nil
}

// Run binds b, runs the step on the model's device and commits the positions
// it wrote. The tensors come in the order of the Want constants and are valid
// until the device's next step. On an error no sequence has moved.
func (m *Model) Run(b *Batch) ([]backend.Tensor, error) {
	in, key, err := m.Bind(b)
	if err != nil {
		return nil, err
	}
	if b.run == nil || b.model != m {
		b.model, b.run = m, func(o backend.Ops) ([]backend.Tensor, error) { return m.Forward(o, &b.in) }
	}
	out, err := m.dev.Step(key, in, b.run)
	if err != nil {
		return nil, err
	}
	for _, s := range b.Seqs {
		if s.KV != nil && (b.Layers == 0 || b.Layers == m.cfg.Layers) {
			s.KV.Commit(s.Start + s.N)
		}
	}
	return out, nil
}
