package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Task is a request, by whatever API it came.
type Task struct {
	Messages []chat.Message    // a conversation; nil: Prompt or IDs are continued
	Prompt   string            // text
	IDs      []int32           // in place of Prompt when not nil
	Tools    []json.RawMessage // definitions, as OpenAI writes them
	Vars     map[string]any    // of the template

	Sampling  sample.Options
	MaxTokens int // 0: until the context is full
	Stop      []string
	N         int              // answers; 0: 1. Answer i has the seed plus i
	Grammar   *grammar.Grammar // of the answer, its reasoning left out; nil: any text
	Calls     *callWish        // how calls of Tools are written; nil: anyhow
	Format    chat.Format      // of calls, where there are Tools
	One       bool             // the answer ends with its first call
	Think     int              // tokens of reasoning, then it is closed; less than 0: no bound
	NoSplit   bool             // reasoning and tool calls stay in the text
	IgnoreEOS bool             // end tokens are appended like any other

	User     uint32
	Priority int
	Session  string // whose KV cache is kept, see sessionKey; "": nobody's
}

// Piece is what one token of an answer brought.
type Piece struct {
	Index   int     // of the answer
	Prompt  int     // tokens of the prompt
	IDs     []int32 // of the prompt
	Deltas  []chat.Delta
	Token   engine.Token
	Finish  string // of the last piece: stop, length, tool_calls or content_filter
	Timings engine.Timings

	hidden int // tokens before this one that were held back and are not shown
}

// Usage counts the tokens of a Task.
type Usage struct {
	Prompt, Cached, Generated int
	Timings                   engine.Timings // of the slowest answer; guesses of all
}

// ended adds an answer that has ended.
func (u *Usage) ended(t engine.Timings) {
	u.Cached = max(u.Cached, t.CachedTokens)
	u.Timings.Prompt, u.Timings.Generate = max(u.Timings.Prompt, t.Prompt), max(u.Timings.Generate, t.Generate)
	u.Timings.Drafted += t.Drafted
	u.Timings.Accepted += t.Accepted
}

// PromptError blames the messages or their length: the client can do something.
type PromptError struct{ Err error }

func (e *PromptError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PromptError) Unwrap() error { return e.Err }

// render makes the text and ids of a task's prompt.
func (l *Loaded) render(t *Task) (text string, ids []int32, err error) {
	tok := l.Model.Tokenizer()
	switch {
	case t.IDs != nil:
		return "", t.IDs, nil
	case tok == nil:
		return "", nil, &PromptError{errors.New("the model file has no tokenizer: the prompt must be ids")}
	case t.Messages == nil && len(t.Prompt) > l.most:
		return "", nil, l.tooLong(t.Prompt)
	case t.Messages == nil:
		return t.Prompt, tok.Encode(t.Prompt, tokenizer.EncodeOptions{AddSpecial: true}), nil
	case l.Template == nil: // plain continuation
		var b strings.Builder
		for i, m := range t.Messages {
			if i > 0 && m.Role == "user" {
				b.WriteByte('\n')
			}
			b.WriteString(m.Content.String())
		}
		text = b.String()
		if len(text) > l.most {
			return "", nil, l.tooLong(text)
		}
		return text, tok.Encode(text, tokenizer.EncodeOptions{AddSpecial: true}), nil
	}
	messages := t.Messages
	if len(messages) > 1 && messages[0].Role == "system" && !l.Template.Caps().System {
		messages = slices.Clone(messages[1:])
		messages[0].Content = chat.Text(t.Messages[0].Content.String() + "\n\n" + messages[0].Content.String())
	}
	text, err = l.Template.Chat(messages, chat.RenderOptions{AddGenerationPrompt: true, Tools: t.Tools, Vars: t.Vars,
		BOS: tok.Spelling(tok.BOS()), EOS: tok.Spelling(tok.EOS())})
	if err != nil {
		return "", nil, &PromptError{err}
	}
	if len(text) > l.most {
		return "", nil, l.tooLong(text)
	}
	ids = tok.Encode(text, tokenizer.EncodeOptions{})
	if bos := tok.BOS(); bos >= 0 && tok.AddBOS() && (len(ids) == 0 || ids[0] != bos) {
		ids = slices.Insert(ids, 0, bos)
	}
	return text, ids, nil
}

func (l *Loaded) tooLong(text string) error {
	return &PromptError{fmt.Errorf("the prompt has %d bytes, more than the %d tokens of the context can hold", len(text), l.Model.Context())}
}

