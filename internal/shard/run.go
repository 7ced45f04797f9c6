package shard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Options are of one run; the zero value works.
type Options struct {
	// Parts does the selection's parts and leaves the result to another process.
	Parts bool
	// Done, when set, is told of each part of the selection as it is complete;
	// skipped says that an earlier run had made it.
	Done func(part int, skipped bool)
}

// MissingError lists parts that a result needs and that are not there yet.
type MissingError struct {
	Path  string
	Parts []int
	Of    int
}

func (e *MissingError) Error() string {
	some := e.Parts[:min(len(e.Parts), 8)]
	more := ""
	if len(e.Parts) > len(some) {
		more = ", …"
	}
	return fmt.Sprintf("shard: %s: %d of %d parts are missing: %v%s", e.Path, len(e.Parts), e.Of, some, more)
}

// PartPath is the file of part i of n of the result at path.
func PartPath(path string, i, n int) string { return fmt.Sprintf("%s-%05d-of-%05d", path, i, n) }

// Run does the parts of the selection that are not done yet, and then, when no
// part of any process is missing, the result at path. That parts are missing is
// no error unless the selection is everything: the process that ends last makes
// the result. A result that is there already is kept.
func Run(ctx context.Context, path string, job Job, sel Selection, o Options) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	n := job.Shards()
	if n < 1 || n > maxShards {
		return fmt.Errorf("shard: %s: %d parts are not between 1 and %d", path, n, maxShards)
	}
	if done, err := complete(path, job.Key(), n, n); err != nil || done && !o.Parts {
		return err
	}
	for i := range n {
		if !sel.Has(i) {
			continue
		}
		skipped, err := part(ctx, path, job, i, n)
		if err != nil {
			return err
		}
		if o.Done != nil {
			o.Done(i, skipped)
		}
	}
	if o.Parts {
		return nil
	}
	var missing *MissingError
	if err := Merge(ctx, path, job); errors.As(err, &missing) && sel.Count > 1 {
		return nil
	} else if err != nil {
		return err
	}
	return nil
}

// part makes part i unless it is done.
func part(ctx context.Context, path string, job Job, i, n int) (skipped bool, err error) {
	name := PartPath(path, i, n)
	if done, err := complete(name, job.Key(), i, n); done || err != nil {
		return done, err
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = publish(name, job.Key(), i, n, func(w io.Writer) error { return job.Run(ctx, i, w) })
	if err != nil {
		return false, fmt.Errorf("shard: part %d of %d: %w", i, n, err)
	}
	return false, nil
}

// complete reports whether the file is what job wants: not when it is absent,
// damaged or of another job, which all mean that it has to be made.
func complete(path string, key Hash, i, n int) (bool, error) {
	_, err := Verify(path, key, i, n)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrOther) {
		return false, nil
	}
	return false, err
}

// Merge makes the result at path of the parts beside it. A part that is absent,
// damaged or of another job is missing: *MissingError.
func Merge(ctx context.Context, path string, job Job) error {
	n, key := job.Shards(), job.Key()
	miss := &MissingError{Path: path, Of: n}
	parts := make([]io.Reader, n)
	files := make([]*Part, n)
	defer func() {
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
	}()
	for i := range n {
		p, err := OpenPart(path, key, i, n)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrOther) {
			miss.Parts = append(miss.Parts, i)
			continue
		}
		if err != nil {
			return err
		}
		files[i], parts[i] = p, p
	}
	if miss.Parts != nil {
		return miss
	}
	err := publish(path, key, n, n, func(w io.Writer) error { return job.Reduce(ctx, parts, w) })
	if err != nil {
		return fmt.Errorf("shard: result of %d parts: %w", n, err)
	}
	return nil
}

// Part reads a payload; the file is open between the first byte and the last, so
// that a thousand parts read one after the other need one descriptor.
type Part struct {
	name       string
	size, left int64
	key        Hash
	i, n       int
	f          *os.File
	r          *bufio.Reader
}

// OpenPart verifies and opens part i of n of the result at path, for a job that
// builds on another one's parts.
func OpenPart(path string, key Hash, i, n int) (*Part, error) {
	name := PartPath(path, i, n)
	size, err := Verify(name, key, i, n)
	if err != nil {
		return nil, err
	}
	return &Part{name: name, size: size, left: size, key: key, i: i, n: n}, nil
}

// Size is the bytes of the payload.
func (p *Part) Size() int64 { return p.size }

// Trailer is the bytes behind a payload whose SHA-256 state is h: with them, a
// result can tell a changed trailer too.
func (p *Part) Trailer(h hash.Hash) []byte {
	t := trailer(p.key, p.i, p.n, p.size)
	h.Write(t)
	return h.Sum(t)
}

func (p *Part) Read(b []byte) (int, error) {
	if p.left == 0 {
		p.Close()
		return 0, io.EOF
	}
	if p.f == nil {
		f, err := os.Open(p.name)
		if err != nil {
			return 0, err
		}
		p.f, p.r = f, bufio.NewReaderSize(f, 64<<10)
	}
	if int64(len(b)) > p.left {
		b = b[:p.left]
	}
	n, err := p.r.Read(b)
	p.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // it was longer when it was verified
	}
	return n, err
}

// Close closes the file; nothing more is read. It is idempotent.
func (p *Part) Close() {
	p.left = 0
	if p.f != nil {
		p.f.Close()
		p.f, p.r = nil, nil
	}
}
