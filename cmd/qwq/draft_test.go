package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestDraft: --draft changes no text, says how many guesses were right, and refuses a model
// of another vocabulary.
func TestDraft(t *testing.T) {
	twin := filepath.Join(t.TempDir(), "twin.gguf")
	if err := os.WriteFile(twin, demo.Model(), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"generate", "--json", "-p", "Once upon a time", "-n", "50", "--seed", "2"}
	read := func(args ...string) (g generation) {
		t.Helper()
		code, out, notes := talk(t, "", args...)
		if err := json.Unmarshal([]byte(out), &g); err != nil || code != 0 {
			t.Fatalf("%d %v %s", code, err, notes)
		}
		return g
	}
	want, got := read(args...), read(append(args, "--draft", twin)...)
	if got.Text != want.Text || got.Timings.Drafted == 0 || got.Timings.Accepted != got.Timings.Drafted || want.Timings.Drafted != 0 {
		t.Errorf("got %+v, want the text of %+v", got, want)
	}
	_, here, _ := talk(t, "Once\nThe dog\n", "chat", "--seed", "5", "-n", "20")
	if code, out, notes := talk(t, "Once\nThe dog\n", "chat", "--seed", "5", "-n", "20", "--draft", twin); code != 0 || out != here || len(out) < 20 {
		t.Errorf("%d %q, want %q: %s", code, out, here, notes)
	}
	other := modeltest.Write(t, modeltest.Spec{Tokenizer: true})
	for _, command := range []string{"generate", "chat", "bench"} {
		flags := []string{command, "-p", "1", "-n", "1", "--draft", other}
		if code, _, notes := talk(t, "", flags...); code != 1 || !strings.Contains(notes, "draft model: its token") {
			t.Errorf("%s: %d %s", command, code, notes)
		}
	}
	if code, out, notes := talk(t, "", "bench", "-p", "0", "-n", "8", "-r", "1", "-t", "1", "--draft", twin); code != 0 || !strings.Contains(out, "tg8+draft") || !strings.Contains(out, "guesses were right (100%)") {
		t.Errorf("%d %s %s", code, out, notes)
	}
}
