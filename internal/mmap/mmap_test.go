package mmap

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
)

func file(t *testing.T, n int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, n)
	for i := range content {
		content[i] = byte(i*7 + i>>8)
	}
	path = filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// both runs f on the file mapped whole and by regions.
func both(t *testing.T, path string, f func(t *testing.T, m *Map)) {
	t.Helper()
	for name, limit := range map[string]int64{"whole": 1 << 40, "regions": 1} {
		t.Run(name, func(t *testing.T) {
			m, err := OpenLimit(path, limit)
			if err != nil {
				t.Fatal(err)
			}
			if (m.Data() != nil) != (limit > 1) {
				t.Fatalf("Data is %d bytes", len(m.Data()))
			}
			f(t, m)
			if err := errors.Join(m.Close(), m.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRegion(t *testing.T) {
	page := os.Getpagesize()
	path, want := file(t, 3*page+100)
	both(t, path, func(t *testing.T, m *Map) {
		if m.Len() != int64(len(want)) {
			t.Errorf("Len = %d, want %d", m.Len(), len(want))
		}
		for _, r := range [][2]int{{0, 0}, {0, 1}, {0, len(want)}, {1, 10}, {page - 1, 2}, {page, page}, {page + 1, 2*page + 99}, {len(want), 0}, {len(want) - 1, 1}} {
			for range 2 {
				b, err := m.Region(int64(r[0]), int64(r[1]))
				if err != nil || !bytes.Equal(b, want[r[0]:r[0]+r[1]]) || cap(b) != len(b) {
					t.Errorf("Region(%d, %d): %d bytes, capacity %d, %v", r[0], r[1], len(b), cap(b), err)
				}
			}
			if err := m.Release(int64(r[0]), int64(r[1])); err != nil {
				t.Error(err)
			}
		}
		for _, r := range [][2]int64{{-1, 1}, {0, -1}, {0, m.Len() + 1}, {m.Len(), 1}, {m.Len() + 1, 0}, {1, 1<<63 - 1}, {1<<63 - 1, 1}} {
			if _, err := m.Region(r[0], r[1]); err == nil {
				t.Errorf("Region(%d, %d): no error", r[0], r[1])
			}
			if err := m.Advise(r[0], r[1], Normal); err == nil {
				t.Errorf("Advise(%d, %d): no error", r[0], r[1])
			}
		}
	})
}

func TestAdviseAndPopulate(t *testing.T) {
	page := int64(os.Getpagesize())
	path, want := file(t, int(5*page)+7)
	both(t, path, func(t *testing.T, m *Map) {
		for _, a := range []Advice{Sequential, Random, WillNeed, DontNeed, Normal} {
			for _, r := range [][2]int64{{0, m.Len()}, {3, 5}, {page, page}, {page - 1, 2}, {0, 0}, {m.Len(), 0}} {
				if err := m.Advise(r[0], r[1], a); err != nil {
					t.Errorf("Advise(%d, %d, %d): %v", r[0], r[1], a, err)
				}
			}
		}
		m.Populate(0, m.Len())
		m.Populate(1, 2)
		m.Populate(-1, 2)
		b, err := m.Region(0, m.Len())
		if err != nil || !bytes.Equal(b, want) {
			t.Errorf("%d bytes, %v", len(b), err)
		}
	})
}

func TestPages(t *testing.T) {
	page := int64(os.Getpagesize())
	m := &Map{size: 4*page + 10, data: make([]byte, 4*page+10)}
	for _, c := range []struct {
		off, n int64
		inside bool
		lo, hi int64
	}{
		{0, 1, false, 0, 1}, {page + 1, 1, false, page, page + 2},
		{0, 1, true, 0, 0}, {1, 2 * page, true, page, 2 * page}, {page, page, true, page, 2 * page},
		{4 * page, 10, true, 4 * page, 4*page + 10}, {1, 1, true, page, 0},
	} {
		if lo, hi := m.pages(c.off, c.n, c.inside); lo != c.lo || hi != c.hi {
			t.Errorf("pages(%d, %d, %v) = %d, %d, want %d, %d", c.off, c.n, c.inside, lo, hi, c.lo, c.hi)
		}
	}
}

func TestClosed(t *testing.T) {
	path, _ := file(t, 100)
	both(t, path, func(t *testing.T, m *Map) {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Region(0, 10); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Region after Close: %v", err)
		}
		if err := m.Advise(0, 10, Normal); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("Advise after Close: %v", err)
		}
		m.Populate(0, 10)
	})
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if _, err := Open(dir); err == nil {
		t.Error("a folder opens")
	}
	path, _ := file(t, 0)
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := m.Region(0, 0); err != nil || len(b) != 0 || m.Data() == nil {
		t.Errorf("an empty file: %v, %v", b, err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestConcurrent(t *testing.T) {
	path, want := file(t, 1<<20)
	both(t, path, func(t *testing.T, m *Map) {
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 50 {
					off := int64((g*50 + i) * 4001)
					b, err := m.Region(off, 1000)
					if err != nil || !bytes.Equal(b, want[off:off+1000]) {
						t.Errorf("region at %d: %v", off, err)
					}
				}
			})
		}
		m.Populate(0, m.Len())
		wg.Wait()
	})
}

// TestTruncated: a file that shrinks under its mapping is a fault that a worker
// can survive, not the end of the process.
func TestTruncated(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SIGBUS as on Linux")
	}
	path, _ := file(t, 4*os.Getpagesize())
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := os.Truncate(path, 10); err != nil {
		t.Fatal(err)
	}
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if recover() == nil {
			t.Error("no fault")
		}
	}()
	b := m.Data()
	t.Log(b[len(b)-1])
}
