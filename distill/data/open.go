package data

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds what a zstd stream may ask the decoder to remember; level 19
// uses 8 MiB, --ultra 22 128 MiB.
const maxWindow = 128 << 20

// A Record is one document as its file holds it. Exactly one of Text, Completion
// and Messages is what it is about: a text; a prompt and its completion; a
// conversation.
type Record struct {
	Kind       Kind
	Text       string // KindText
	Prompt     string // KindCompletion
	Completion string // KindCompletion
	Messages   []byte // KindChat: the JSON list
	Tools      []byte // KindChat: the JSON list, or nil
}

// Kind is a kind of record.
type Kind byte

// Kinds of records.
const (
	KindText Kind = iota + 1
	KindCompletion
	KindChat
)

// reading is how the files are read.
type reading struct {
	maxLine   int
	separator string
	replace   bool
}

// kinds of files by the end of their names, before .gz and .zst.
var readers = map[string]func(context.Context, io.Reader, string, reading, visit) error{
	".txt":    readText,
	".text":   readText,
	".md":     readText,
	".jsonl":  readJSONL,
	".ndjson": readJSONL,
}

// visit is called for each record of a file in order; want comes before the
// record is parsed, so that one of another shard costs little.
type visit struct {
	want func() bool
	take func(line int, r *Record) error
	part func(done float64) // how much of the file has been read, 0 to 1; may be nil
}

// CheckName refuses a file whose name does not say what it holds.
func CheckName(path string) error {
	_, _, err := readerOf(path)
	return err
}

// readerOf is the reader for a file, by its name, and what it is compressed with;
// nil for parquet.
func readerOf(path string) (r func(context.Context, io.Reader, string, reading, visit) error, packed string, err error) {
	name := strings.ToLower(filepath.Base(path))
	if strings.HasSuffix(name, ".parquet") {
		return nil, "", nil
	}
	base := name
	for _, ext := range []string{".gz", ".zst"} {
		if s, ok := strings.CutSuffix(name, ext); ok {
			base, packed = s, ext
		}
	}
	if r = readers[filepath.Ext(base)]; r == nil {
		return nil, "", fmt.Errorf("data: %s: the name ends in none of .txt .text .md .jsonl .ndjson (also with .gz or .zst), .parquet", path)
	}
	return r, packed, nil
}

// read calls v for every record of the file at path.
func read(ctx context.Context, path string, o reading, v visit) error {
	reader, packed, err := readerOf(path)
	if err != nil {
		return err
	}
	if reader == nil {
		return readParquet(ctx, path, o, v)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return fmt.Errorf("data: %s: not a regular file", path)
	}
	var src io.Reader = f
	if st, err := f.Stat(); err == nil && v.part != nil {
		src = &measured{f, 0, st.Size(), v.part}
	}
	r, stop, err := unpack(src, packed)
	if err != nil {
		return fmt.Errorf("data: %s: %w", path, err)
	}
	defer stop()
	return reader(ctx, r, path, o, v)
}

// measured tells how much of a file has been read.
type measured struct {
	r       io.Reader
	n, size int64
	part    func(float64)
}

// Read implements io.Reader.
func (m *measured) Read(b []byte) (int, error) {
	n, err := m.r.Read(b)
	m.n += int64(n)
	m.part(float64(m.n) / float64(max(m.size, 1)))
	return n, err
}

func unpack(f io.Reader, ext string) (io.Reader, func(), error) {
	switch ext {
	case ".gz":
		z, err := gzip.NewReader(f)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { z.Close() }, nil
	case ".zst":
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(1<<62))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return f, func() {}, nil
}
