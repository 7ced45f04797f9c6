package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// mostInputs bounds the texts of one request for embeddings.
const mostInputs = 2048

// embeddings serves POST /v1/embeddings.
func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) error {
	var q api.EmbeddingRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	if f := q.EncodingFormat; f != "" && f != "float" && f != "base64" {
		return bad("encoding_format", "encoding_format is %.100q, not float or base64", f)
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	e := embedding{l: l}
	if d := q.Dimensions; d != nil {
		if *d < 1 {
			return bad("dimensions", "dimensions is %d, not in 1 to %d", *d, l.Model.Info().Hidden)
		}
		e.dimensions = *d
	}
	vectors, err := e.run(r.Context(), q.Input.Texts, q.Input.IDs)
	if err != nil {
		return err
	}
	out := api.Embeddings{Object: "list", Model: l.Name, Usage: api.EmbeddingUsage{PromptTokens: e.tokens, TotalTokens: e.tokens}}
	for i, v := range vectors {
		out.Data = append(out.Data, api.Embedding{Object: "embedding", Index: i, Embedding: api.Vector{Values: v, Base64: q.EncodingFormat == "base64"}})
	}
	reply(w, http.StatusOK, out)
	return nil
}

// ollamaEmbed serves POST /api/embed.
func (s *Server) ollamaEmbed(w http.ResponseWriter, r *http.Request) error {
	began := time.Now()
	var q api.OllamaEmbed
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	out := api.OllamaEmbeddings{Model: l.Name, Embeddings: [][]float32{}, LoadDuration: time.Since(began).Nanoseconds()}
	e := embedding{l: l, dimensions: q.Dimensions, truncate: q.Truncate == nil || *q.Truncate}
	if len(q.Input) > 0 { // without a text a client wants the model loaded
		if out.Embeddings, err = e.run(r.Context(), q.Input, nil); err != nil {
			return err
		}
	}
	out.PromptEvalCount, out.TotalDuration = e.tokens, time.Since(began).Nanoseconds()
	reply(w, http.StatusOK, out)
	return nil
}

// ollamaEmbeddings serves POST /api/embeddings, the older form.
func (s *Server) ollamaEmbeddings(w http.ResponseWriter, r *http.Request) error {
	var q api.OllamaEmbedOne
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	out := api.OllamaEmbedding{Embedding: []float32{}}
	if q.Prompt != "" {
		e := embedding{l: l, truncate: true}
		v, err := e.run(r.Context(), []string{q.Prompt}, nil)
		if err != nil {
			return err
		}
		out.Embedding = v[0]
	}
	reply(w, http.StatusOK, out)
	return nil
}

// embedding makes the vectors of one request.
type embedding struct {
	l          *Loaded
	dimensions int  // 0: all
	truncate   bool // what is too long, else it is an error
	tokens     int  // that were read
}

// run makes a vector of unit length of each text, or of each list of ids. One request
// of a model does so at a time, in steps between which the streams go on.
func (e *embedding) run(ctx context.Context, texts []string, ids [][]int32) ([][]float32, error) {
	n, hidden, tok := len(texts)+len(ids), e.l.Model.Info().Hidden, e.l.Model.Tokenizer()
	switch {
	case n == 0 || n > mostInputs:
		return nil, bad("input", "%d inputs, want 1 to %d", n, mostInputs)
	case e.dimensions < 0 || e.dimensions > hidden:
		return nil, bad("dimensions", "dimensions is %d, not in 1 to %d", e.dimensions, hidden)
	case tok == nil && len(texts) > 0:
		return nil, bad("input", "the model file has no tokenizer: the input must be ids")
	}
	select {
	case e.l.embed <- struct{}{}:
		defer func() { <-e.l.embed }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	out := make([][]float32, 0, n)
	for i, text := range texts {
		if text == "" {
			return nil, bad("input", "input[%d] is empty", i)
		}
		if len(text) > e.l.most {
			if !e.truncate {
				return nil, bad("input", "input[%d] has %d bytes, more than the %d tokens of the context can hold", i, len(text), e.l.Model.Context())
			}
			text = text[:e.l.most] // what is left is cut to the context
		}
		v, err := e.one(ctx, i, tok.Encode(text, tokenizer.EncodeOptions{AddSpecial: true}))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	for i, list := range ids {
		v, err := e.one(ctx, i, list)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (e *embedding) one(ctx context.Context, i int, ids []int32) ([]float32, error) {
	if n := e.l.Model.Context(); len(ids) > n {
		if !e.truncate {
			return nil, bad("input", "input[%d] has %d tokens, the context holds %d", i, len(ids), n)
		}
		ids = ids[:n]
	}
	for k, id := range ids {
		if id < 0 || int(id) >= e.l.Model.Vocabulary() {
			return nil, bad("input", "input[%d][%d] is %d, no token id below %d", i, k, id, e.l.Model.Vocabulary())
		}
	}
	if len(ids) == 0 {
		return nil, bad("input", "input[%d] has no tokens", i)
	}
	v, err := e.l.Model.Embed(ctx, ids)
	if errors.Is(err, kvcache.ErrFull) {
		e.l.Sched.Forget()
		v, err = e.l.Model.Embed(ctx, ids)
	}
	if errors.Is(err, kvcache.ErrFull) {
		return nil, &sched.BusyError{Reason: "the streams that run need the whole KV cache", After: 5 * time.Second}
	}
	if err != nil {
		return nil, err
	}
	e.tokens += len(ids)
	if e.dimensions > 0 {
		v = v[:e.dimensions]
	}
	return unit(v), nil
}

// unit scales a vector to length 1; the zero vector stays.
func unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum == 0 {
		return v
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range v {
		v[i] = float32(float64(x) * scale)
	}
	return v
}
