package session

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// TestRealTemplates: three turns, another answer and a dropped turn with the
// templates of real models, on a model that writes nonsense.
func TestRealTemplates(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testdata.Shared(t, "data", "templates", "llama.cpp"), "*.jinja"))
	if dir := os.Getenv("QWQ_TEMPLATES"); dir != "" { // a folder of more of them
		files, err = filepath.Glob(filepath.Join(dir, "*.jinja"))
	}
	if err != nil || len(files) < 5 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".jinja"), func(t *testing.T) {
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			m := open(t, string(src), engine.Options{Context: 512, Sequences: 1})
			s := begin(t, m, Options{MaxTokens: 6, System: "Be brief.", Vars: map[string]any{"enable_thinking": true}})
			for i := range 3 {
				h := listen(s.Ask(t.Context(), "the cat sat"))
				var long *TooLongError
				if errors.As(h.err, &long) {
					t.Skipf("the template's own text fills the test's context: %v", h.err)
				} else if h.err != nil {
					t.Fatalf("turn %d: %v", i, h.err)
				}
				if i > 0 && s.first == 0 && h.stats.Cached < 3 {
					t.Errorf("turn %d: %d of %d tokens kept", i, h.stats.Cached, h.stats.Prompt)
				}
			}
			if h := listen(s.Again(t.Context())); h.err != nil || len(s.Messages()) != 6 {
				t.Errorf("again: %v, %d messages", h.err, len(s.Messages()))
			}
			for range 20 {
				if h := listen(s.Ask(t.Context(), strings.Repeat("the mat ", 12))); h.err != nil || h.stats.Used > 512 {
					t.Fatalf("a long conversation: %v, %d tokens", h.err, h.stats.Used)
				}
			}
			if s.first == 0 {
				t.Error("nothing was dropped")
			}
		})
	}
}
