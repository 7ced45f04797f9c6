package teacher

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/distill"
)

// HTTPOptions configure a served teacher. URL, Model and Vocab are needed.
type HTTPOptions struct {
	URL   string // of the API, such as http://host:8000/v1
	Model string
	Key   string // API key; "": none
	Vocab int    // ids of the server's model
	// Revision says which weights are behind the name: it is part of ID, for a
	// name alone does not tell.
	Revision string
	K        int // likeliest ids asked for; 0: 20, what servers allow unless told
	// Targets keeps of each position its own target too, where it is not among the K
	// likeliest: rows are K+1 wide then.
	Targets bool
	Temps   []float64     // that a recipe needs; only 1 can be had
	Student distill.Vocab // of the student
	Timeout time.Duration // of a request; 0: 5 minutes
	Client  *http.Client  // nil: one of our own
}

// HTTP is a teacher behind an OpenAI-compatible server that scores given ids:
// by prompt_logprobs as vLLM has it, or by echo with logprobs. Its targets are
// sparse and for temperature 1: log Z of another cannot be known from the
// likeliest ids. It is for one goroutine at a time.
type HTTP struct {
	o     HTTPOptions
	ask   dialect
	tries int // of a request
	v     *distill.Mapped
	id    distill.Hash
	key   distill.Hash // of the piece in said
	said  [][]scored   // [ids]: about the id at each place, after those before it
}

// scored is an id with its log-probability.
type scored struct {
	id   int32
	logP float64
}

// dialect is a way to ask for the log-probabilities of a prompt.
type dialect struct {
	name  string
	field string // of the request that asks for k
	echo  bool
}

var dialects = []dialect{
	{name: "prompt_logprobs", field: "prompt_logprobs"},
	{name: "echo with logprobs", field: "logprobs", echo: true},
}

// ErrCannotScore means that a server does not say how likely given ids are.
var ErrCannotScore = errors.New("the server does not score given ids: it needs prompt_logprobs (vLLM) or echo with logprobs, and ids as prompt")

// maxReply bounds a reply: 32,768 ids with 100 alternatives of 100 bytes.
const maxReply = 512 << 20

// Dial checks the options and asks the server about three ids: at plan time, so
// that one that cannot serve is refused before any work.
func Dial(ctx context.Context, o HTTPOptions) (*HTTP, error) {
	if o.K == 0 {
		o.K = 20
	}
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Minute
	}
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("teacher: %q is no http address", o.URL)
	}
	if o.Vocab < 4 || o.Vocab > math.MaxInt32 || o.K < 1 || o.K > 4096 || o.Model == "" {
		return nil, fmt.Errorf("teacher: model %q with %d ids, %d asked for", o.Model, o.Vocab, o.K)
	}
	for _, t := range o.Temps {
		if t != 1 {
			return nil, fmt.Errorf("teacher: temperature %g: a server tells the likeliest ids at temperature 1, which do not say log Z at another: use a model file as teacher", t)
		}
	}
	h := &HTTP{o: o}
	if h.v, err = o.Student.For(o.Vocab); err != nil {
		return nil, err
	}
	h.id = sha256.Sum256(fmt.Appendf(nil, "http 1 %q %q %q %d %d", strings.TrimRight(o.URL, "/"), o.Model, o.Revision, o.Vocab, o.K))
	var failed []error
	defer func() { h.tries = 5 }()
	h.tries = 1
	for _, h.ask = range dialects {
		_, err := h.fetch(ctx, []int32{0, 1, 2})
		if err == nil {
			return h, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = append(failed, fmt.Errorf("%s: %w", h.ask.name, err))
	}
	return nil, fmt.Errorf("teacher: %s: %w; %w", o.URL, ErrCannotScore, errors.Join(failed...))
}

// ID implements distill.Teacher.
func (h *HTTP) ID() distill.Hash { return h.id }

