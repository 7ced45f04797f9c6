package data

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// TestOneLine reads 128 MiB of NULs in one line without an end, plain and packed
// into a few kilobytes: as documents no longer than the limit, in bounded
// memory.
func TestOneLine(t *testing.T) {
	const size, limit = 128 << 20, 1 << 20
	zeros := make([]byte, 1<<20)
	fill := func(w io.Writer) {
		for range size / len(zeros) {
			if _, err := w.Write(zeros); err != nil {
				t.Fatal(err)
			}
		}
	}
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	fill(g)
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	fill(z)
	if err := errors.Join(g.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(t.TempDir(), "a.txt")
	if err := os.WriteFile(plain, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(plain, size); err != nil { // sparse
		t.Fatal(err)
	}
	for _, path := range []string{plain, write(t, "b.txt.gz", gz.String()), write(t, "c.txt.zst", zst.String())} {
		total, longest := 0, 0
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var peak uint64
		err := read(t.Context(), path, reading{maxLine: limit}, visit{
			want: func() bool { return true },
			take: func(_ int, r *Record) error {
				total, longest = total+len(r.Text), max(longest, len(r.Text))
				runtime.GC()
				runtime.ReadMemStats(&now)
				peak = max(peak, now.HeapAlloc)
				return nil
			},
		})
		if err != nil || total != size || longest > limit+(64<<10) {
			t.Errorf("%s: %d bytes of %d, the longest document %d, limit %d, error %v", filepath.Base(path), total, size, longest, limit, err)
		}
		if peak > before.HeapAlloc+(24<<20) {
			t.Errorf("%s: %d bytes of heap for lines of %d", filepath.Base(path), peak-before.HeapAlloc, limit)
		}
		t.Logf("%s: heap %.1f MiB", filepath.Base(path), float64(peak-before.HeapAlloc)/(1<<20))
	}
}
