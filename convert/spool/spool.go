// Package spool keeps decompressed bytes in a temporary file, so that a
// compressed checkpoint can be read at random without holding it in memory. The
// file has no name once Create returns: whatever ends the process, its space is
// given back. It never fills the disk: what is free is asked first.
//
//	f, err := spool.Create(dir)
//	defer f.Close()
//	off, n, err := f.Append(ctx, r, limit)
package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Reserve is left free on the disk.
const Reserve = 64 << 20

// ErrSpace says that the disk has no room for what would be spooled, ErrLimit
// that there was more of it than Append was allowed to take.
var (
	ErrSpace = errors.New("not enough disk space for the decompressed data")
	ErrLimit = errors.New("decompresses to more than expected")
)

// File is a temporary file. Append is for one goroutine, ReadAt for many.
type File struct {
	f     *os.File
	dir   string
	size  int64
	space func(dir string) (int64, error)
}

// Create makes an empty temporary file in dir.
func Create(dir string) (*File, error) { return create(dir, free) }

func create(dir string, space func(string) (int64, error)) (*File, error) {
	f, err := os.CreateTemp(dir, ".qwq-spool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return &File{f: f, dir: dir, space: space}, nil
}

// Room returns how many bytes may still be appended, and ErrSpace, with the
// numbers, when these are none or fewer than need (0 = not known).
func (f *File) Room(need int64) (int64, error) {
	free, err := f.space(f.dir)
	if err != nil {
		return 0, err
	}
	n := max(0, free-Reserve)
	if n >= max(need, 1) {
		return n, nil
	}
	text := fmt.Sprintf("%d bytes are free in %s, %d of them are left free", free, f.dir, min(free, Reserve))
	if need > 0 {
		text = fmt.Sprintf("%d bytes are needed, %s", need, text)
	}
	return n, fmt.Errorf("%w: %s", ErrSpace, text)
}

// Append copies r to the end of the file and returns where it lies. More than
// limit bytes are ErrLimit.
func (f *File) Append(ctx context.Context, r io.Reader, limit int64) (off, n int64, err error) {
	off = f.size
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return off, n, err
		}
		k, err := r.Read(buf)
		if n += int64(k); n > limit {
			return off, n, fmt.Errorf("%w: %d bytes", ErrLimit, limit)
		}
		if _, werr := f.f.Write(buf[:k]); werr != nil {
			return off, n, werr
		}
		f.size += int64(k)
		if err == io.EOF {
			return off, n, nil
		}
		if err != nil {
			return off, n, err
		}
	}
}

// Size is the number of bytes in the file.
func (f *File) Size() int64 { return f.size }

// ReadAt reads what was appended.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.f.ReadAt(p, off) }

// Close gives the space back. It is idempotent.
func (f *File) Close() error {
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	return err
}

// Path is a name under which the open file can be opened again while it is not
// closed (Linux).
func (f *File) Path() string { return fmt.Sprintf("/proc/self/fd/%d", f.f.Fd()) }
