package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Request says what to generate.
type Request struct {
	Prompt    string         // tokenized as the model says: BOS/EOS added, special tokens recognised
	IDs       []int32        // taken as they are, in place of Prompt, when not nil
	MaxTokens int            // most tokens to generate; 0: until the context is full
	Sampling  sample.Options // the zero value is greedy
	Stop      []string       // texts that end the generation and are not part of it
	IgnoreEOS bool           // end tokens are sampled and appended like any other
	Special   bool           // special tokens show in the text
	Mask      Mask           // restricts what may be sampled; nil: nothing does
	Logprobs  int            // overrides Sampling.Logprobs unless 0
	Draft     Drafter        // guesses tokens ahead; nil: nothing does
}

// Mask restricts sampling, a grammar for example.
type Mask interface {
	// Allowed is a bitset by token id (see sample.Sampler.Next), nil for all.
	Allowed() []uint64
	// Accept tells which id was sampled.
	Accept(id int32)
}

// Ender is a Mask that knows when nothing but an end token may come: the generation then
// ends without it.
type Ender interface{ Complete() bool }

// finishError is the reason where sampling failed; Seq.Err has the error.
const finishError = "error"

// Reasons why a generation ended.
const (
	FinishStop   = "stop"   // an end token or a stop text
	FinishLength = "length" // MaxTokens, or the context is full
)

// Token is one generated token.
type Token struct {
	ID      int32
	Text    string               // that became final; may be empty, or longer than the token
	Logprob float32              // under the raw logits; 0 unless asked for
	Top     []sample.Alternative // the likeliest tokens, when asked for; valid until the next step (with a Drafter longer)
	Finish  string               // FinishStop or FinishLength on the last token, else empty
	Stop    string               // on the last token: the stop text that ended it, empty where it was something else
	Timings *Timings             // on the last token
}

// Timings says where the time of a sequence went.
type Timings struct {
	CachedTokens    int           // of the prompt that were not computed again
	PromptTokens    int           // of the prompt, cached ones included
	Prompt          time.Duration // from the first step to the first token
	GeneratedTokens int
	Generate        time.Duration // from the first token to the last
	Drafted         int           // tokens that the Drafter proposed
	Accepted        int           // of them, how many were right
}

// Seq is one sequence: its KV cache, sampler, stop texts and detokenizer. It
// is for one goroutine at a time. Release must be called.
type Seq struct {
	m       *Model
	r       Request
	kv      *kvcache.Seq
	ids     []int32 // prompt and generated
	prompt  int     // length of the prompt
	sampler *sample.Sampler
	text    stops
	stream  *tokenizer.Stream // nil without a tokenizer

	tokens []Token // of the last step
	draft  []int32 // proposals in the step that runs
	finish string
	err    error // of sampling
	t      Timings
	start  time.Time
	first  time.Time
}

// NewSeq prepares a sequence. Nothing is computed until Step.
func (m *Model) NewSeq(r Request) (*Seq, error) { return m.NewSeqFrom(nil, r) }

// NewSeqFrom prepares a sequence that shares the KV cache of the longest
// common prefix with base, which stays as it is. Its tokens are the same as
// without.
func (m *Model) NewSeqFrom(base *Seq, r Request) (*Seq, error) {
	if m.info.Encoder {
		return nil, fmt.Errorf("engine: %s: %w", m.info.Architecture, ErrEncoder)
	}
	if r.Logprobs != 0 {
		r.Sampling.Logprobs = r.Logprobs
	}
	if err := r.Sampling.Check(); err != nil {
		return nil, err
	}
	if r.MaxTokens < 0 {
		return nil, fmt.Errorf("engine: %d tokens to generate", r.MaxTokens)
	}
	ids, err := m.promptIDs(r)
	if err != nil {
		return nil, err
	}
	s := &Seq{m: m, r: r, prompt: len(ids), sampler: sample.New(r.Sampling), text: newStops(r.Stop)}
	room := len(ids) + r.MaxTokens
	if r.MaxTokens == 0 || room > m.context {
		room = len(ids) + 256
	}
	s.ids = append(make([]int32, 0, room), ids...)
	for _, id := range ids {
		s.sampler.Accept(id)
	}
	s.sampler.Begin()
	if m.tok != nil {
		s.stream = m.tok.StreamAfter(ids, !r.Special)
	}
	s.kv = m.cache.New()
	s.t.PromptTokens = len(ids)
	if base != nil && base.m == m {
		s.Share(base)
	}
	return s, nil
}

// Share makes the sequence use base's KV cache as far as both begin with the same
// tokens, where that is further than it has read itself, and returns how many of its
// tokens are read now. base stays as it is; nothing else changes.
func (s *Seq) Share(base *Seq) int {
	n := min(commonPrefix(base.ids, s.ids), base.kv.Len(), len(s.ids)-1)
	if s == base || s.m != base.m || n <= s.kv.Len() {
		return s.kv.Len()
	}
	s.kv.Release()
	s.kv = base.kv.Fork()
	s.kv.Truncate(n)
	s.t.CachedTokens = max(s.t.CachedTokens, min(n, s.prompt-1))
	return n
}

