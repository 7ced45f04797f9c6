package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Step runs the sequences through the model once: one token for each that
// generates, more where its Drafter guessed right, and for those that still read
// their prompt as many tokens as Options.Batch leaves room for, first come first
// served. Sequences that are finished are passed over. Afterwards Seq.Tokens tells
// what each one got. The same sequence must not be given twice.
//
// On an error no sequence of the batch has moved, except when sampling failed: then
// Seq.Err tells of those it concerns, and the others have moved. kvcache.ErrFull means
// that too many sequences live.
func (m *Model) Step(ctx context.Context, seqs []*Seq) error { return m.StepN(ctx, seqs, 0) }

// StepN is Step with at most prefill prompt tokens in it, 0: as many as
// Options.Batch allows. Few let those that generate go on sooner, many read prompts
// faster; the tokens are the same.
func (m *Model) StepN(ctx context.Context, seqs []*Seq, prefill int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	if prefill <= 0 || prefill > m.chunk {
		prefill = m.chunk
	}
	if err := m.fill(seqs, prefill); err != nil {
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
	for _, s := range m.moving {
		rows := 1 + len(s.draft)
		if s.err = s.advance(logits[:rows*n], n, now); s.err != nil {
			s.finish = finishError
			err = s.err
		}
		logits = logits[rows*n:]
	}
	return err
}

// fill puts the pending tokens of seqs into the batch, those of prompts as far as
// there is room.
func (m *Model) fill(seqs []*Seq, room int) error {
	b := &m.batch
	b.IDs, b.Seqs, b.Want = b.IDs[:0], b.Seqs[:0], backend.Logits
	m.moving, m.row = m.moving[:0], m.row[:0]
	generating := 0
	for _, s := range seqs {
		s.tokens, s.draft = s.tokens[:0], s.draft[:0]
		if s.m != m {
			return fmt.Errorf("engine: the sequence is another model's")
		}
		if s.Pending() == 1 {
			room--
			generating++
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
		if at+n == len(s.ids) {
			s.propose(max(0, cheapRows-generating) / max(1, generating))
			b.IDs = append(b.IDs, s.draft...)
			m.moving = append(m.moving, s)
			for i := len(b.IDs) - 1 - len(s.draft); i < len(b.IDs); i++ {
				m.row = append(m.row, int32(i))
			}
		}
		b.Seqs = append(b.Seqs, model.Span{KV: s.kv, Start: at, N: n + len(s.draft), Causal: true})
	}
	if m.row == nil {
		m.row = []int32{} // nil would mean every row
	}
	b.Rows = m.row
	return nil
}
