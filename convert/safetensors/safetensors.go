// Package safetensors reads safetensors checkpoints: one file, or shards with
// an index. Parse is a pure function on the header's bytes; tensor data is read
// by pread when it is wanted and never mapped.
//
//	f, err := safetensors.Open("model.safetensors")
//	defer f.Close()
//	for _, t := range f.Tensors() { … }
//
// Format: https://github.com/huggingface/safetensors, section Format: a uint64
// header length, that many bytes of JSON, then the tensors without gaps.
package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// FormatError says what is wrong with a file: where, and in which field.
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
	return fmt.Sprintf("safetensors: %s%s: %v (offset %d)", file, e.Field, e.Err, e.Offset)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// File is an open checkpoint of one or several files.
type File struct {
	tensors []*checkpoint.Tensor
	meta    map[string]string
	files   []io.Closer
}

// Open opens one file.
func Open(path string) (*File, error) {
	f, size, err := checkpoint.OpenFile(path)
	if err != nil {
		return nil, err
	}
	s, err := Read(f, size, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	s.files = append(s.files, f)
	return s, nil
}

// Read reads the header of a file of size bytes; name is for messages. The
// tensors read from r, which Close leaves open.
func Read(r io.ReaderAt, size int64, name string) (*File, error) {
	bad := func(off int64, field string, format string, a ...any) error {
		return &FormatError{File: name, Offset: off, Field: field, Err: fmt.Errorf(format, a...)}
	}
	var b [8]byte
	if size < 8 {
		return nil, bad(0, "header length", "file has %d bytes", size)
	}
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return nil, bad(0, "header length", "%w", err)
	}
	n := binary.LittleEndian.Uint64(b[:])
	switch {
	case n > MaxHeader:
		return nil, bad(0, "header length", "%d is above the limit of %d", n, MaxHeader)
	case n > uint64(size-8):
		return nil, bad(0, "header length", "%d, and %d bytes follow", n, size-8)
	case n < 2:
		return nil, bad(0, "header length", "%d is too small for a header", n)
	}
	head := make([]byte, n)
	if _, err := r.ReadAt(head, 8); err != nil && err != io.EOF {
		return nil, bad(8, "header", "%w", err)
	}
	start := 8 + int64(n)
	entries, meta, err := Parse(head, size-start)
	if err != nil {
		if fe := new(FormatError); errors.As(err, &fe) {
			fe.File = name
		}
		return nil, err
	}
	s := &File{meta: meta}
	for _, e := range entries {
		s.tensors = append(s.tensors, &checkpoint.Tensor{
			Name: e.Name, DType: e.DType, Shape: e.Shape, Off: start + e.Begin, R: r, File: name,
		})
	}
	return s, nil
}

// Tensors lists the tensors in the order of their data, shard by shard.
func (f *File) Tensors() []*checkpoint.Tensor { return f.tensors }

// Metadata is the header's free-form part; of shards, the first one's.
func (f *File) Metadata() map[string]string { return f.meta }

// Close closes the files. It is idempotent.
func (f *File) Close() error {
	var errs []error
	for _, c := range f.files {
		errs = append(errs, c.Close())
	}
	f.files = nil
	return errors.Join(errs...)
}
