package dialog_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/dialog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/engine/session"

	"github.com/qwq-edge/qwq/distill/topic"
)

func demoModel(t *testing.T, context int) *engine.Model {
	t.Helper()
	f, err := gguf.Parse(demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.New(f, engine.Options{Threads: 1, Context: context, Sequences: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestSentences(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		" \n ":                          nil,
		"One. Two! Three?":              {"One.", "Two!", "Three?"},
		"It is 3.5 m.\nNo":              {"It is 3.5 m.", "No"},
		"雪。雨！":                          {"雪。", "雨！"},
		"\xff\xfe. x":                   {"\xff\xfe.", "x"},
		strings.Repeat("a", 4001):       {strings.Repeat("a", 2000), strings.Repeat("a", 2000), "a"},
		strings.Repeat("b. ", 50) + "c": slices.Repeat([]string{"b."}, 32),
	} {
		if got := dialog.Sentences(text); !slices.Equal(got, want) {
			t.Errorf("%.20q: %d sentences %.80q, want %d", text, len(got), got, len(want))
		}
	}
}

// TestWindow: a conversation longer than the context goes on; what is in the prompt
// is the window's choice, and a conversation that is begun anew is heard anew.
func TestWindow(t *testing.T) {
	m := demoModel(t, 160)
	path := filepath.Join(t.TempDir(), "t.gguf")
	if err := topic.Init(path, m.Info().Hidden, 1, nil); err != nil {
		t.Fatal(err)
	}
	tr := open(t, path)
	w, err := dialog.NewWindow(tr, demoModel(t, 160))
	if err != nil {
		t.Fatal(err)
	}
	s, err := session.New(m, session.Options{Window: w, MaxTokens: 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	say := func(text string) (notices int) {
		t.Helper()
		for e, err := range s.Ask(context.Background(), text) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Kind == session.Notice {
				notices++
			}
		}
		return notices
	}
	notices := 0
	for i := range 12 {
		notices += say([]string{"The dog ran in the park. It saw a ball.", "Lily was sad and cried."}[i/3%2])
	}
	if notices == 0 || s.Stats().Dropped == 0 || len(s.Messages()) != 24 {
		t.Errorf("%d notices, %d of %d messages dropped", notices, s.Stats().Dropped, len(s.Messages()))
	}
	if n := len(w.State.Turns); n != 12 {
		t.Errorf("%d turns", n)
	}
	tokens := slices.Repeat([]int{20}, 12)
	keep := w.Keep(tokens, 60)
	if !slices.IsSorted(keep) || len(keep) == 0 || len(keep) > 3 || keep[len(keep)-1] != 11 {
		t.Errorf("kept %v", keep)
	}
	// An answer that was never begun leaves no turn.
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range s.Ask(done, "Never.") {
		_ = err
	}
	say("The dog ran home.")
	if n := len(w.State.Turns); n != 13 || len(s.Messages()) != 26 {
		t.Errorf("%d turns of %d messages", n, len(s.Messages()))
	}
	s.Reset()
	say("A new day.")
	if n := len(w.State.Turns); n != 1 || w.State.Next != 1 {
		t.Errorf("%d turns after a reset", n)
	}
}

func TestWindowRefuses(t *testing.T) {
	m := demoModel(t, 64)
	dir := t.TempDir()
	other := filepath.Join(dir, "o.gguf")
	if err := topic.Init(other, 12, 1, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := dialog.NewWindow(open(t, other), m); err == nil || !strings.Contains(err.Error(), "the tracker's 12") {
		t.Errorf("another width: %v", err)
	}
}
