package gguf

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fullDisk fails writes beyond a number of bytes, and then Sync.
type fullDisk struct {
	output
	left int
}

func (d *fullDisk) WriteAt(p []byte, off int64) (int, error) {
	if len(p) > d.left {
		n, _ := d.output.WriteAt(p[:d.left], off)
		d.left = 0
		return n, syscall.ENOSPC
	}
	d.left -= len(p)
	return d.output.WriteAt(p, off)
}

func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	w, err := Create(path, Layout{Tensors: []TensorInfo{{"a", 0, []uint64{1024}}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	w.f = &fullDisk{w.f, 3000}
	var first error
	for off := 0; off < 4096; off += 1024 {
		if err := w.WriteAt(0, int64(off), make([]byte, 1024)); err != nil && first == nil {
			first = err
		}
	}
	if !errors.Is(first, syscall.ENOSPC) || !strings.Contains(first.Error(), `tensor "a"`) {
		t.Errorf("got %v, want ENOSPC with the tensor's name", first)
	}
	if err := w.Commit(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Commit: got %v, want ENOSPC", err)
	}
	if es, _ := os.ReadDir(dir); len(es) != 0 {
		t.Errorf("%v left in the folder", es)
	}
}

func TestExtents(t *testing.T) {
	var es []extent
	for _, e := range []extent{{10, 20}, {30, 40}, {0, 5}, {5, 5}, {20, 25}, {25, 30}, {4, 12}, {100, 101}} {
		es = add(es, e)
	}
	if want := []extent{{0, 40}, {100, 101}}; len(es) != 2 || es[0] != want[0] || es[1] != want[1] {
		t.Errorf("got %v, want %v", es, want)
	}
}
