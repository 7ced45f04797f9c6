package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// Kind says what an event is.
type Kind uint8

// Kinds of events.
const (
	Content   Kind = iota // a piece of the answer
	Reasoning             // a piece of what the model thinks first
	Call                  // a whole tool call
	Notice                // Text tells the reader something about the conversation
	Done                  // the answer is complete
)

// Event is a piece of an answer.
type Event struct {
	Kind   Kind
	Text   string
	Tokens int            // generated so far
	Call   *chat.ToolCall // of Call
	Stats  *Stats         // of Done
}

// FinishInterrupted is the reason when the context of an answer was cancelled.
const FinishInterrupted = "interrupted"

// Stats describe the last answer.
type Stats struct {
	Prompt    int           // tokens of the prompt
	Cached    int           // of them, how many the KV cache held already
	Generated int           // tokens of the answer, reasoning included
	Read      time.Duration // from the beginning to the first token
	Write     time.Duration // from the first token to the last
	Finish    string        // engine.FinishStop, engine.FinishLength, FinishInterrupted or FinishFiltered
	Used      int           // positions of the context that are taken now
	Context   int           // positions of the context
	Dropped   int           // messages that are not in the prompt any more
}

// Rate is the tokens per second of writing; 0 while there are none.
func (s Stats) Rate() float64 {
	if s.Generated < 2 || s.Write <= 0 {
		return 0
	}
	return float64(s.Generated-1) / s.Write.Seconds()
}

// Stats describes the last answer; during one, how far it is.
func (s *Session) Stats() Stats {
	if s.m != nil {
		s.stats.Context = s.m.Context()
	}
	return s.stats
}

// answer generates the assistant's message for the messages as they are. An
// error is for the caller to pass on.
func (s *Session) answer(ctx context.Context, yield func(Event, error) bool) error {
	if s.ask != nil {
		return s.askAway(ctx, yield)
	}
	dropped := s.hiddenMessages()
	p, err := s.prompt(ctx)
	if err != nil {
		return err
	}
	seq, err := s.sequence(p)
	if err != nil {
		return err
	}
	if n := s.hiddenMessages() - dropped; n > 0 && s.Options.Window != nil && !yield(Event{Kind: Notice, Text: fmt.Sprintf(
		"the context of %d tokens is full: %d messages more are not in the prompt for now, of the topics farthest from this one", s.m.Context(), n)}, nil) {
		return nil
	} else if n > 0 && s.Options.Window == nil && !yield(Event{Kind: Notice, Text: fmt.Sprintf(
		"the context of %d tokens is full: the %d oldest messages are not in the prompt any more", s.m.Context(), n)}, nil) {
		return nil
	}
	a := &reply{s: s, seq: seq, parser: s.parser(p.text)}
	err = a.run(ctx, yield)
	s.known = p.text + s.m.Tokenizer().Decode(seq.IDs()[seq.Prompt():], false)
	s.update(seq)
	if a.refused {
		s.stats.Finish = FinishFiltered
	}
	if a.started {
		s.messages = append(s.messages, a.message())
		s.answers++
	}
	if err != nil || a.left {
		return err
	}
	a.finish(yield)
	return nil
}

// sequence prepares the prompt's sequence on the KV cache of the last one.
func (s *Session) sequence(p prompt) (*engine.Seq, error) {
	o := s.Options.Sampling
	o.Seed += s.answers
	format := s.format()
	var draft engine.Drafter
	if a := s.Options.Draft; a != nil {
		draft = a.Drafter()
	}
	seq, err := s.m.NewSeqFrom(s.seq, engine.Request{Draft: draft, IDs: p.ids, MaxTokens: s.Options.MaxTokens, Sampling: o, Stop: s.Options.Stop,
		Special: format == chat.FormatMistral || format == chat.FormatDeepSeek || format == chat.FormatLlama3})
	if err != nil {
		return nil, err
	}
	if s.seq != nil {
		s.seq.Release()
	}
	s.seq, s.known = seq, ""
	s.update(seq)
	return seq, nil
}

