package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Step runs the sequences through the model once: one token for each that
// generates, and for those that still read their prompt as many tokens as
// Options.Batch leaves room for, first come first served. Sequences that are
// finished are passed over. Afterwards Seq.Token tells what each one got. The
// same sequence must not be given twice.
//
// On an error no sequence of the batch has moved, except when sampling failed,
// which the error names; kvcache.ErrFull means that too many sequences live.
func (m *Model) Step(ctx context.Context, seqs []*Seq) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if err := m.fill(seqs); err != nil {
		return err
	}
	b := &m.batch
	if len(b.Seqs) == 0 {
		return nil
	}
	m.threads.limit(len(b.IDs))
	out, err := m.mdl.Run(b)
	if err != nil {
		return err
	}
	m.threads.stepped(len(b.IDs))
	if len(m.moving) == 0 {
		return nil
	}
	logits, err := m.dev.Host(out[0])
	if err != nil {
		return err
	}
	now, n := time.Now(), out[0].Cols
	for i, s := range m.moving {
		if err := s.advance(logits[i*n:(i+1)*n:(i+1)*n], now); err != nil {
			return err
		}
	}
	return nil
}

// fill puts the pending tokens of seqs into the batch.
func (m *Model) fill(seqs []*Seq) error {
	b := &m.batch
	b.IDs, b.Seqs, b.Want = b.IDs[:0], b.Seqs[:0], backend.Logits
	m.moving, m.row = m.moving[:0], m.row[:0]
	room := m.chunk
	for _, s := range seqs {
		s.produced = false
		if s.m != m {
			return fmt.Errorf("engine: the sequence is another model's")
		}
		if s.Pending() == 1 {
			room--
		}
	}
	room = max(room, 1)
	now := time.Now()
	for _, s := range seqs {
		n := s.Pending()
		if n > 1 {
			n = min(n, room)
			room -= n
		}
		if n == 0 {
			continue
		}
		if s.start.IsZero() {
			s.start = now
		}
		at := s.kv.Len()
		b.IDs = append(b.IDs, s.ids[at:at+n]...)
		b.Seqs = append(b.Seqs, model.Span{KV: s.kv, Start: at, N: n, Causal: true})
		if at+n == len(s.ids) {
			m.moving = append(m.moving, s)
			m.row = append(m.row, int32(len(b.IDs)-1))
		}
	}
	if m.row == nil {
		m.row = []int32{} // nil would mean every row
	}
	b.Rows = m.row
	return nil
}
