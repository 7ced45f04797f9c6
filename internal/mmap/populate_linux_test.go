package mmap

import (
	"bytes"
	"os"
	"strconv"
	"testing"
)

// resident is how many bytes of the mapping of path are mapped.
func resident(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	ours, sum := false, 0
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		switch {
		case len(f) > 1 && !bytes.HasSuffix(f[0], []byte(":")):
			ours = bytes.Equal(f[len(f)-1], []byte(path))
		case ours && string(f[0]) == "Rss:":
			n, err := strconv.Atoi(string(f[1]))
			if err != nil {
				t.Fatal(err)
			}
			sum += n << 10
		}
	}
	return sum
}

// TestPopulate: afterwards the whole file is mapped, and a file that was
// truncated in the meantime does no harm.
func TestPopulate(t *testing.T) {
	const size = 40<<20 + 12345
	path, _ := file(t, size)
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	before := resident(t, path)
	m.Populate(0, m.Len())
	m.wg.Wait()
	if after := resident(t, path); after < size*9/10 || before > size/2 {
		t.Errorf("%d of %d bytes mapped before, %d after", before, size, after)
	}
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	m.Populate(0, m.Len())
	m.wg.Wait()
}
