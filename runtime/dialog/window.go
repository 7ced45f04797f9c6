package dialog

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/qwq-edge/qwq/runtime/engine"
)

// Window chooses a conversation's turns by their topics; it implements
// session.Window. State is the conversation's.
type Window struct {
	Tracker *Tracker
	Encoder *engine.Model // of sentences; its width is the tracker's
	State   State
}

// NewWindow checks that an encoder's vectors are those of a tracker.
func NewWindow(t *Tracker, encoder *engine.Model) (*Window, error) {
	i := encoder.Info()
	switch {
	case i.Hidden != t.Width():
		return nil, fmt.Errorf("dialog: the encoder's vectors have width %d, the tracker's %d", i.Hidden, t.Width())
	case encoder.Tokenizer() == nil:
		return nil, fmt.Errorf("dialog: the encoder has no tokenizer")
	case !t.Topics():
		return nil, fmt.Errorf("dialog: the tracker has no head that says where a topic ends")
	}
	return &Window{Tracker: t, Encoder: encoder}, nil
}

// Turn takes the next turn into the state.
func (w *Window) Turn(ctx context.Context, text string) (shift bool, err error) {
	x, err := w.vector(ctx, text)
	if err != nil {
		return false, err
	}
	turn, err := w.Tracker.Turn(&w.State, x, 0)
	return turn.Shift, err
}

// Keep is State.Select with these lengths. Turns that the state has forgotten are
// not kept.
func (w *Window) Keep(tokens []int, budget int) []int {
	var keep []int
	for i := range w.State.Turns {
		t := &w.State.Turns[i]
		t.Tokens = 0
		if t.Index < len(tokens) {
			t.Tokens = tokens[t.Index]
		}
	}
	for _, i := range w.State.Select(budget) {
		keep = append(keep, w.State.Turns[i].Index)
	}
	return keep
}

// Reset forgets the conversation.
func (w *Window) Reset() { w.State = State{} }

// Bounds of what is read of a turn: its first sentences.
const (
	maxSentences = 32
	maxSentence  = 2000 // bytes
)

// vector is the mean of a text's sentences' vectors.
func (w *Window) vector(ctx context.Context, text string) ([]float32, error) {
	var ids [][]int32
	for _, s := range Sentences(text) {
		i, _, err := w.Encoder.EmbedIDs(s)
		if err != nil {
			return nil, err
		}
		if len(i) > 0 {
			ids = append(ids, i)
		}
	}
	mean := make([]float32, w.Tracker.Width())
	if len(ids) == 0 {
		return mean, nil
	}
	vecs, err := w.Encoder.EmbedAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, v := range vecs {
		for k, f := range v {
			mean[k] += f / float32(len(vecs))
		}
	}
	return mean, nil
}

// Sentences cuts a text after full stops, question and exclamation marks and lines:
// at most 32 sentences of at most 2,000 bytes.
func Sentences(text string) []string {
	var out []string
	add := func(s string) {
		if s = strings.TrimSpace(s); s != "" && len(out) < maxSentences {
			out = append(out, s)
		}
	}
	from := 0
	for end := 0; end < len(text); {
		r, n := utf8.DecodeRuneInString(text[end:])
		end += n
		latin := strings.ContainsRune(".!?", r) && (end >= len(text) || text[end] == ' ' || text[end] == '\n')
		if latin || strings.ContainsRune("。！？\n", r) || end-from >= maxSentence {
			add(text[from:end])
			from = end
		}
	}
	add(text[from:])
	return out
}
