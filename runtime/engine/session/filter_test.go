package session

import (
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// words holds a word back until the next begins, and refuses one.
type words struct{ no string }

func (w words) Check(text string) string {
	if strings.Contains(text, w.no) {
		return "NO"
	}
	return ""
}

func (w words) Stream() FilterStream { return &wordStream{words: w} }

type wordStream struct {
	words
	held string
}

func (w *wordStream) Write(piece string) (string, string) {
	w.held += piece
	i := strings.LastIndex(w.held, " ")
	if i < 0 {
		return "", ""
	}
	out := w.held[:i]
	if w.Check(out) != "" {
		return "", "NO"
	}
	w.held = w.held[i:]
	return out, ""
}

func (w *wordStream) Close() (string, string) { return w.held, w.Check(w.held) }

// TestFilter: an answer ends where the filter refuses it; what passed and the refusal
// stay in the conversation. A question that is refused does not.
func TestFilter(t *testing.T) {
	f, err := gguf.Parse(demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.New(f, engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ask := func(filter Filter, text string) (out string, finish string, said []chat.Message) {
		s, err := New(m, Options{Filter: filter, MaxTokens: 60})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for e, err := range s.Ask(t.Context(), text) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == Content {
				out += e.Text
			}
			if e.Kind == Done {
				finish = e.Stats.Finish
			}
		}
		return out, finish, s.Messages()
	}
	free, finish, _ := ask(nil, "Once upon a time")
	if got, end, _ := ask(words{"zzz"}, "Once upon a time"); got != free || end != finish {
		t.Errorf("%q, %s; want %q, %s", got, end, free, finish)
	}
	fields := strings.Fields(free)
	no := fields[9]
	got, finish, said := ask(words{no}, "Once upon a time")
	before, ok := strings.CutSuffix(got, "NO")
	if !ok || !strings.HasPrefix(free, before) || strings.Contains(before, no) || finish != FinishFiltered || len(said) != 2 || said[1].Content.String() != got {
		t.Errorf("%q, %s, %d messages; free %q without %q", got, finish, len(said), free, no)
	}
	if got, finish, said := ask(words{"upon"}, "Once upon a time"); got != "NO" || finish != FinishFiltered || len(said) != 0 {
		t.Errorf("%q, %s, %d messages", got, finish, len(said))
	}
}