// Score implements distill.Teacher. Each piece of a document is one request; it
// ends with the target of its last position, when that one is scored.
func (h *HTTP) Score(ctx context.Context, b *distill.Batch, lo, hi int, dst *distill.Targets) error {
	if lo < 0 || hi < lo || hi > len(b.IDs) {
		return fmt.Errorf("teacher: positions %d to %d of %d", lo, hi, len(b.IDs))
	}
	if err := b.Check(); err != nil {
		return err
	}
	n, k := hi-lo, h.o.K
	if h.o.Targets {
		k++
	}
	*dst = distill.Targets{
		N: n, Vocab: h.v.Size, K: k, Temps: []float64{1}, LogZ: make([]float32, n),
		IDs: slices.Grow(dst.IDs[:0], n*k)[:n*k], LogP: slices.Grow(dst.LogP[:0], n*k)[:n*k], Tail: slices.Grow(dst.Tail[:0], n)[:n],
	}
	at := 0
	for _, d := range b.Docs {
		end := at + int(d)
		from, to := max(at, lo), min(end, hi)
		wanted := slices.ContainsFunc(b.Next[min(from, to):to], func(id int32) bool { return id >= 0 })
		if wanted {
			if err := h.piece(ctx, b, at, end); err != nil {
				return fmt.Errorf("teacher: positions %d to %d: %w", at, end-1, err)
			}
		}
		for p := from; p < to; p++ {
			var said []scored
			if b.Next[p] >= 0 {
				said = h.said[p+1-at]
			}
			h.fill(dst, p-lo, said, b.Next[p])
		}
		at = end
	}
	return nil
}

// piece makes said be about the ids at lo to hi-1 and one more, so that the
// last position has its distribution too.
func (h *HTTP) piece(ctx context.Context, b *distill.Batch, lo, hi int) error {
	var ids []int32
	for _, id := range append(slices.Clone(b.IDs[lo:hi]), max(b.Next[hi-1], 0)) {
		t, ok := h.v.ToTeacher(id)
		if !ok {
			return fmt.Errorf("the teacher has no id for the student's %d", id)
		}
		ids = append(ids, t)
	}
	key := distill.Hash(sha256.Sum256(fmt.Append(nil, ids)))
	if h.said != nil && h.key == key {
		return nil
	}
	said, err := h.fetch(ctx, ids)
	if err != nil {
		return err
	}
	h.said, h.key = said, key
	return nil
}

// fill writes what was said of one position; next is its target.
func (h *HTTP) fill(dst *distill.Targets, i int, said []scored, next int32) {
	n, rest := 0, 1.0
	for _, s := range said {
		id := h.v.ToStudent(s.id)
		if id < 0 || n == dst.K || h.o.Targets && n == dst.K-1 && id != next {
			continue
		}
		dst.IDs[i*dst.K+n], dst.LogP[i*dst.K+n] = id, float32(s.logP)
		rest -= math.Exp(s.logP)
		n++
	}
	for ; n < dst.K; n++ {
		dst.IDs[i*dst.K+n], dst.LogP[i*dst.K+n] = -1, float32(math.Inf(-1))
	}
	dst.Tail[i] = float32(max(rest, 0))
}

// Complete goes on with a text for n tokens; temperature 0 takes the likeliest.
func (h *HTTP) Complete(ctx context.Context, prompt string, n int, temperature float64, seed uint64) (string, error) {
	body, err := json.Marshal(map[string]any{"model": h.o.Model, "prompt": prompt, "max_tokens": n, "temperature": temperature, "seed": seed & math.MaxInt32})
	if err != nil {
		return "", err
	}
	var r reply
	if err := h.post(ctx, body, &r); err != nil {
		return "", err
	}
	if len(r.Choices) != 1 {
		return "", fmt.Errorf("teacher: %d choices in the reply", len(r.Choices))
	}
	return r.Choices[0].Text, nil
}

// fetch asks about a prompt of ids; said[i] is about place i, said[0] empty.
func (h *HTTP) fetch(ctx context.Context, ids []int32) ([][]scored, error) {
	body := map[string]any{"model": h.o.Model, "prompt": ids, "max_tokens": 1, "temperature": 0, h.ask.field: h.o.K}
	if h.ask.echo {
		body["echo"] = true
		body["return_tokens_as_token_ids"] = true
	}
	js, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var reply reply
	if err := h.post(ctx, js, &reply); err != nil {
		return nil, err
	}
	if len(reply.Choices) != 1 {
		return nil, fmt.Errorf("%d choices in the reply", len(reply.Choices))
	}
	said, err := reply.Choices[0].said(h.ask)
	if err != nil {
		return nil, err
	}
	if len(said) < len(ids) {
		return nil, fmt.Errorf("%d of %d ids are scored", len(said), len(ids))
	}
	for i := 1; i < len(ids); i++ {
		if err := h.check(said[i], ids[i]); err != nil {
			return nil, fmt.Errorf("id %d at place %d: %w", ids[i], i, err)
		}
	}
	return said[:len(ids)], nil
}

