package engine

import (
	"context"
	"iter"

	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// Generate generates tokens one by one until one has Finish set. An error ends
// it, ctx's too, which is looked at between steps. Leaving the loop early is
// fine.
func (m *Model) Generate(ctx context.Context, r Request) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		s, err := m.NewSeq(r)
		if err != nil {
			yield(Token{ID: -1}, err)
			return
		}
		defer s.Release()
		one := []*Seq{s}
		for s.Finish() == "" {
			if err := m.Step(ctx, one); err != nil {
				yield(Token{ID: -1}, err)
				return
			}
			for _, t := range s.Tokens() {
				if !yield(t, nil) {
					return
				}
			}
		}
	}
}

// logitsFloats bounds the logits of one step of Logits, in floats: 32 MiB.
const logitsFloats = 8 << 20

// Logits computes the logits of every position of ids, and calls each with
// them in order. logits: [vocabulary], valid during the call, in which each
// must not use the model.
func (m *Model) Logits(ctx context.Context, ids []int32, each func(pos int, logits []float32) error) error {
	if m.info.Encoder {
		return m.Encode(ctx, []Text{{IDs: ids}}, backend.Logits, func(_ int, x backend.Tensor) (err error) {
			for i := 0; i < x.Rows && err == nil; i++ {
				err = each(i, x.Data[i*x.Cols:(i+1)*x.Cols])
			}
			return err
		})
	}
	if err := m.checkIDs(ids); err != nil {
		return err
	}
	kv := m.cache.New()
	defer kv.Release()
	n := max(1, min(m.chunk, logitsFloats/m.info.Vocabulary))
	for at := 0; at < len(ids); at += n {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := ids[at:min(at+n, len(ids))]
		b := &model.Batch{IDs: part, Seqs: []model.Span{{KV: kv, Start: at, N: len(part), Causal: true}}}
		err := m.run(b, func(t []backend.Tensor) error {
			x, err := m.dev.Host(t[0])
			for i := 0; i < t[0].Rows && err == nil; i++ {
				err = each(at+i, x[i*t[0].Cols:(i+1)*t[0].Cols:(i+1)*t[0].Cols])
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// run runs a batch of its own and gives its tensors to use while no other step
// can run.
func (m *Model) run(b *model.Batch, use func([]backend.Tensor) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	m.threads.limit(len(b.IDs))
	t, err := m.mdl.Run(b)
	if err != nil {
		return err
	}
	return use(t)
}
