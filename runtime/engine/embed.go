package engine

import (
	"context"
	"errors"

	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
)

// embedChunk is the most tokens of one step of Embed: streams of the same model wait
// for it.
const embedChunk = 128

// Embed is one vector for a text: the mean over all positions of the hidden states
// after the final norm, [hidden], summed in float64 in the order of the positions. It
// is not normalised. An encoder pools and scales as its file says. Where too many
// sequences live the error is kvcache.ErrFull.
func (m *Model) Embed(ctx context.Context, ids []int32) ([]float32, error) {
	if len(ids) == 0 {
		return nil, errors.New("engine: the prompt has no tokens")
	}
	if err := m.checkIDs(ids); err != nil {
		return nil, err
	}
	if m.info.Encoder {
		v, err := m.EmbedAll(ctx, [][]int32{ids})
		if err != nil {
			return nil, err
		}
		return v[0], nil
	}
	kv := m.cache.New()
	defer kv.Release()
	sum := make([]float64, m.info.Hidden)
	n := min(m.chunk, embedChunk)
	for at := 0; at < len(ids); at += n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := ids[at:min(at+n, len(ids))]
		b := &model.Batch{IDs: part, Seqs: []model.Span{{KV: kv, Start: at, N: len(part), Causal: true}}, Want: backend.Hidden}
		err := m.run(b, func(t []backend.Tensor) error {
			x, err := m.dev.Host(t[0]) // [part, hidden]
			for i, v := range x {
				sum[i%len(sum)] += float64(v)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out := make([]float32, len(sum))
	for i, v := range sum {
		out[i] = float32(v / float64(len(ids)))
	}
	return out, nil
}
