package gguf_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf"
)

// splitPart is part i of n with one tensor.
func splitPart(i, n, total uint32, name string) []byte {
	return newFile(3, 1, 4).
		kv("split.no", 2).u16(uint16(i)).
		kv("split.count", 2).u16(uint16(n)).
		kv("split.tensors.count", 5).u32(total).
		kv("general.architecture", 8).str("llama").
		tensor(name, 0, 0, 8).pad(32).zeros(31).u8(byte(i)).b
}

func writeParts(t *testing.T, parts ...[]byte) (first string) {
	dir := t.TempDir()
	for i, p := range parts {
		if p == nil {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("m-%05d-of-%05d.gguf", i+1, len(parts)))
		if err := os.WriteFile(name, p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, fmt.Sprintf("m-00001-of-%05d.gguf", len(parts)))
}

func TestSplit(t *testing.T) {
	first := writeParts(t, splitPart(0, 3, 3, "a"), splitPart(1, 3, 3, "b"), splitPart(2, 3, 3, "c"))
	for _, path := range []string{first, strings.Replace(first, "00001-of", "00002-of", 1)} {
		f, err := gguf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Tensors()) != 3 || f.Path() != first || f.FileSize() != 3*uint64(len(splitPart(0, 3, 3, "a"))) {
			t.Errorf("%d tensors, path %q, %d bytes", len(f.Tensors()), f.Path(), f.FileSize())
		}
		for i, name := range []string{"a", "b", "c"} {
			data, err := f.Tensor(name).Data()
			if err != nil || data[31] != byte(i) {
				t.Errorf("tensor %q: %v, %v", name, data, err)
			}
			if !strings.Contains(f.Tensor(name).Path(), fmt.Sprintf("0000%d-of", i+1)) {
				t.Errorf("tensor %q lies in %q", name, f.Tensor(name).Path())
			}
		}
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Error(err)
		}
		if _, err := f.Tensor("b").Data(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("data after Close: %v", err)
		}
	}
}

func TestSplitMalformed(t *testing.T) {
	a, b := splitPart(0, 2, 2, "a"), splitPart(1, 2, 2, "b")
	for _, c := range []struct {
		name  string
		parts [][]byte
		says  string
	}{
		{"missing", [][]byte{a, nil}, "m-00002-of-00002.gguf"},
		{"wrong number", [][]byte{a, a}, "split.no"},
		{"wrong count", [][]byte{a, splitPart(1, 3, 2, "b")}, "split.count"},
		{"name says more", [][]byte{a, b, b}, "2 parts, but the name says 3"},
		{"same tensor", [][]byte{a, splitPart(1, 2, 2, "a")}, "also in another part"},
		{"too few tensors", [][]byte{splitPart(0, 2, 9, "a"), b}, "9 tensors, the parts hold 2"},
		{"second is garbage", [][]byte{a, []byte("no model")}, "not a GGUF file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := gguf.Open(writeParts(t, c.parts...))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
			if c.name == "missing" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v is no ErrNotExist", err)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "renamed.gguf")
	if err := os.WriteFile(path, a, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := gguf.Open(path); err == nil || !strings.Contains(err.Error(), "the name does not end in -00001-of-00002.gguf") {
		t.Errorf("got %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := gguf.Open(filepath.Join(dir, "none.gguf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if _, err := gguf.Open(dir); err == nil {
		t.Error("a folder opens")
	}
	path := filepath.Join(dir, "empty.gguf")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var fe *gguf.FormatError
	if _, err := gguf.Open(path); !errors.As(err, &fe) || fe.File != path {
		t.Errorf("got %v, want a FormatError with the path", err)
	}
}
