package prog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func hello(w io.Writer) error {
	_, err := io.WriteString(w, "hello")
	return err
}

// TestWriteFileTargets: the target is complete or as it was, links are followed,
// devices and pipes stay what they are, nothing is left beside it.
func TestWriteFileTargets(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(in("old"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "old", "dangling": "fresh", "loop": "loop", "null": os.DevNull} {
		if err := os.Symlink(to, in(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ path, file, err string }{
		{"new", "new", ""},
		{"link", "old", ""},
		{"dangling", "fresh", ""},
		{"null", "", ""},
		{"loop", "", "too many links"},
		{".", "", "is a folder"},
		{"none/x", "", "there is no folder"},
		{"old/x", "", "not a directory"},
	} {
		err := WriteFile(in(c.path), hello)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got error %v, want %q", c.path, err, c.err)
		}
		if c.file != "" {
			if b, err := os.ReadFile(in(c.file)); err != nil || string(b) != "hello" {
				t.Errorf("%s: %s holds %q, %v", c.path, c.file, b, err)
			}
		}
	}
	if st, err := os.Lstat(in("link")); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
	if st, err := os.Stat(os.DevNull); err != nil || st.Mode()&os.ModeDevice == 0 {
		t.Fatal("the device was replaced")
	}
	failed := errors.New("no")
	if err := WriteFile(in("old"), func(w io.Writer) error { return errors.Join(hello(w), failed) }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	es, err := os.ReadDir(dir)
	if err != nil || len(es) != 7 {
		t.Errorf("%v, %v in the folder, want new, old, fresh and four links", es, err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestLostOutput: a command that ignores errors of printing fails all the same.
func TestLostOutput(t *testing.T) {
	var talk bytes.Buffer
	code := Run(context.Background(), sample(full{}, &talk), []string{"sample", "show"})
	if want := "sample: error: writing the output: disk full\n"; code != 1 || talk.String() != want {
		t.Errorf("got %d %q, want 1 %q", code, &talk, want)
	}
}

// TestUsageHint: a usage error without a hint of its own names the help.
func TestUsageHint(t *testing.T) {
	var talk bytes.Buffer
	app := &cli.App{Name: "sample", Writer: io.Discard, ErrWriter: &talk, Commands: []*cli.Command{
		{Name: "go", Action: func(*cli.Context) error { return Usagef("no") }},
	}}
	code := Run(context.Background(), app, []string{"sample", "go"})
	if want := "sample: error: no\nsample: hint: sample go --help shows what it takes\n"; code != 2 || talk.String() != want {
		t.Errorf("got %d %q, want 2 %q", code, &talk, want)
	}
}
