package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"github.com/qwq-edge/qwq/internal/mmap"
	"github.com/qwq-edge/qwq/quant"
)

// File is a parsed GGUF file, or all parts of a split one. It may be used
// concurrently; what it hands out is valid until Close unless said otherwise.
type File struct {
	version uint32
	align   uint64
	kvs     []KV
	keys    map[string]int // key -> index in kvs
	tensors []*Tensor
	names   map[string]*Tensor
	parts   []*part
}

// part is one file of the whole: a mapping, or bytes given to Parse.
type part struct {
	path   string
	size   uint64
	data   []byte    // given to Parse
	m      *mmap.Map // or mapped
	closed bool
}

func (p *part) region(off, n uint64) ([]byte, error) {
	if p.closed {
		return nil, fs.ErrClosed
	}
	if p.m == nil {
		return p.data[off : off+n : off+n], nil
	}
	return p.m.Region(int64(off), int64(n))
}

// Tensor is one entry of the tensor table; its bounds have been checked.
type Tensor struct {
	Name   string
	Type   quant.Type
	Dims   []uint64 // 1 to 4 of them, none 0; Dims[0] is contiguous in memory
	Offset uint64   // of the data, from the start of the file that holds it
	Size   uint64   // of the data in bytes
	part   *part
}

// Data is the tensor's bytes, a read-only view of the mapping. It is valid
// until the file is closed. On a 32-bit host the first call maps them.
func (t *Tensor) Data() ([]byte, error) {
	b, err := t.part.region(t.Offset, t.Size)
	if err != nil {
		return nil, fmt.Errorf("gguf: tensor %.80q: %w", t.Name, err)
	}
	return b, nil
}

// Path is the file that holds the data, which is not File.Path in a split
// model; empty when bytes were parsed.
func (t *Tensor) Path() string { return t.part.path }

// Elements is the number of weights.
func (t *Tensor) Elements() uint64 { return t.Rows() * t.Dims[0] }

// Rows is the number of rows of Dims[0] weights.
func (t *Tensor) Rows() uint64 {
	n := uint64(1)
	for _, d := range t.Dims[1:] {
		n *= d
	}
	return n
}

// Shape is the dimensions with rows first, as checkpoints write them.
func (t *Tensor) Shape() []int {
	s := make([]int, len(t.Dims))
	for i, d := range t.Dims {
		s[len(s)-1-i] = int(d)
	}
	return s
}

// Matrix is the tensor as a matrix: Cols = Dims[0], Rows = the product of the
// other dimensions (1 for a vector). Valid until the file is closed.
func (t *Tensor) Matrix() (quant.Matrix, error) {
	data, err := t.Data()
	if err != nil {
		return quant.Matrix{}, err
	}
	if t.Dims[0] > math.MaxInt || t.Rows() > math.MaxInt {
		return quant.Matrix{}, fmt.Errorf("gguf: tensor %.80q: %v is too large for this machine", t.Name, t.Dims)
	}
	return quant.NewMatrix(t.Type, int(t.Rows()), int(t.Dims[0]), data)
}

// Advise tells the kernel how the tensor's bytes will be read. It does nothing
// when bytes were parsed.
func (t *Tensor) Advise(a mmap.Advice) error {
	if t.part.m == nil || t.part.closed {
		return nil
	}
	return t.part.m.Advise(int64(t.Offset), int64(t.Size), a)
}

// Release gives up the mapping that Data made on a 32-bit host, and elsewhere
// the pages it read; every view of the tensor made before must be unused on a
// 32-bit host. A converter calls it behind its cursor to bound its memory.
func (t *Tensor) Release() error {
	if t.part.m == nil || t.part.closed {
		return nil
	}
	return errors.Join(t.Advise(mmap.DontNeed), t.part.m.Release(int64(t.Offset), int64(t.Size)))
}

// Close unmaps the file; a second call does nothing. Views of tensors must not
// be used any more.
func (f *File) Close() error {
	var errs []error
	for _, p := range f.parts {
		p.closed = true
		if p.m != nil {
			errs = append(errs, p.m.Close())
		}
	}
	return errors.Join(errs...)
}

