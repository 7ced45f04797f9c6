package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/dialog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/store"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// mostFollowed is how many sessions' states are in memory; the others are read from
// the store when they go on.
const mostFollowed = 256

// Topics follows the conversations of sessions: the dialog tracker's state of each
// goes into the store with it, and where a conversation does not fit the context the
// turns of other topics leave the prompt. Its methods may be called concurrently.
type Topics struct {
	tracker *dialog.Tracker
	encoder *engine.Model

	mu     sync.Mutex
	states map[string]*followed // by sessionKey
}

// followed is one session's.
type followed struct {
	mu   sync.Mutex
	w    *dialog.Window
	used time.Time // by Topics.mu
}

// NewTopics checks that the two fit together. They are the caller's to close.
func NewTopics(t *dialog.Tracker, encoder *engine.Model) (*Topics, error) {
	if _, err := dialog.NewWindow(t, encoder); err != nil {
		return nil, err
	}
	return &Topics{tracker: t, encoder: encoder, states: map[string]*followed{}}, nil
}

// of is a session's state, from memory or the store, else a new one where make is
// set; nil: there is none.
func (x *Topics) of(key string, st *store.Store, make bool) *followed {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.states[key]
	if f == nil {
		f = &followed{w: &dialog.Window{Tracker: x.tracker, Encoder: x.encoder}}
		if !f.read(key, st) && !make {
			return nil
		}
		if x.states[key] = f; len(x.states) > mostFollowed {
			x.forgetOldest(key)
		}
	}
	f.used = time.Now()
	return f
}

// read takes the state from the store; one of another tracker is none.
func (f *followed) read(key string, st *store.Store) bool {
	if st == nil {
		return false
	}
	s, err := st.Session(splitKey(key))
	if err != nil || len(s.State) == 0 {
		return false
	}
	var state dialog.State
	if state.UnmarshalBinary(s.State) != nil || len(state.Vector) != f.w.Tracker.Width() {
		return false
	}
	f.w.State = state
	return true
}

func (x *Topics) forgetOldest(but string) {
	oldest := ""
	for key, f := range x.states {
		if key != but && (oldest == "" || f.used.Before(x.states[oldest].used)) {
			oldest = key
		}
	}
	delete(x.states, oldest)
}

// forget drops a session's state from memory.
func (x *Topics) forget(key string) {
	if x != nil {
		x.mu.Lock()
		delete(x.states, key)
		x.mu.Unlock()
	}
}

// bytes is a session's state for the store, cut to what a session may hold; nil: as
// it was.
func (x *Topics) bytes(key string) []byte {
	if x == nil {
		return nil
	}
	x.mu.Lock()
	f := x.states[key]
	x.mu.Unlock()
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.w.State
	for {
		b, err := s.MarshalBinary()
		if err != nil {
			return nil
		}
		if len(b) <= store.MostState || len(s.Turns) == 0 {
			return b
		}
		s.Turns = s.Turns[(len(s.Turns)+1)/2:]
	}
}

// turnsOf are the places of the messages that begin a turn.
func turnsOf(messages []chat.Message) (at []int) {
	for i, m := range messages {
		if m.Role == "user" {
			at = append(at, i)
		}
	}
	return at
}

// follow takes the turns of a task's conversation that are new into its session's
// state. A conversation with fewer turns than were followed is another one.
func (x *Topics) follow(ctx context.Context, st *store.Store, t *Task) (*followed, error) {
	f := x.of(t.Session, st, true)
	f.mu.Lock()
	defer f.mu.Unlock()
	at := turnsOf(t.Messages)
	if f.w.State.Next > len(at) {
		f.w.Reset()
	}
	for _, i := range at[f.w.State.Next:] {
		if _, err := f.w.Turn(ctx, t.Messages[i].Content.String()); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// keep is the messages of a conversation that stay within a budget of tokens: what
// is before the first turn, and the turns that the topics choose.
func (f *followed) keep(messages []chat.Message, length func(chat.Message) int, budget int) []chat.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := turnsOf(messages)
	if len(at) == 0 {
		return messages
	}
	tokens := make([]int, len(at))
	turn := func(i int) []chat.Message {
		end := len(messages)
		if i+1 < len(at) {
			end = at[i+1]
		}
		return messages[at[i]:end]
	}
	for i := range at {
		for _, m := range turn(i) {
			tokens[i] += length(m)
		}
	}
	out := slices.Clone(messages[:at[0]])
	for _, i := range f.w.Keep(tokens, budget) {
		if i < len(at) {
			out = append(out, turn(i)...)
		}
	}
	return out
}

// sessionState serves GET /qwq/v1/sessions/{name}/state.
func (s *Server) sessionState(w http.ResponseWriter, r *http.Request) error {
	id, x := r.PathValue("name"), s.hub.o.Topics
	if x == nil {
		e := code(bad("", "the daemon follows no topics: it was started without --tracker"), "state_not_followed")
		e.Status = http.StatusNotFound
		return e
	}
	key, err := s.session(r, id)
	if err != nil {
		return err
	}
	f := x.of(key, s.hub.o.Store, false)
	if f == nil {
		return noSession(id)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	state := &f.w.State
	out := api.SessionState{ID: id, Object: "session.state", Turns: state.Next, State: slices.Clone(state.Vector), Topics: []api.SessionTopic{}}
	for _, t := range state.Topics() {
		first := state.Turns[t.First]
		out.Topics = append(out.Topics, api.SessionTopic{Turn: first.Index, Turns: t.N, Boundary: first.Boundary})
	}
	reply(w, http.StatusOK, out)
	return nil
}

var errNoRoom = errors.New("the last message alone does not fit the context")

// shorten leaves turns of other topics out of a task's conversation until half of
// the context is free.
func (l *Loaded) shorten(f *followed, t *Task) (text string, ids []int32, err error) {
	all, n := t.Messages, l.Model.Context()
	defer func() { t.Messages = all }()
	for budget := n / 2; ; budget = budget * 3 / 4 {
		t.Messages = f.keep(all, l.length, budget)
		if text, ids, err = l.render(t); err == nil && len(ids) <= n/2 || budget == 0 {
			break
		}
	}
	if err == nil && len(ids) >= n {
		err = &PromptError{errNoRoom}
	}
	return text, ids, err
}

// length is the tokens of a message, about.
func (l *Loaded) length(m chat.Message) int {
	const template = 8
	s := m.Content.String()
	if len(s) > l.most {
		return l.Model.Context()
	}
	return template + len(l.Model.Tokenizer().Encode(s, tokenizer.EncodeOptions{}))
}
