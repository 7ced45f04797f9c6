package gguf_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
)

// TestSpecialTarget: what is no regular file is refused by its kind and stays.
func TestSpecialTarget(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir) // a socket's path must be short
	if err := syscall.Mkfifo("pipe", 0o666); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink("pipe", "link"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"pipe": "a named pipe", "socket": "a socket", "link": "a named pipe", "/dev/null": "a device"} {
		for _, force := range []bool{false, true} {
			if _, err := gguf.Create(name, sampleLayout(), force); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s with force %v: got %v, want %s", name, force, err, want)
			}
		}
		if _, err := gguf.Open(name); err == nil || !strings.Contains(err.Error(), want) { // and does not wait for a writer
			t.Errorf("open %s: got %v, want %s", name, err, want)
		}
	}
	if es, _ := os.ReadDir(dir); len(es) != 3 {
		t.Errorf("the folder holds %v, want pipe, socket, link", es)
	}
}

// TestLinkTarget: a link stays one; the file it points to is written.
func TestLinkTarget(t *testing.T) {
	dir := t.TempDir()
	at := func(s ...string) string { return filepath.Join(append([]string{dir}, s...)...) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(at("sub"), 0o777))
	must(os.WriteFile(at("sub", "old.gguf"), []byte("old"), 0o666))
	must(os.Symlink(filepath.Join("sub", "old.gguf"), at("a")))
	must(os.Symlink("a", at("b")))                                     // a link to a link
	must(os.Symlink(filepath.Join("sub", "new.gguf"), at("dangling"))) // no file yet
	must(os.Symlink(filepath.Join("gone", "new.gguf"), at("lost")))
	must(os.Symlink("loop", at("loop")))

	if _, err := gguf.Create(at("b"), sampleLayout(), false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want ErrExist", err)
	}
	for _, name := range []string{"lost", "loop"} {
		if _, err := gguf.Create(at(name), sampleLayout(), true); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for name, target := range map[string]string{"b": "old.gguf", "dangling": "new.gguf"} {
		w, err := gguf.Create(at(name), sampleLayout(), name == "b")
		must(err)
		fill(t, w, sampleLayout(), 1)
		must(w.Commit())
		st, err := os.Lstat(at(name))
		must(err)
		if st.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s is no link any more", name)
		}
		f, err := gguf.Open(at("sub", target))
		must(err)
		must(f.Close())
	}
	if es, _ := os.ReadDir(at("sub")); len(es) != 2 {
		t.Errorf("sub holds %v", es)
	}
}

// TestTargetChanges: what takes the target's name while the file is written is
// not replaced unless it is a file.
func TestTargetChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	w, err := gguf.Create(path, sampleLayout(), true)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, w, sampleLayout(), 1)
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err == nil || !strings.Contains(err.Error(), "a named pipe") {
		t.Errorf("got %v", err)
	}
	if es, _ := os.ReadDir(filepath.Dir(path)); len(es) != 1 {
		t.Errorf("%v is left", es)
	}
}
