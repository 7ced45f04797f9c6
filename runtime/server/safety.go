package server

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/safety"
)

// FinishContentFilter is the reason of an answer that the safety filter has ended.
const FinishContentFilter = "content_filter"

// SafetyRules say what is checked for whom.
type SafetyRules struct {
	Default safety.Policy
	Users   map[uint32]safety.Policy // in place of Default, by user id
}

// Safety checks prompts and answers. Its methods may be called concurrently.
type Safety struct {
	rules  atomic.Pointer[safetyRules]
	counts tally[safetyKind]
	nanos  atomic.Int64 // that checking took
	log    *slog.Logger
}

// safetyRules are compiled.
type safetyRules struct {
	all   *watch
	users map[uint32]*watch
}

// watch is a policy and what /metrics calls it.
type watch struct {
	*safety.Compiled
	name string
}

// safetyKind is what checks are counted by: nothing of a text.
type safetyKind struct{ policy, part, result string }

// Parts and results of checks.
const (
	partPrompt = "prompt"
	partAnswer = "answer"
	passed     = "passed"
)

// NewSafety makes a filter; log hears of refusals, nil: nobody does.
func NewSafety(r SafetyRules, log *slog.Logger) (*Safety, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Safety{log: log}
	return s, s.Set(r)
}

// Set takes other rules; requests that run keep theirs. After an error the old ones are
// in force.
func (s *Safety) Set(r SafetyRules) error {
	all, err := safety.Compile(r.Default, nil)
	if err != nil {
		return err
	}
	out := &safetyRules{all: &watch{all, "default"}, users: map[uint32]*watch{}}
	for _, uid := range slices.Sorted(maps.Keys(r.Users)) {
		p, err := safety.Compile(r.Users[uid], nil)
		if err != nil {
			return fmt.Errorf("user %d: %w", uid, err)
		}
		out.users[uid] = &watch{p, strconv.FormatUint(uint64(uid), 10)}
	}
	s.rules.Store(out)
	return nil
}

// of is a user's policy; nil: everything is allowed.
func (s *Safety) of(uid uint32) *watch {
	if s == nil {
		return nil
	}
	r := s.rules.Load()
	w := r.users[uid]
	if w == nil {
		w = r.all
	}
	if w.Off() {
		return nil
	}
	return w
}

// Allows says whether a user's text may pass.
func (s *Safety) Allows(uid uint32, text string) bool {
	w := s.of(uid)
	return w == nil || w.Check(text) == nil
}

// count takes a check into account, and tells the log of a refusal.
func (s *Safety) count(ctx context.Context, w *watch, uid uint32, part string, r *safety.Refusal) {
	result := passed
	if r != nil {
		result = r.Reason
		s.log.InfoContext(ctx, "refused", "uid", uid, "policy", w.name, "part", part, "reason", r.Reason)
	}
	s.counts.add(safetyKind{w.name, part, result})
}

// write adds the counts to /metrics.
func (s *Safety) write(e *exposition) {
	if s == nil {
		return
	}
	e.family("qwqd_safety_checks_total", "counter", "Prompts and answers that the safety filter has checked, by policy (a user's id or default) and result: passed, toxicity or topic.")
	keys, counts := s.counts.sorted(func(a, b safetyKind) int {
		return cmp.Or(cmp.Compare(a.policy, b.policy), cmp.Compare(a.part, b.part), cmp.Compare(a.result, b.result))
	})
	for i, k := range keys {
		e.sample(float64(counts[i]), "policy", k.policy, "part", k.part, "result", k.result)
	}
	e.family("qwqd_safety_seconds_total", "counter", "Time that the safety filter took.")
	e.sample(time.Duration(s.nanos.Load()).Seconds())
}

// timed adds to the time that checking took.
func (s *Safety) timed(since time.Time) { s.nanos.Add(int64(time.Since(since))) }

// checkPrompt is the full check of each text of a prompt.
func (l *Loaded) checkPrompt(ctx context.Context, w *watch, t *Task, ids []int32) *safety.Refusal {
	defer l.safety.timed(time.Now())
	var refusal *safety.Refusal
	for _, text := range l.promptTexts(t, ids) {
		if refusal = w.Check(text); refusal != nil {
			break
		}
	}
	l.safety.count(ctx, w, t.User, partPrompt, refusal)
	return refusal
}

// promptTexts are what a task says, whoever says it.
func (l *Loaded) promptTexts(t *Task, ids []int32) (out []string) {
	switch tok := l.Model.Tokenizer(); {
	case t.Messages == nil && t.IDs != nil && tok != nil:
		out = append(out, tok.Decode(ids, false))
	case t.Messages == nil:
		out = append(out, t.Prompt)
	}
	for _, m := range t.Messages {
		out = append(out, m.Content.String(), m.ReasoningContent)
		for _, c := range m.ToolCalls {
			out = appendStrings(out, c.Arguments)
		}
	}
	for _, tool := range t.Tools {
		out = appendStrings(out, tool)
	}
	return out
}

