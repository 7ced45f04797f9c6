package main

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// TestSafetyReload: the policies of the configuration are in force at the start and
// after SIGHUP; with a mistake in it the old ones stay.
func TestSafetyReload(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	file := filepath.Join(dir, "qwq", "qwq.yaml")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	context := func(on bool) *cli.Context {
		set := flag.NewFlagSet("qwqd", flag.ContinueOnError)
		set.Bool("safety", on, "")
		return cli.NewContext(cli.NewApp(), set, nil)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	write("threads: 1\n")
	f, err := newSafety(context(false), log)
	if err != nil {
		t.Fatal(err)
	}
	allows := func(uid uint32, want bool) {
		t.Helper()
		if got := f.Allows(uid, "of bombs"); got != want {
			t.Errorf("user %d: %v, want %v", uid, got, want)
		}
	}
	allows(1, true)
	write("safety:\n  topics: [bomb]\n  users: {5: {topics: []}, 6: {off: true}}\n")
	f.reload(log)
	allows(1, false)
	allows(5, true)
	allows(6, true)
	write("safety:\n  topics: [bomb]\n  thresh: 1\n")
	f.reload(log)
	allows(1, false)
	if !strings.Contains(out.String(), "stay as they were") || !strings.Contains(out.String(), "qwq.yaml:3:3") {
		t.Error(out.String())
	}
	write("safety:\n  topics: [gun]\n")
	f.reload(log)
	allows(1, true)
	write("safety:\n  topics: [bomb]\n")
	if f, err = newSafety(context(false), log); err != nil { // --safety=false on the line
		t.Fatal(err)
	}
	allows(1, true)
	f.reload(log)
	allows(1, true)
	if f, err = newSafety(context(true), log); err != nil {
		t.Fatal(err)
	}
	allows(1, false)
	write("threads: 1\n")
	f.reload(log)
	allows(1, true)
}
