// Package torch reads PyTorch checkpoints: the zip files that torch.save writes
// and the legacy pickles of before 1.6. Its unpickler has an allow-list of
// opcodes and names and imitates the few constructors that tensors need; it
// imports nothing and runs nothing. Storages stay in the file and are read by
// pread when a tensor is.
//
//	f, err := torch.Open("pytorch_model.bin", torch.Options{})
//	defer f.Close()
//	tensors, err := f.StateDict()
package torch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// FormatError says what is wrong with a file: where, and in which field.
// Offset counts from the start of the pickle for Field "pickle", else of the file.
type FormatError struct {
	File   string
	Offset int64
	Field  string
	Err    error
}

func (e *FormatError) Error() string {
	file := e.File
	if file != "" {
		file += ": "
	}
	return fmt.Sprintf("torch: %s%s: %v (offset %d)", file, e.Field, e.Err, e.Offset)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// Options: Dir is where deflated storages are spooled, "" the default folder
// for temporary files; Context ends that early, nil = never.
type Options struct {
	Dir     string
	Context context.Context
}

// File is an open checkpoint.
type File struct {
	name  string
	root  value
	at    map[string]place // storage key -> bytes
	close []io.Closer
}

// place is where a storage's bytes lie.
type place struct {
	r   io.ReaderAt
	off int64
	n   int64
}

// Open opens a checkpoint of one file, zip or legacy.
func Open(path string, o Options) (*File, error) {
	f, size, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	t, err := Read(f, size, path, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	t.close = append(t.close, f)
	return t, nil
}

// Read reads the pickle of a checkpoint of size bytes; name is for messages.
// Tensors read from r, which Close leaves open.
func Read(r io.ReaderAt, size int64, name string, o Options) (*File, error) {
	if o.Context == nil {
		o.Context = context.Background()
	}
	f := &File{name: name, at: map[string]place{}}
	var magic [4]byte
	if n, err := r.ReadAt(magic[:], 0); n < len(magic) {
		return nil, f.bad(0, "magic", fmt.Errorf("file has %d bytes: %w", size, err))
	}
	var err error
	if string(magic[:]) == "PK\x03\x04" {
		err = f.readZip(r, size, o)
	} else {
		err = f.readLegacy(r, size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) bad(off int64, field string, err error) error {
	return &FormatError{File: f.name, Offset: off, Field: field, Err: err}
}

// Close closes what Open opened and gives spooled space back. It is idempotent.
func (f *File) Close() error {
	var errs []error
	for _, c := range f.close {
		errs = append(errs, c.Close())
	}
	f.close = nil
	return errors.Join(errs...)
}

// readPickle reads the object and finds its storages.
func (f *File) readPickle(r io.Reader) error {
	v, pos, err := unpickle(bufio.NewReader(r))
	if err != nil {
		return f.bad(pos, "pickle", err)
	}
	f.root = v
	return nil
}

// storages lists the storages that tensors use, each key once, in file order of use.
func (f *File) storages() ([]*storage, error) {
	var out []*storage
	seen := map[string]*storage{}
	err := walk(f.root, func(_ string, t *tensor) error {
		s := t.store
		if was := seen[s.key]; was == nil {
			seen[s.key] = s
			out = append(out, s)
		} else if was.bytes() != s.bytes() {
			return fmt.Errorf("storage %.40q has %d bytes and %d bytes", s.key, was.bytes(), s.bytes())
		}
		return nil
	})
	if err != nil {
		return nil, f.bad(0, "pickle", err)
	}
	return out, nil
}

// tensor turns a pickled tensor into one that reads from the file.
func (f *File) tensor(name string, t *tensor) *checkpoint.Tensor {
	p := f.at[t.store.key]
	return &checkpoint.Tensor{
		Name: name, DType: t.dtype, Shape: t.shape, Strides: t.strides,
		Off: p.off + t.off*int64(t.dtype.Bytes()), R: p.r, File: f.name, Storage: f.name + "\x00" + t.store.key,
	}
}