func commonPrefix(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// promptIDs are the ids of a request, checked.
func (m *Model) promptIDs(r Request) ([]int32, error) {
	ids := r.IDs
	if ids == nil {
		if m.tok == nil {
			return nil, fmt.Errorf("engine: the model file has no tokenizer: the prompt must be ids")
		}
		ids = m.tok.Encode(r.Prompt, tokenizer.EncodeOptions{AddSpecial: true})
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("engine: the prompt has no tokens")
	}
	return ids, m.checkIDs(ids)
}

func (m *Model) checkIDs(ids []int32) error {
	if len(ids) > m.context {
		return fmt.Errorf("engine: prompt of %d tokens, the context holds %d", len(ids), m.context)
	}
	for i, id := range ids {
		if id < 0 || int(id) >= m.info.Vocabulary {
			return fmt.Errorf("engine: id %d at position %d is not in 0 to %d", id, i, m.info.Vocabulary-1)
		}
	}
	return nil
}

// IDs is the prompt and everything generated so far, read-only until the next
// step.
func (s *Seq) IDs() []int32 { return s.ids }

// Prompt is the number of tokens of the prompt.
func (s *Seq) Prompt() int { return s.prompt }

// Pending is the number of tokens that the next steps must still compute
// before one is sampled; 1 between two generated tokens, 0 when finished.
func (s *Seq) Pending() int {
	if s.finish != "" {
		return 0
	}
	return len(s.ids) - s.kv.Len()
}

// Read is how many of the tokens are in the KV cache.
func (s *Seq) Read() int { return s.kv.Len() }

// Tokens are what the last Step generated for this sequence, valid until the next:
// none while the prompt is still being read, then one, or more with a Drafter.
func (s *Seq) Tokens() []Token { return s.tokens }

// Finish is why the sequence ended, empty while it has not.
func (s *Seq) Finish() string { return s.finish }

// Err is why sampling failed, nil while it has not.
func (s *Seq) Err() error { return s.err }

// Timings says where the time went so far.
func (s *Seq) Timings() Timings { return s.t }

// Release gives the KV cache back. It is idempotent. The sequence can still
// be read but not stepped.
func (s *Seq) Release() {
	if s.finish == "" {
		s.finish = FinishLength
	}
	s.EndDraft()
	s.kv.Release()
}

// Evict gives the KV cache back and keeps the sequence: the next steps read all of
// its tokens again, to the same bits. It makes room for others.
func (s *Seq) Evict() { s.kv.Truncate(0) }

// advance samples from the logits after the last id and after each proposal that
// is right. logits: [1+proposals, n]
func (s *Seq) advance(logits []float32, n int, now time.Time) error {
	defer func() {
		if len(s.draft) > 0 {
			s.kv.Truncate(min(s.kv.Len(), max(len(s.ids)-1, 0)))
		}
	}()
	for i := 0; ; i++ {
		if err := s.sample(logits[i*n:(i+1)*n:(i+1)*n], now); err != nil {
			return err
		}
		if i == len(s.draft) || s.draft[i] != s.tokens[i].ID {
			break
		}
		s.t.Accepted++
		if s.finish != "" {
			break
		}
	}
	if len(s.draft) > 0 {
		s.t.Drafted += len(s.draft)
		s.r.Draft.Learn(len(s.draft), len(s.tokens)-1)
	}
	if s.finish != "" {
		*s.tokens[len(s.tokens)-1].Timings = s.t
		s.EndDraft()
	}
	return nil
}

// sample samples from a row of logits and appends the token.
func (s *Seq) sample(logits []float32, now time.Time) error {
	var allowed []uint64
	if s.r.Mask != nil {
		allowed = s.r.Mask.Allowed()
	}
	c := s.sampler.Next(logits, allowed)
	if c.ID < 0 {
		return fmt.Errorf("engine: no token is allowed after position %d", len(s.ids)-1)
	}
	s.sampler.Accept(c.ID)
	if s.r.Mask != nil {
		s.r.Mask.Accept(c.ID)
	}
	s.ids = append(s.ids, c.ID)
	if s.t.GeneratedTokens == 0 {
		s.first, s.t.Prompt = now, now.Sub(s.start)
	}
	s.t.GeneratedTokens++
	s.t.Generate = now.Sub(s.first)
	t := Token{ID: c.ID, Logprob: c.Logprob, Top: c.Top}
	if len(s.draft) > 0 {
		t.Top = slices.Clone(c.Top)
	}
	s.end(&t)
	s.tokens = append(s.tokens, t)
	return nil
}

// complete tells whether the mask lets nothing more come.
func (s *Seq) complete() bool {
	e, ok := s.r.Mask.(Ender)
	return ok && e.Complete()
}

// end turns the new id into text and decides whether it was the last.
func (s *Seq) end(t *Token) {
	eog := s.m.tok != nil && !s.r.IgnoreEOS && s.m.tok.EOG(t.ID)
	if s.stream != nil && !eog {
		var hit bool
		if t.Text, hit = s.text.push(s.stream.Next(t.ID)); hit {
			s.finish = FinishStop
		}
	}
	switch {
	case s.finish != "":
	case eog, s.complete():
		s.finish = FinishStop
	case s.r.MaxTokens > 0 && s.t.GeneratedTokens >= s.r.MaxTokens, len(s.ids) >= s.m.context:
		s.finish = FinishLength
	default:
		return
	}
	if !s.text.hit && s.stream != nil {
		rest, _ := s.text.push(s.stream.Flush())
		t.Text += rest
		if !s.text.hit {
			t.Text += s.text.flush()
		} else {
			s.finish = FinishStop
		}
	}
	timings := s.t
	t.Finish, t.Stop, t.Timings = s.finish, s.text.which, &timings
}
