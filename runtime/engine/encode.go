package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// ErrEncoder is what an encoder answers to whoever asks it to write.
var ErrEncoder = errors.New("the model is an encoder: it turns a text into vectors and cannot write one")

// ErrDecoder is what a decoder answers to Encode.
var ErrDecoder = errors.New("the model is a decoder, not an encoder")

// Text is a tokenized text for an encoder.
type Text struct {
	IDs      []int32
	Segments []int32 // nil: all 0; else as many as IDs
}

// Encode runs texts through an encoder, several in one step without padding, and
// calls each with the results of one: for Hidden [tokens, hidden] after the last
// layer, for Pooled [1, hidden], for Logits [tokens, vocabulary] of the
// masked-token head or [1, labels] of a classifier. x is valid during the call,
// in which each must not use the model. A text's result does not depend on the
// others.
func (m *Model) Encode(ctx context.Context, texts []Text, want backend.Want, each func(i int, x backend.Tensor) error) error {
	if !m.info.Encoder {
		return fmt.Errorf("engine: %s: %w", m.info.Architecture, ErrDecoder)
	}
	b := &model.Batch{Want: want}
	for lo := 0; lo < len(texts); {
		if err := ctx.Err(); err != nil {
			return err
		}
		hi := m.pack(b, texts, lo)
		err := m.run(b, func(t []backend.Tensor) error {
			x, err := m.dev.Host(t[0])
			at := 0
			for i := lo; i < hi && err == nil; i++ {
				rows := len(texts[i].IDs)
				if t[0].Rows == hi-lo { // one per text
					rows = 1
				}
				err = each(i, backend.Tensor{Rows: rows, Cols: t[0].Cols, Data: x[at*t[0].Cols : (at+rows)*t[0].Cols]})
				at += rows
			}
			return err
		})
		if err != nil {
			return err
		}
		lo = hi
	}
	return nil
}

// pack fills b with the texts from lo on that fit one step, at least one.
func (m *Model) pack(b *model.Batch, texts []Text, lo int) (hi int) {
	b.IDs, b.Segments, b.Seqs = b.IDs[:0], b.Segments[:0], b.Seqs[:0]
	for hi = lo; hi < len(texts) && (hi == lo || len(b.IDs)+len(texts[hi].IDs) <= m.chunk); hi++ {
		t := texts[hi]
		b.IDs = append(b.IDs, t.IDs...)
		switch {
		case t.Segments == nil && m.mdl.Hyper().Segments == 0: // the model knows none
			b.Segments = nil
		case t.Segments == nil:
			b.Segments = append(b.Segments, make([]int32, len(t.IDs))...)
		default:
			b.Segments = append(b.Segments, t.Segments...)
		}
		b.Seqs = append(b.Seqs, model.Span{N: len(t.IDs)})
	}
	return hi
}

// EmbedIDs tokenizes a text as Embed wants it: with the tokens that the model puts
// around a text, and for an encoder cut to what it was trained for, its last token
// kept. cut says whether something was left out.
func (m *Model) EmbedIDs(text string) (ids []int32, cut bool, err error) {
	if m.tok == nil {
		return nil, false, errors.New("engine: the model has no tokenizer")
	}
	ids = m.tok.Encode(text, tokenizer.EncodeOptions{AddSpecial: true})
	if n := m.info.EmbedContext; m.info.Encoder && len(ids) > n {
		ids[n-1] = ids[len(ids)-1]
		return ids[:n], true, nil
	}
	return ids, false, nil
}

// EmbedAll is Embed of several texts; an encoder runs them together.
func (m *Model) EmbedAll(ctx context.Context, texts [][]int32) ([][]float32, error) {
	out := make([][]float32, len(texts))
	if !m.info.Encoder {
		for i, ids := range texts {
			v, err := m.Embed(ctx, ids)
			if err != nil {
				return nil, fmt.Errorf("text %d: %w", i, err)
			}
			out[i] = v
		}
		return out, nil
	}
	in := make([]Text, len(texts))
	for i, ids := range texts {
		if len(ids) == 0 {
			return nil, fmt.Errorf("text %d: engine: the prompt has no tokens", i)
		}
		in[i].IDs = ids
	}
	if m.eyes != nil {
		err := m.Encode(ctx, in, backend.Pooled, func(i int, x backend.Tensor) error {
			out[i] = unit(x.Data)
			return nil
		})
		return out, err
	}
	err := m.Encode(ctx, in, backend.Hidden, func(i int, x backend.Tensor) error {
		out[i] = m.pooled(x)
		return nil
	})
	return out, err
}

// pooled is one vector of a text's hidden states, as the model file says.
func (m *Model) pooled(x backend.Tensor) []float32 {
	y := make([]float32, x.Cols)
	h := m.mdl.Hyper()
	if h.Pooling == arch.FirstPooling {
		copy(y, x.Data)
	} else {
		backend.PoolMean(y, x.Data)
	}
	if h.Normalize {
		return unit(y)
	}
	return y
}

// loadEncoder is load for a model without a cache.
func (m *Model) loadEncoder(f *gguf.File, h arch.Hyper, o Options) error {
	m.context = h.Context
	if o.Context > 0 {
		m.context = min(o.Context, h.Context)
	}
	m.setThreads(f, o)
	m.threads.done = true // there is no token after token to measure
	m.describe(f, h, o, quant.F32, 0)
	m.info.Encoder, m.info.EmbedContext = true, m.context
	if n, ok := f.Uint(arch.KeyEmbedContext); ok && n > 1 && n < uint64(m.context) {
		m.info.EmbedContext = int(n)
	}
	if h.Vision != nil {
		return m.loadVision(f)
	}
	return nil
}
