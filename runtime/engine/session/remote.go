package session

import (
	"context"
	"iter"
	"slices"

	"github.com/qwq-edge/qwq/runtime/chat"
)

// Answerer answers conversations elsewhere: messages, the system prompt among them, with
// options whose Seed is that of this answer. It gives events of kind Content, Reasoning
// and Call, then one of kind Done.
type Answerer func(ctx context.Context, messages []chat.Message, o Options) iter.Seq2[Event, error]

// Remote begins a conversation that is answered elsewhere. What fits the context is the
// other side's business.
func Remote(ask Answerer, o Options) *Session { return &Session{Options: o, ask: ask} }

// Tools reports whether the model can be told of tools: elsewhere, whether it is so shows
// when it is asked.
func (s *Session) Tools() bool {
	return s.ask != nil || s.template != nil && s.template.Caps().Tools
}

// askAway is answer for a conversation that is answered elsewhere.
func (s *Session) askAway(ctx context.Context, yield func(Event, error) bool) error {
	messages := s.messages
	if s.Options.System != "" {
		messages = append([]chat.Message{{Role: "system", Content: chat.Text(s.Options.System)}}, messages...)
	}
	o := s.Options
	o.Sampling.Seed += s.answers
	r := &reply{s: s}
	s.stats = Stats{}
	var done *Event
	var failed error
	for e, err := range s.ask(ctx, slices.Clip(messages), o) {
		if err != nil {
			if ctx.Err() == nil {
				failed = err
			}
			break
		}
		if e.Kind == Done {
			done, s.stats = &e, *e.Stats
			break
		}
		r.started = true
		s.stats.Generated++ // pieces, until Done says how many tokens they were
		d := chat.Delta{Kind: chat.DeltaContent, Text: e.Text, Call: e.Call}
		switch e.Kind {
		case Reasoning:
			d.Kind = chat.DeltaReasoning
		case Call:
			d.Kind = chat.DeltaToolCall
		}
		if !r.pass([]chat.Delta{d}, yield) {
			break
		}
	}
	if r.started || done != nil {
		s.messages = append(s.messages, r.message())
		s.answers++
	}
	if failed != nil || r.left {
		return failed
	}
	if done == nil {
		s.stats.Finish = FinishInterrupted
	}
	stats := s.stats
	yield(Event{Kind: Done, Stats: &stats}, nil)
	return nil
}