// appendStrings appends the texts of a JSON value, keys too: what a reader of the value
// sees. What is no JSON is a text.
func appendStrings(out []string, value json.RawMessage) []string {
	var v any
	if json.Unmarshal(value, &v) != nil {
		return append(out, string(value))
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				out = append(out, k)
				walk(v[k])
			}
		}
	}
	walk(v)
	return out
}

// refused answers in place of the model.
func (t *Task) refused(r *safety.Refusal, ids []int32, emit func(Piece) error) (Usage, error) {
	u := Usage{Prompt: len(ids)}
	for i := range max(1, t.N) {
		p := refusalPiece(i, r)
		p.Prompt, p.IDs = len(ids), ids
		if err := emit(p); err != nil {
			return u, err
		}
	}
	return u, nil
}

func refusalPiece(index int, r *safety.Refusal) Piece {
	return Piece{Index: index, Token: engine.Token{ID: noToken}, Finish: FinishContentFilter, Deltas: []chat.Delta{{Kind: chat.DeltaContent, Text: r.Message}}}
}

// noToken is the id of a piece that the model has not written.
const noToken = -1

// errRefused ends an answer whose rest is not wanted.
var errRefused = errors.New("refused")

// watched holds the pieces of an answer back until their text has passed.
type watched struct {
	*watch
	s    *Safety
	t    *Task
	ctx  context.Context //nolint:containedctx // of the one request
	emit func(Piece) error

	kind   chat.DeltaKind // of the text in stream
	stream *safety.Stream // nil: none is open
	taken  int            // bytes that stream was given
	ready  []chat.Delta   // have passed and were not sent
	queue  []waiting
}

// waiting is a piece without its text.
type waiting struct {
	Piece
	end int // of its text in the stream
}

// piece takes the next one.
func (w *watched) piece(p Piece) error {
	began := time.Now()
	refusal := w.check(&p)
	w.s.timed(began)
	if refusal != nil {
		return w.refuse(p.Index, refusal)
	}
	n := len(w.queue)
	if w.stream != nil {
		passed := w.taken - w.stream.Held()
		n = 0
		for n < len(w.queue) && w.queue[n].end <= passed {
			n++
		}
	}
	for i := range n {
		out := w.queue[i].Piece
		if i == 0 {
			out.Deltas, w.ready = w.ready, nil
		}
		if err := w.emit(out); err != nil {
			return err
		}
	}
	w.queue = append(w.queue[:0], w.queue[n:]...)
	if p.Finish != "" {
		w.s.count(w.ctx, w.watch, w.t.User, partAnswer, nil)
	}
	return nil
}

// check puts a piece into the queue and its text into the stream of its kind.
func (w *watched) check(p *Piece) *safety.Refusal {
	deltas := p.Deltas
	p.Deltas = nil
	for _, d := range deltas {
		if d.Kind == chat.DeltaToolCall || d.Kind != w.kind {
			if r := w.flush(); r != nil {
				return r
			}
		}
		if d.Kind == chat.DeltaToolCall {
			for _, text := range appendStrings([]string{d.Call.Name}, d.Call.Arguments) {
				if r := w.Check(text); r != nil {
					return r
				}
			}
			w.ready = append(w.ready, d)
			continue
		}
		if w.stream == nil {
			w.stream, w.kind, w.taken = w.Stream(), d.Kind, 0
		}
		w.taken += len(d.Text)
		out, r := w.stream.Write(d.Text)
		if w.pass(out); r != nil {
			return r
		}
	}
	if p.Finish != "" {
		if r := w.flush(); r != nil {
			return r
		}
	}
	w.queue = append(w.queue, waiting{*p, w.taken})
	return nil
}

// pass makes a text ready that may be shown.
func (w *watched) pass(text string) {
	if n := len(w.ready); n > 0 && text != "" && w.ready[n-1].Kind == w.kind {
		w.ready[n-1].Text += text
	} else if text != "" {
		w.ready = append(w.ready, chat.Delta{Kind: w.kind, Text: text})
	}
}

// flush ends the open stream: all its pieces may go.
func (w *watched) flush() *safety.Refusal {
	if w.stream == nil {
		return nil
	}
	out, r := w.stream.Close()
	w.pass(out)
	w.stream, w.taken = nil, 0
	for i := range w.queue {
		w.queue[i].end = 0
	}
	return r
}

// refuse sends what has passed and the message, and ends the answer.
func (w *watched) refuse(index int, r *safety.Refusal) error {
	w.s.count(w.ctx, w.watch, w.t.User, partAnswer, r)
	p := refusalPiece(index, r)
	p.hidden = len(w.queue)
	p.Deltas = append(w.ready, p.Deltas...)
	w.queue, w.ready = nil, nil
	if err := w.emit(p); err != nil {
		return err
	}
	return errRefused
}
