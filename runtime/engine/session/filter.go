package session

import (
	"github.com/qwq-edge/qwq/runtime/chat"
)

// FinishFiltered is the reason of an answer that Options.Filter has ended.
const FinishFiltered = "content_filter"

// Filter decides what may be asked and shown.
type Filter interface {
	// Check is why a text is refused, for its reader; "": it may pass.
	Check(text string) (refusal string)
	// Stream begins a text that comes in pieces.
	Stream() FilterStream
}

// FilterStream lets a text through as far as it has been checked.
type FilterStream interface {
	// Write takes the next piece and gives what may be shown by now; after a refusal
	// nothing more comes.
	Write(piece string) (out, refusal string)
	// Close takes the end of the text.
	Close() (out, refusal string)
}

// refuses answers a message that may not be asked.
func (s *Session) refuses(text string, yield func(Event, error) bool) bool {
	if s.Options.Filter == nil {
		return false
	}
	refusal := s.Options.Filter.Check(text)
	if refusal == "" {
		return false
	}
	s.stats = Stats{Finish: FinishFiltered, Context: s.Stats().Context}
	if stats := s.stats; yield(Event{Kind: Content, Text: refusal}, nil) {
		yield(Event{Kind: Done, Stats: &stats}, nil)
	}
	return true
}

// filtered is what of the pieces may pass. Text and reasoning are streams of their own;
// the one that is open ends where the other begins, at a call, and with the answer.
func (r *reply) filtered(deltas []chat.Delta, last bool) (out []chat.Delta) {
	f := r.s.Options.Filter
	if f == nil {
		return deltas
	}
	pass := func(text, refusal string) {
		if text != "" {
			out = append(out, chat.Delta{Kind: r.kind, Text: text})
		}
		if refusal != "" {
			r.refused = true
			out = append(out, chat.Delta{Kind: chat.DeltaContent, Text: refusal})
		}
	}
	end := func() {
		if r.stream != nil {
			pass(r.stream.Close())
		}
		r.stream = nil
	}
	for _, d := range deltas {
		if d.Kind != r.kind || d.Kind == chat.DeltaToolCall {
			end()
		}
		switch {
		case r.refused:
			return out
		case d.Kind == chat.DeltaToolCall:
			if pass("", f.Check(d.Call.Name+"\n"+string(d.Call.Arguments))); !r.refused {
				out = append(out, d)
			}
			continue
		case r.stream == nil:
			r.stream, r.kind = f.Stream(), d.Kind
		}
		pass(r.stream.Write(d.Text))
	}
	if last && !r.refused {
		end()
	}
	return out
}
