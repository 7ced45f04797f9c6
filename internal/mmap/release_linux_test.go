package mmap

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// TestRelease: none of the pages is left in the process, and they can be read
// again; the file is large enough for two parts and ends within a page.
func TestRelease(t *testing.T) {
	const size = 2*releasePart + 12345
	path := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	b := m.Data()
	for range 2 {
		var sum byte
		for i := 0; i < len(b); i += 1 << 20 {
			sum += b[i]
		}
		if sum += b[len(b)-1]; sum != 0 {
			t.Errorf("a sparse file holds %d", sum)
		}
		if n := resident(t, path); n == 0 {
			t.Error("nothing was mapped")
		}
		release(b)
		if n := resident(t, path); n != 0 {
			t.Errorf("%d bytes are still mapped", n)
		}
	}
}
