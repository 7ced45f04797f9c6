// Package session holds a conversation with a model: its turns, the prompt that
// they make, what of it the KV cache holds already, and which turns have to go
// when the context is full. It must never print, and never cut a message: what
// goes are whole turns from the oldest on, the system prompt stays.
//
//	s, err := session.New(model, session.Options{System: "Be brief."})
//	defer s.Close()
//	for e, err := range s.Ask(ctx, "Why is the sky blue?") {
//		fmt.Print(e.Text)
//	}
//
// Between two answers the KV cache of the conversation stays, so that a turn
// reads only what is new. The tokens of an answer are those that a fresh
// conversation with the same prompt would give.
package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sample"
)

// Options are the surroundings of a conversation. They may be changed between
// two answers.
type Options struct {
	System    string            // system prompt; empty: none
	Tools     []json.RawMessage // definitions as the OpenAI API writes them; nil: none
	Vars      map[string]any    // further variables of the template
	Sampling  sample.Options    // Seed is that of the first answer; each further one takes the next
	MaxTokens int               // most tokens of an answer; 0: until the context is full
	Stop      []string          // texts that end an answer
	Draft     *engine.Assistant // guesses ahead; nil: nothing does
	// Window chooses the turns of a full context; nil: the oldest go. It is this
	// conversation's alone and not changed after New.
	Window Window
	// Filter decides what is asked and shown; nil: everything is. Remote has none: the
	// other side's decides.
	Filter Filter
}

// Session is one conversation. It is for one goroutine at a time. Close gives
// its KV cache back.
type Session struct {
	Options Options

	m        *engine.Model // nil: ask answers
	ask      Answerer
	template *chat.Template // nil: the text is continued
	messages []chat.Message // without the system prompt
	first    int            // the messages before it have been dropped from the window
	view     view           // with Options.Window in place of first
	seq      *engine.Seq    // of the last answer: its KV cache is the next prompt's prefix
	known    string         // the text of seq's ids, without a begin token that no template wrote
	answers  uint64         // given so far, shifts the seed
	stats    Stats
}

// ErrNothing is returned by Again when there is no message to answer.
var ErrNothing = errors.New("session: there is no message to answer")

// TooLongError says that a message does not fit the context even with every
// other turn dropped.
type TooLongError struct{ Tokens, Context int }

func (e *TooLongError) Error() string {
	return fmt.Sprintf("session: the message makes a prompt of %d tokens, the context holds %d and the answer needs room too", e.Tokens, e.Context)
}

// New begins a conversation. The model's file brings the template; without one
// texts are continued as they are.
func New(m *engine.Model, o Options) (*Session, error) {
	if i := m.Info(); i.Encoder {
		return nil, fmt.Errorf("session: %s: %w", i.Architecture, engine.ErrEncoder)
	}
	if m.Tokenizer() == nil {
		return nil, errors.New("session: the model file has no tokenizer")
	}
	s := &Session{Options: o, m: m}
	if src := m.Tokenizer().ChatTemplate(); src != "" {
		t, err := chat.Parse("chat template", src)
		if err != nil {
			return nil, err
		}
		s.template = t
	}
	return s, nil
}

// Close gives the KV cache back. It is idempotent.
func (s *Session) Close() {
	if s.seq != nil {
		s.seq.Release()
		s.seq, s.known = nil, ""
	}
}

// Template is the model's chat template; nil: it has none.
func (s *Session) Template() *chat.Template { return s.template }

// Messages is the whole conversation without the system prompt, dropped turns
// too. It is read-only and valid until the next call.
func (s *Session) Messages() []chat.Message { return s.messages }

// Reset forgets the conversation and keeps the options.
func (s *Session) Reset() {
	s.messages, s.first, s.stats = nil, 0, Stats{}
	s.forget(view{})
	s.Close()
}

// Pending are the tool calls of the last answer that have no result yet: the
// next Ask gives the first one's.
func (s *Session) Pending() []chat.ToolCall {
	i := len(s.messages)
	for i > 0 && s.messages[i-1].Role == "tool" {
		i--
	}
	if i == 0 || s.messages[i-1].Role != "assistant" {
		return nil
	}
	calls, given := s.messages[i-1].ToolCalls, len(s.messages)-i
	if given >= len(calls) {
		return nil
	}
	return calls[given:]
}

// Ask adds a message of the user, or the result of the first pending tool
// call, and gives the answer piece by piece. While further calls are pending
// there is no answer: the sequence is empty. When nothing was said, because of
// an error or of ctx, the conversation is as before.
//
// The answer ends with an event of kind Done, or an error. When ctx ends or the
// loop is left early, what came so far stays as the answer.
func (s *Session) Ask(ctx context.Context, text string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		if s.refuses(text, yield) {
			return
		}
		n := len(s.messages)
		if calls := s.Pending(); len(calls) > 0 {
			s.messages = append(s.messages, chat.Message{Role: "tool", Content: chat.Text(text), ToolCallID: calls[0].ID, Name: calls[0].Name})
			if len(calls) > 1 {
				return
			}
		} else {
			s.messages = append(s.messages, chat.Message{Role: "user", Content: chat.Text(text)})
		}
		first, view := s.first, s.view
		err := s.answer(ctx, yield)
		if len(s.messages) == n+1 { // nothing was said
			s.messages, s.first = s.messages[:n], first
			s.forget(view)
		}
		if err != nil {
			yield(Event{}, err)
		}
	}
}

// Again gives another answer in place of the last one, which stays when nothing
// was said.
func (s *Session) Again(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		n := len(s.messages)
		for n > 0 && s.messages[n-1].Role != "user" {
			n--
		}
		if n == 0 {
			yield(Event{}, ErrNothing)
			return
		}
		before, first := s.messages, s.first
		s.messages = s.messages[:n:n]
		err := s.answer(ctx, yield)
		if len(s.messages) == n {
			s.messages, s.first = before, first
		}
		if err != nil {
			yield(Event{}, err)
		}
	}
}