// check sorts what was said about a place and makes sure that it is a
// distribution over our ids, the id itself among them: what a server says about
// other ids (its own tokenization, another model) must not pass.
func (h *HTTP) check(said []scored, id int32) error {
	mass, self := 0.0, false
	for _, s := range said {
		if s.id < 0 || int(s.id) >= h.o.Vocab {
			return fmt.Errorf("scored id %d is not in 0 to %d", s.id, h.o.Vocab-1)
		}
		if !(s.logP <= 1e-3) {
			return fmt.Errorf("log-probability %g of id %d", s.logP, s.id)
		}
		mass += math.Exp(s.logP)
		self = self || s.id == id
	}
	if !self || mass > 1.01 {
		return fmt.Errorf("%d ids of mass %.4f, the id itself among them: %v", len(said), mass, self)
	}
	slices.SortFunc(said, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.logP, a.logP), cmp.Compare(a.id, b.id))
	})
	for i := 1; i < len(said); i++ {
		if slices.ContainsFunc(said[:i], func(s scored) bool { return s.id == said[i].id }) {
			return fmt.Errorf("id %d is scored twice", said[i].id)
		}
	}
	return nil
}

// firstWait is the pause before the second try of a request.
const firstWait = time.Second

// post sends a request, again after 1, 2, 4 … seconds when the server is busy or
// unreachable.
func (h *HTTP) post(ctx context.Context, body []byte, reply any) error {
	wait := firstWait
	for try := 1; ; try++ {
		again, err := h.once(ctx, body, reply)
		if err == nil || !again || try >= h.tries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait *= 2
	}
}

func (h *HTTP) once(ctx context.Context, body []byte, reply any) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(h.o.URL, "/")+"/completions", bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+h.o.Key)
	}
	res, err := h.o.Client.Do(req)
	if err != nil {
		return true, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return true, err
	}
	if len(b) > maxReply {
		return false, fmt.Errorf("a reply of more than %d bytes", maxReply)
	}
	if res.StatusCode != http.StatusOK {
		busy := res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 && res.StatusCode != http.StatusNotImplemented
		return busy, fmt.Errorf("status %s: %.200q", res.Status, b)
	}
	return false, json.Unmarshal(b, reply)
}

// reply is what both dialects answer.
type reply struct {
	Choices []choice `json:"choices"`
}

type choice struct {
	Text string `json:"text"`
	// vLLM: for each place the ids with their log-probabilities; null at the first.
	PromptLogprobs []map[string]struct {
		Logprob float64 `json:"logprob"`
	} `json:"prompt_logprobs"`
	Logprobs *struct {
		Tokens        []string             `json:"tokens"`
		TokenLogprobs []*float64           `json:"token_logprobs"`
		TopLogprobs   []map[string]float64 `json:"top_logprobs"`
	} `json:"logprobs"`
}

// said is what a choice tells about each place of the prompt.
func (c *choice) said(d dialect) ([][]scored, error) {
	if !d.echo {
		if c.PromptLogprobs == nil {
			return nil, errors.New("no prompt_logprobs in the reply")
		}
		out := make([][]scored, len(c.PromptLogprobs))
		for i, m := range c.PromptLogprobs {
			for name, v := range m {
				id, err := strconv.ParseInt(name, 10, 32)
				if err != nil {
					return nil, fmt.Errorf("prompt_logprobs of %q, which is no id", name)
				}
				out[i] = append(out[i], scored{int32(id), v.Logprob})
			}
		}
		return out, nil
	}
	l := c.Logprobs
	if l == nil || len(l.TopLogprobs) == 0 || len(l.TokenLogprobs) != len(l.TopLogprobs) || len(l.Tokens) != len(l.TopLogprobs) {
		return nil, errors.New("no logprobs of the prompt in the reply")
	}
	out := make([][]scored, len(l.TopLogprobs))
	for i, m := range l.TopLogprobs {
		for name, v := range m {
			id, err := tokenID(name)
			if err != nil {
				return nil, err
			}
			out[i] = append(out[i], scored{id, v})
		}
		if l.TokenLogprobs[i] == nil {
			continue
		}
		id, err := tokenID(l.Tokens[i])
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(out[i], func(s scored) bool { return s.id == id }) {
			out[i] = append(out[i], scored{id, *l.TokenLogprobs[i]})
		}
	}
	return out, nil
}

// tokenID reads "token_id:17": a token's text would not tell its id.
func tokenID(name string) (int32, error) {
	s, ok := strings.CutPrefix(name, "token_id:")
	id, err := strconv.ParseInt(s, 10, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("the server names tokens by text (%.40q), not by id", name)
	}
	return int32(id), nil
}
