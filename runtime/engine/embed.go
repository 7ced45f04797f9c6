package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// embedChunk is the most tokens of one step of Embed: streams of the same model wait
// for it.
const embedChunk = 128

// Embed is one vector for a text, [hidden], not normalised. An encoder's is what its
// file says: the mean of its last hidden states, or the first of them. A decoder's is
// the mean over all positions of the hidden states after the final norm. Sums run in
// float64 in the order of the positions. Where too many sequences live the error is
// kvcache.ErrFull.
func (m *Model) Embed(ctx context.Context, ids []int32) ([]float32, error) {
	if len(ids) == 0 {
		return nil, errors.New("engine: the prompt has no tokens")
	}
	if err := m.checkIDs(ids); err != nil {
		return nil, err
	}
	h := m.mdl.Hyper()
	span, n := model.Span{Causal: true}, min(m.chunk, embedChunk)
	if h.Arch.Encoder {
		span.Causal, n = false, len(ids) // every position sees all the others
	} else {
		span.KV = m.cache.New()
		defer span.KV.Release()
	}
	sum := make([]float64, h.Hidden)
	var first []float32
	for at := 0; at < len(ids); at += n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := ids[at:min(at+n, len(ids))]
		span.Start, span.N = at, len(part)
		err := m.run(&model.Batch{IDs: part, Seqs: []model.Span{span}, Want: backend.Hidden}, func(t []backend.Tensor) error {
			x, err := m.dev.Host(t[0]) // [part, hidden]
			if at == 0 && err == nil {
				first = slices.Clone(x[:len(sum)])
			}
			for i, v := range x {
				sum[i%len(sum)] += float64(v)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if h.Pooling == arch.FirstPooling {
		return first, nil
	}
	out := make([]float32, len(sum))
	for i, v := range sum {
		out[i] = float32(v / float64(len(ids)))
	}
	return out, nil
}
