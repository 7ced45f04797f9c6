package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Window follows the turns of a conversation and chooses those that stay in the
// prompt when not all fit (runtime/dialog). A turn is a message of the user and
// what follows it; turns are counted from 0.
type Window interface {
	// Turn is told the next turn by its user's message. shift: a new topic begins.
	Turn(ctx context.Context, text string) (shift bool, err error)
	// Keep is the turns told so far that stay, ascending, the last one among them.
	// tokens is the length of each, budget that of all.
	Keep(tokens []int, budget int) []int
	// Reset forgets all turns.
	Reset()
}

// view is what of a conversation is in the prompt, with a Window.
type view struct {
	told   int    // turns that the Window knows
	hidden []bool // by turn; the turns after it are shown
}

// turns are the messages that begin a turn. What is before the first message of the
// user belongs to the first turn.
func (s *Session) turns() []int {
	var at []int
	for i, m := range s.messages {
		if m.Role == "user" {
			at = append(at, i)
		}
	}
	if len(at) > 0 {
		at[0] = 0
	}
	return at
}

// turn is the messages of turn i.
func (s *Session) turn(at []int, i int) []chat.Message {
	end := len(s.messages)
	if i+1 < len(at) {
		end = at[i+1]
	}
	return s.messages[at[i]:end]
}

// shown is the messages of the turns that are not hidden.
func (s *Session) shown(at []int) []chat.Message {
	var out []chat.Message
	for i := range at {
		if i >= len(s.view.hidden) || !s.view.hidden[i] {
			out = append(out, s.turn(at, i)...)
		}
	}
	return out
}

// hiddenMessages counts the messages that are not in the prompt.
func (s *Session) hiddenMessages() (n int) {
	if s.Options.Window == nil {
		return s.first
	}
	at := s.turns()
	for i, h := range s.view.hidden {
		if h && i < len(at) {
			n += len(s.turn(at, i))
		}
	}
	return n
}

// forget makes the Window hear the conversation anew where it knows turns that are
// not there any more.
func (s *Session) forget(view view) {
	if s.Options.Window == nil {
		return
	}
	view.told = s.view.told
	if view.told > len(s.turns()) {
		s.Options.Window.Reset()
		view.told = 0
	}
	s.view = view
}

// perMessage is what a template adds to a message, about.
const perMessage = 8

// choose is prompt with a Window. Turns are chosen anew where they do not fit, and
// where a topic begins while some are hidden: they may be about it.
func (s *Session) choose(ctx context.Context, limit, room int) (prompt, error) {
	at := s.turns()
	shift := false
	for ; s.view.told < len(at); s.view.told++ {
		text := ""
		for _, m := range s.turn(at, s.view.told) {
			if m.Role == "user" {
				text = m.Content.String()
			}
		}
		now, err := s.Options.Window.Turn(ctx, text)
		if err != nil {
			return prompt{}, fmt.Errorf("session: following the topic: %w", err)
		}
		shift = shift || now
	}
	p, err := s.renderMessages(s.shown(at))
	if err != nil || len(at) == 0 || len(p.ids)+room <= limit && !(shift && s.hiddenMessages() > 0) {
		return p, err
	}
	tokens := make([]int, len(at))
	for i := range at {
		for _, m := range s.turn(at, i) {
			tokens[i] += perMessage + len(s.m.Tokenizer().Encode(m.Content.String(), tokenizer.EncodeOptions{}))
		}
	}
	for budget := limit / 2; ; budget = budget * 3 / 4 {
		hidden := make([]bool, len(at))
		for i := range hidden {
			hidden[i] = true
		}
		for _, i := range s.Options.Window.Keep(tokens, budget) {
			if i < 0 || i >= len(hidden) {
				return p, errors.New("session: the window keeps a turn that is not there")
			}
			hidden[i] = false
		}
		hidden[len(hidden)-1] = false
		s.view.hidden = hidden
		if p, err = s.renderMessages(s.shown(at)); err != nil {
			return p, err
		}
		if len(p.ids) <= limit/2 && len(p.ids)+room <= limit || budget == 0 {
			break
		}
	}
	if len(p.ids)+leastRoom > limit {
		return p, &TooLongError{len(p.ids), limit}
	}
	return p, nil
}
