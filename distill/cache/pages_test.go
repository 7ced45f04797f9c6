package cache

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// resident is the bytes of files in a folder that are mapped and in memory here.
func resident(t *testing.T, dir string) (n int64) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	ours := false
	s := bufio.NewScanner(f)
	for s.Scan() {
		w := strings.Fields(s.Text())
		switch {
		case len(w) >= 5 && strings.Contains(w[0], "-"):
			ours = len(w) == 6 && filepath.Dir(w[5]) == dir
		case ours && len(w) == 3 && w[0] == "Rss:":
			kb, err := strconv.ParseInt(w[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			n += kb << 10
		}
	}
	return n
}

// TestPages: after a pass over all frames the process holds the index and edges of
// the parts, not the cache.
func TestPages(t *testing.T) {
	o := options()
	o.Source, o.K, o.Parts = rows{600, 64, 100}, 32, 1
	o.Vocab, o.Teacher = 100, oracle{vocab: 100}
	path := make1(t, o)
	st, err := os.Stat(path + "-00000-of-00001")
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	if err := r.Verify(); err != nil {
		t.Fatal(err)
	}
	index, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, most := resident(t, filepath.Dir(path)), index.Size()+64<<10; st.Size() < 4*most || got > most {
		t.Errorf("%d bytes in memory of a part of %d and an index of %d, at most %d are wanted", got, st.Size(), index.Size(), most)
	}
}
