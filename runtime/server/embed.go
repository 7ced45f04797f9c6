package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
	"github.com/qwq-edge/qwq/runtime/vision"
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
			return bad("dimensions", "dimensions is %d, not in 1 to %d", *d, l.Model.Info().Embedding)
		}
		e.dimensions = *d
	}
	var vectors [][]float32
	if q.Input.Items != nil {
		vectors, err = e.items(r.Context(), images{s.o.Images}, q.Input.Items)
	} else {
		vectors, err = e.run(r.Context(), q.Input.Texts, q.Input.IDs)
	}
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
	n := len(texts) + len(ids)
	done, err := e.turn(ctx, n)
	if err != nil {
		return nil, err
	}
	defer done()
	out := make([][]float32, 0, n)
	for i, text := range texts {
		v, err := e.text(ctx, i, text)
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

// items is run for texts and images.
func (e *embedding) items(ctx context.Context, from images, list []api.Input) ([][]float32, error) {
	seen := 0
	for i, x := range list {
		switch u := x.URL(); {
		case x.Type != "" && x.Type != "text" && x.Type != "image_url" && x.Type != "image":
			return nil, bad("input", "input[%d].type is %.60q, not text or image_url", i, x.Type)
		case (u == "") == (x.Text == ""):
			return nil, bad("input", "input[%d] must have a text or an image", i)
		case u != "":
			seen++
		}
	}
	if m := e.l.Model; seen > 0 && m.Info().Image == 0 {
		return nil, bad("input", "%s cannot see images: it has no vision tower", e.l.Name)
	}
	if seen > mostImages {
		return nil, bad("input", "%d images, at most %d", seen, mostImages)
	}
	done, err := e.turn(ctx, len(list))
	if err != nil {
		return nil, err
	}
	defer done()
	out := make([][]float32, 0, len(list))
	for i, x := range list {
		var v []float32
		if x.Text != "" {
			v, err = e.text(ctx, i, x.Text)
		} else {
			v, err = e.image(ctx, from, i, x.URL())
		}
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// turn checks a request for n vectors and waits until no other one of the model runs.
func (e *embedding) turn(ctx context.Context, n int) (done func(), err error) {
	width := e.l.Model.Info().Embedding
	switch {
	case n == 0 || n > mostInputs:
		return nil, bad("input", "%d inputs, want 1 to %d", n, mostInputs)
	case e.dimensions < 0 || e.dimensions > width:
		return nil, bad("dimensions", "dimensions is %d, not in 1 to %d", e.dimensions, width)
	}
	select {
	case e.l.embed <- struct{}{}:
		return func() { <-e.l.embed }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *embedding) text(ctx context.Context, i int, text string) ([]float32, error) {
	tok := e.l.Model.Tokenizer()
	switch {
	case tok == nil:
		return nil, bad("input", "the model file has no tokenizer: the input must be ids")
	case text == "":
		return nil, bad("input", "input[%d] is empty", i)
	case len(text) > e.l.most:
		if !e.truncate {
			return nil, bad("input", "input[%d] has %d bytes, more than the %d tokens of the context can hold", i, len(text), e.l.Model.Context())
		}
		text = text[:e.l.most] // what is left is cut to the context
	}
	return e.one(ctx, i, tok.Encode(text, tokenizer.EncodeOptions{AddSpecial: true}))
}

func (e *embedding) image(ctx context.Context, from images, i int, u string) ([]float32, error) {
	img, err := from.read(fmt.Sprintf("input[%d]", i), u)
	if err != nil {
		return nil, err
	}
	v, err := e.l.Model.EmbedImages(ctx, []*vision.RGB{img})
	if err != nil {
		return nil, err
	}
	return e.cut(v[0]), nil
}

// cut is v in as many dimensions as were asked for, of length 1.
func (e *embedding) cut(v []float32) []float32 {
	if e.dimensions > 0 {
		v = v[:e.dimensions]
	}
	return unit(v)
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
	return e.cut(v), nil
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
