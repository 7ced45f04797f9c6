package gguf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/qwq-edge/qwq/internal/mmap"
)

// TestRegions opens a file as a 32-bit host opens a large one: nothing is
// mapped but the header and, on demand, tensors.
func TestRegions(t *testing.T) {
	vocab := make([]string, 200000) // a header of more than firstHead
	for i := range vocab {
		vocab[i] = "token"
	}
	path := filepath.Join(t.TempDir(), "m.gguf")
	w, err := Create(path, Layout{KVs: []KV{{"tokens", Strings(vocab)}}, Tensors: []TensorInfo{{"a", 0, []uint64{5000}}, {"b", 0, []uint64{5}}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	big, small := make([]byte, 20000), []byte("12345678901234567890")
	big[19999] = 7
	if err := w.WriteAt(0, 0, big); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAt(1, 0, small); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	f, err := open(path, func(p string) (*mmap.Map, error) { return mmap.OpenLimit(p, 4096) })
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.parts[0].m.Data() != nil {
		t.Fatal("mapped whole")
	}
	if s, ok := f.Strs("tokens"); !ok || len(s) != len(vocab) || s[199999] != "token" {
		t.Errorf("%d tokens, %v", len(s), ok)
	}
	for range 2 { // the second time after Release
		a, err := f.Tensor("a").Data()
		if err != nil || len(a) != 20000 || a[19999] != 7 {
			t.Fatalf("a: %d bytes, %v", len(a), err)
		}
		b, err := f.Tensor("b").Data()
		if err != nil || string(b) != string(small) || cap(b) != len(b) {
			t.Fatalf("b: %q, %v", b, err)
		}
		if err := f.Tensor("a").Release(); err != nil {
			t.Fatal(err)
		}
	}
	f.Populate(nil)
	if err := os.WriteFile(path+".cut", container512(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(path+".cut", func(p string) (*mmap.Map, error) { return mmap.OpenLimit(p, 16) }); err == nil {
		t.Error("a cut file opens")
	}
}

// container512 is a header that ends too early.
func container512() []byte {
	return append([]byte("GGUF\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), make([]byte, 20)...)
}