func (s *Session) update(seq *engine.Seq) {
	t := seq.Timings()
	s.stats = Stats{Prompt: t.PromptTokens, Cached: t.CachedTokens, Generated: t.GeneratedTokens, Read: t.Prompt, Write: t.Generate,
		Finish: seq.Finish(), Used: len(seq.IDs()), Context: s.m.Context(), Dropped: s.hiddenMessages()}
}

// format is how the model writes tool calls; none where it knows of no tools.
func (s *Session) format() chat.Format {
	if s.template == nil || len(s.Options.Tools) == 0 {
		return chat.FormatNone
	}
	return chat.DetectFormat(s.template.Source())
}

// parser takes the answer to a prompt apart; nil where texts are continued.
func (s *Session) parser(prompt string) *chat.Parser {
	if s.template == nil {
		return nil
	}
	return chat.NewParser(chat.ParserOptions{Format: s.format(), InThink: chat.ThinkOpen(prompt)})
}

// reply collects one answer.
type reply struct {
	s       *Session
	seq     *engine.Seq
	parser  *chat.Parser
	content strings.Builder
	thought strings.Builder
	calls   []chat.ToolCall
	started bool // a token was generated
	left    bool // the caller wants no more
	refused bool // the filter has ended it

	stream FilterStream // nil: none is open
	kind   chat.DeltaKind
}

// run steps the sequence until it ends.
func (r *reply) run(ctx context.Context, yield func(Event, error) bool) error {
	one := []*engine.Seq{r.seq}
	for r.seq.Finish() == "" {
		if err := r.s.m.Step(ctx, one); err != nil {
			if ctx.Err() == nil {
				return err
			}
			break
		}
		for _, t := range r.seq.Tokens() {
			r.started = true
			r.s.update(r.seq)
			if !r.pass(r.filtered(r.split(t.Text), false), yield) || r.refused {
				return nil
			}
		}
	}
	var rest []chat.Delta
	if r.parser != nil {
		rest = r.parser.Close()
	}
	r.pass(r.filtered(rest, true), yield)
	return nil
}

func (r *reply) split(text string) []chat.Delta {
	if r.parser == nil {
		return []chat.Delta{{Kind: chat.DeltaContent, Text: text}}
	}
	return r.parser.Write(text)
}

// pass keeps the pieces and hands them on; false when the caller has left.
func (r *reply) pass(deltas []chat.Delta, yield func(Event, error) bool) bool {
	for _, d := range deltas {
		e := Event{Kind: Content, Text: d.Text, Tokens: r.s.stats.Generated}
		switch d.Kind {
		case chat.DeltaReasoning:
			e.Kind = Reasoning
			r.thought.WriteString(d.Text)
		case chat.DeltaToolCall:
			call := *d.Call
			if call.ID == "" {
				call.ID = fmt.Sprintf("call%05d", len(r.s.messages)*10+len(r.calls)) // nine characters: some templates insist
			}
			r.calls = append(r.calls, call)
			e.Kind, e.Call = Call, &call
		default:
			r.content.WriteString(d.Text)
		}
		if !r.left && (e.Text != "" || e.Call != nil) && !yield(e, nil) {
			r.left = true
		}
	}
	return !r.left
}

func (r *reply) message() chat.Message {
	return chat.Message{Role: "assistant", Content: chat.Text(r.content.String()), ReasoningContent: r.thought.String(), ToolCalls: r.calls}
}

// nearlyFull is the share of the context from which on a notice warns, in
// percent.
const nearlyFull = 75

// finish ends an answer that the caller has listened to.
func (r *reply) finish(yield func(Event, error) bool) {
	st := &r.s.stats
	if st.Finish == "" {
		st.Finish = FinishInterrupted
	}
	stats := *st
	text := ""
	switch {
	case st.Used >= st.Context:
		text = fmt.Sprintf("the answer was cut: the context of %d tokens is full", st.Context)
	case st.Used*100 >= st.Context*nearlyFull:
		leave := "the oldest turns"
		if r.s.Options.Window != nil {
			leave = "turns of other topics"
		}
		text = fmt.Sprintf("%d of %d tokens of the context are used: when it is full %s are dropped from the prompt", st.Used, st.Context, leave)
	}
	if text != "" && !yield(Event{Kind: Notice, Text: text}, nil) {
		return
	}
	yield(Event{Kind: Done, Stats: &stats}, nil)
}