// Populate starts reading the tensors into memory in the background; it returns
// at once, and Close ends it. Those for which leave, unless nil, is true are
// left out, and nothing is read around them. It does nothing on bytes and on
// 32-bit hosts.
func (f *File) Populate(leave func(*Tensor) bool) {
	for _, p := range f.parts {
		if p.m == nil || p.closed {
			continue
		}
		if leave == nil {
			p.m.Populate(0, p.m.Len())
			continue
		}
		// Without Random a fault reads what lies around its page, left out or not.
		_ = p.m.Advise(0, p.m.Len(), mmap.Random)
		at := int64(0)
		fetch := func(end int64) {
			if at < end {
				_ = p.m.Advise(at, end-at, mmap.WillNeed)
			}
		}
		for _, t := range f.byOffset(p) {
			if leave(t) {
				fetch(int64(t.Offset))
				at = int64(t.Offset + t.Size)
			}
		}
		fetch(p.m.Len())
	}
}

// byOffset is a part's tensors in the order of their data.
func (f *File) byOffset(p *part) []*Tensor {
	var ts []*Tensor
	for _, t := range f.tensors {
		if t.part == p {
			ts = append(ts, t)
		}
	}
	slices.SortFunc(ts, func(a, b *Tensor) int { return cmp.Compare(a.Offset, b.Offset) })
	return ts
}

// KVs is the metadata in file order. It must not be changed.
func (f *File) KVs() []KV { return f.kvs }

// Get is the value of a key.
func (f *File) Get(key string) (Value, bool) {
	i, ok := f.keys[key]
	if !ok {
		return Value{}, false
	}
	return f.kvs[i].Value, true
}

// Str is the string under key; false if there is none of that type.
func (f *File) Str(key string) (string, bool) { v, _ := f.Get(key); return v.Str() }

// Uint is the integer under key, of any type; false if there is none or it is negative.
func (f *File) Uint(key string) (uint64, bool) { v, _ := f.Get(key); return v.Uint() }

// Int is the integer under key, of any type; false if there is none that fits.
func (f *File) Int(key string) (int64, bool) { v, _ := f.Get(key); return v.Int() }

// Float is the floating point number under key; false if there is none of that type.
func (f *File) Float(key string) (float64, bool) { v, _ := f.Get(key); return v.Float() }

// Bool is the bool under key; false if there is none of that type.
func (f *File) Bool(key string) (value, ok bool) { v, _ := f.Get(key); return v.Bool() }

// Strs is the array of strings under key, safe to keep after Close.
func (f *File) Strs(key string) ([]string, bool) { v, _ := f.Get(key); return v.Strs() }

// Ints is the array of integers, of any type, under key.
func (f *File) Ints(key string) ([]int64, bool) { v, _ := f.Get(key); return v.Ints() }

// Floats is the array of floating point numbers under key.
func (f *File) Floats(key string) ([]float32, bool) { v, _ := f.Get(key); return v.Floats() }

// Tensors is the tensor table in file order. It must not be changed.
func (f *File) Tensors() []*Tensor { return f.tensors }

// Tensor is the tensor of that name, nil if there is none.
func (f *File) Tensor(name string) *Tensor { return f.names[name] }

// Arch is general.architecture, empty if there is none.
func (f *File) Arch() string { s, _ := f.Str("general.architecture"); return s }

// Path is the path given to Open, of a split model its first part; empty when
// bytes were parsed.
func (f *File) Path() string { return f.parts[0].path }

// FileSize is the bytes of the file, of a split model the sum of its parts.
func (f *File) FileSize() uint64 {
	var n uint64
	for _, p := range f.parts {
		n += p.size
	}
	return n
}

// Version is the GGUF version of the file, 2 or 3.
func (f *File) Version() uint32 { return f.version }

// Alignment is what the offsets of tensor data are a multiple of, in bytes.
func (f *File) Alignment() uint64 { return f.align }

// Errorf makes a *FormatError about a key of this file, for readers of its
// metadata; the offset is where the key's value lies, 0 if it is absent.
func (f *File) Errorf(key, format string, args ...any) error {
	return &FormatError{File: f.Path(), Offset: f.offsetOf(key), Field: fmt.Sprintf("key %.80q", key), Err: fmt.Errorf(format, args...)}
}