// Run generates a task's answers and gives them piece by piece, those of several
// answers mixed. An error of emit ends everything. It may be called concurrently.
func (l *Loaded) Run(ctx context.Context, t *Task, emit func(Piece) error) (Usage, error) {
	if i := l.Model.Info(); i.Encoder {
		return Usage{}, bad("model", "%s is an encoder (%s): it makes embeddings and does not write", l.Name, i.Architecture)
	}
	var topics *followed
	if l.topics != nil && t.Session != "" && t.Messages != nil && l.Model.Tokenizer() != nil {
		var err error
		if topics, err = l.topics.follow(ctx, l.store, t); err != nil {
			return Usage{}, err
		}
	}
	text, ids, err := l.render(t)
	if topics != nil && (err == nil || errors.As(err, new(*PromptError))) && (err != nil || len(ids) >= l.Model.Context()) {
		text, ids, err = l.shorten(topics, t)
	}
	if err != nil {
		return Usage{}, err
	}
	if n := l.Model.Context(); len(ids) >= n {
		return Usage{}, &PromptError{fmt.Errorf("the prompt has %d tokens, the context holds %d and the answer needs room too", len(ids), n)}
	}
	if len(ids) == 0 {
		return Usage{}, &PromptError{errors.New("the prompt is empty")}
	}
	filter := l.safety.of(t.User)
	if filter != nil {
		if r := l.checkPrompt(ctx, filter, t, ids); r != nil {
			return t.refused(r, ids, emit)
		}
	}
	rule, err := t.Calls.rule(l.Model.Tokenizer()) // not before the prompt, definitions and all, is known to fit
	if err != nil {
		return Usage{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := max(1, t.N)
	answers := make([]*answer, n)
	for i := range answers {
		if answers[i], err = l.begin(ctx, t, rule, text, ids, i); err != nil {
			return Usage{}, err
		}
	}
	u := Usage{Prompt: len(ids)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var first error
	for _, a := range answers {
		wg.Go(func() {
			one := func(p Piece) error {
				mu.Lock()
				defer mu.Unlock()
				u.Generated += 1 + p.hidden
				p.Prompt, p.IDs = u.Prompt, ids
				if p.Finish != "" {
					u.ended(p.Timings)
				}
				return emit(p)
			}
			if filter != nil {
				one = (&watched{watch: filter, s: l.safety, t: t, ctx: ctx, emit: one}).piece
			}
			if err := a.safely(one); err != nil && !errors.Is(err, errRefused) {
				mu.Lock()
				if first == nil {
					first = err
				}
				mu.Unlock()
				cancel()
			}
		})
	}
	wg.Wait()
	return u, first
}

// answer is one answer while it comes.
type answer struct {
	index  int
	mask   *mask // nil: none
	stream *sched.Stream
	parser *chat.Parser // nil: text is text
	calls  bool
	one    bool // ends with its first call
	cancel context.CancelFunc
}

// begin submits answer i.
func (l *Loaded) begin(ctx context.Context, t *Task, rule *callRule, text string, ids []int32, i int) (*answer, error) {
	a := &answer{index: i, one: t.One}
	ctx, a.cancel = context.WithCancel(ctx)
	r := engine.Request{IDs: ids, MaxTokens: t.MaxTokens, Sampling: t.Sampling, Stop: t.Stop, IgnoreEOS: t.IgnoreEOS}
	r.Sampling.Seed += uint64(i)
	if t.Grammar == nil {
		r.Draft = l.drafter()
	}
	thinking := false
	if t.Messages != nil && (l.Template != nil || len(t.Tools) > 0) && !t.NoSplit {
		format := chat.FormatNone
		if len(t.Tools) > 0 {
			format = t.Format
		}
		thinking = chat.ThinkOpen(text)
		a.parser = chat.NewParser(chat.ParserOptions{Format: format, InThink: thinking})
		r.Special = format == chat.FormatMistral || format == chat.FormatDeepSeek || format == chat.FormatLlama3
	}
	if m := l.mask(t, rule, thinking); m != nil {
		r.Mask, a.mask = m, m
	}
	q := sched.Request{Request: r, User: t.User, Priority: t.Priority, Again: i > 0}
	if i == 0 {
		q.Session = t.Session
	}
	var err error
	if a.stream, err = l.Sched.Submit(ctx, q); err != nil {
		a.cancel()
	}
	return a, err
}

// panicError is a bug of ours; its text is for clients.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return errInternal.Error() }

// safely is read; a panic, which is a bug of ours, becomes an error.
func (a *answer) safely(emit func(Piece) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return a.read(emit)
}

// read hands an answer's pieces on.
func (a *answer) read(emit func(Piece) error) error {
	defer a.cancel()
	for {
		tok, err := a.stream.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && a.mask != nil && a.mask.err != nil {
			return bad("grammar", "the form of the answer cannot be held: %v", a.mask.err)
		}
		if err != nil {
			return err
		}
		p := Piece{Index: a.index, Token: tok, Finish: tok.Finish}
		p.Deltas = a.split(tok.Text)
		if tok.Finish != "" {
			p.Timings = *tok.Timings
			if a.parser != nil {
				p.Deltas = append(slices.Clone(p.Deltas), a.parser.Close()...)
			}
		}
		for i, d := range p.Deltas {
			a.calls = a.calls || d.Kind == chat.DeltaToolCall
			if a.calls && a.one { // nothing behind it is wanted
				p.Deltas, p.Finish = p.Deltas[:i+1], FinishToolCalls
				return emit(p)
			}
		}
		if a.calls && p.Finish == engine.FinishStop {
			p.Finish = FinishToolCalls
		}
		if err := emit(p); err != nil {
			return err
		}
	}
}

// FinishToolCalls is the reason of an answer that ends with calls of tools.
const FinishToolCalls = "tool_calls"

func (a *answer) split(text string) []chat.Delta {
	if a.parser == nil {
		if text == "" {
			return nil
		}
		return []chat.Delta{{Kind: chat.DeltaContent, Text: text}}
	}
	return a.parser.Write(text)
}
