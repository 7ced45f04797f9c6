package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/qwq-edge/qwq/internal/mmap"
	"github.com/qwq-edge/qwq/quant"
)

// Limits of a file. Counts and lengths are bounded by the file's size besides.
const (
	maxName      = 1<<16 - 1 // bytes of a key or a tensor name
	maxDims      = 4
	maxAlignment = 1 << 24
	minKV        = 8 + 4 + 1     // bytes of the smallest key and value
	minTensor    = 8 + 4 + 4 + 8 // bytes of the smallest tensor entry
	defaultAlign = 32            // where a file does not say
	dataAlign    = 64            // what memory given to Parse is aligned to, or copied
	magic        = "GGUF"        // first 4 bytes
	keyAlignment = "general.alignment"
)

// errTruncated is the cause where a file ends before its header does.
var errTruncated = io.ErrUnexpectedEOF

// Parse parses a whole file in memory. Tensors are views of data, which must not
// change; data that does not start on a multiple of 64 is copied first (an
// embedded file, say). Errors are *FormatError.
func Parse(data []byte) (*File, error) {
	if len(data) > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(data)))%dataAlign != 0 {
		data = alignedCopy(data)
	}
	p := &part{size: uint64(len(data)), data: data}
	return parse(p, data)
}

func alignedCopy(data []byte) []byte {
	b := make([]byte, len(data)+dataAlign-1)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % dataAlign
	b = b[skip : int(skip)+len(data) : int(skip)+len(data)]
	copy(b, data)
	return b
}

// parse reads the header from head, the first bytes of a part or all of them.
func parse(p *part, head []byte) (*File, error) {
	c := &cursor{file: p.path, data: head}
	if p.m != nil {
		c.ahead = func(off, n int) { _ = p.m.Advise(int64(off), int64(n), mmap.WillNeed) }
	}
	f := &File{align: defaultAlign, keys: map[string]int{}, names: map[string]*Tensor{}, parts: []*part{p}}
	tensors, kvs := f.header(c)
	f.metadata(c, kvs)
	f.alignment(c)
	infos := f.tensorTable(c, tensors)
	f.place(c, p, infos)
	if c.err != nil {
		return nil, c.err
	}
	return f, nil
}

// header reads magic, version and counts.
func (f *File) header(c *cursor) (tensors, kvs uint64) {
	c.field = "magic"
	if m := c.bytes(4); c.err == nil && string(m) != magic {
		c.fail(0, "not a GGUF file: begins with %q", m)
	}
	c.field = "version"
	f.version = c.u32()
	switch {
	case c.err != nil:
	case f.version == bits.ReverseBytes32(2) || f.version == bits.ReverseBytes32(3):
		c.fail(4, "big-endian file, only little-endian is read")
	case f.version != 2 && f.version != 3:
		c.fail(4, "version %d, only 2 and 3 are read", f.version)
	}
	c.field = "tensor count"
	tensors = c.count(minTensor)
	c.field = "key count"
	kvs = c.count(minKV)
	return tensors, kvs
}

// metadata reads n keys with their values.
func (f *File) metadata(c *cursor, n uint64) {
	for i := uint64(0); i < n && c.err == nil; i++ {
		c.field = fmt.Sprintf("key %d of %d", i, n)
		at := c.off
		key := c.name()
		if c.err != nil {
			return
		}
		c.field = fmt.Sprintf("key %.80q", key)
		if _, ok := f.keys[key]; ok {
			c.fail(at, "duplicate key")
			return
		}
		v := c.value()
		f.keys[key] = len(f.kvs)
		f.kvs = append(f.kvs, KV{key, v})
	}
}

// alignment reads general.alignment, if there.
func (f *File) alignment(c *cursor) {
	v, ok := f.Get(keyAlignment)
	if !ok || c.err != nil {
		return
	}
	c.field = fmt.Sprintf("key %.80q", keyAlignment)
	if v.Type() != TypeUint32 {
		c.fail(c.off, "is %v, want uint32", v.Type())
		return
	}
	a, _ := v.Uint()
	if a == 0 || a&(a-1) != 0 || a > maxAlignment {
		c.fail(c.at(v.raw), "alignment %d is no power of two up to %d", a, maxAlignment)
		return
	}
	f.align = a
}

// info is a tensor whose offset is still relative to the start of the data.
type info struct {
	t  *Tensor
	at int // of the entry
}

// tensorTable reads n entries.
func (f *File) tensorTable(c *cursor, n uint64) []info {
	var infos []info
	for i := uint64(0); i < n && c.err == nil; i++ {
		c.field = fmt.Sprintf("tensor %d of %d", i, n)
		at := c.off
		t := &Tensor{Name: c.name()}
		if c.err != nil {
			return nil
		}
		c.field = fmt.Sprintf("tensor %.80q", t.Name)
		if f.names[t.Name] != nil {
			c.fail(at, "duplicate tensor")
			return nil
		}
		c.tensor(t)
		if c.err == nil && t.Offset%f.align != 0 {
			c.fail(c.off-8, "offset %d is no multiple of the alignment %d", t.Offset, f.align)
		}
		f.names[t.Name] = t
		f.tensors = append(f.tensors, t)
		infos = append(infos, info{t, at})
	}
	return infos
}

// tensorSize is the bytes of a tensor: blocks of the first dimension times the
// others, checked for overflow.
func tensorSize(t quant.Type, dims []uint64) (uint64, error) {
	if !t.Known() {
		return 0, fmt.Errorf("unknown tensor type %d", uint32(t))
	}
	block := uint64(t.Block())
	if dims[0]%block != 0 {
		return 0, fmt.Errorf("rows of %d weights are no multiple of the %v block of %d", dims[0], t, block)
	}
	hi, size := bits.Mul64(dims[0]/block, uint64(t.BlockBytes()))
	weights := dims[0]
	for _, d := range dims[1:] {
		var h, w uint64
		h, size = bits.Mul64(size, d)
		w, weights = bits.Mul64(weights, d)
		hi |= h | w
	}
	if hi != 0 || size > 1<<63-1 || weights > 1<<63-1 {
		return 0, fmt.Errorf("size of %v overflows", dims)
	}
	return size, nil
}

// place makes offsets absolute and checks that every tensor lies inside the
// file and none shares bytes with another.
func (f *File) place(c *cursor, p *part, infos []info) {
	if c.err != nil {
		return
	}
	start := alignUp(uint64(c.off), f.align)
	for _, in := range infos {
		t := in.t
		c.field = fmt.Sprintf("tensor %.80q", t.Name)
		off, carry := bits.Add64(start, t.Offset, 0)
		end, carry2 := bits.Add64(off, t.Size, 0)
		if carry|carry2 != 0 || end > p.size {
			c.fail(in.at, "%d bytes at %d of the data end beyond the file size %d", t.Size, t.Offset, p.size)
			return
		}
		t.Offset, t.part = off, p
	}
	slices.SortStableFunc(infos, func(a, b info) int { return cmp.Compare(a.t.Offset, b.t.Offset) })
	for i := 1; i < len(infos); i++ {
		a, b := infos[i-1].t, infos[i].t
		if a.Offset+a.Size > b.Offset {
			c.field = fmt.Sprintf("tensor %.80q", b.Name)
			c.fail(infos[i].at, "data at %d overlaps tensor %.80q, which ends at %d", b.Offset, a.Name, a.Offset+a.Size)
			return
		}
	}
	f.tail(c, p, infos)
}

// tail notices a file that was cut in the padding after its last tensor.
// Writers differ on whether they pad the end to the default alignment; those
// that state another one, as ours does, do.
func (f *File) tail(c *cursor, p *part, sorted []info) {
	if len(sorted) == 0 || f.align == defaultAlign {
		return
	}
	last := sorted[len(sorted)-1]
	if want := alignUp(last.t.Offset+last.t.Size, f.align); p.size < want {
		c.field = fmt.Sprintf("tensor %.80q", last.t.Name)
		c.fail(last.at, "its padding ends at %d, beyond the file size %d", want, p.size)
	}
}

func alignUp(n, a uint64) uint64 { return (n + a - 1) &^ (a - 1) }

// offsetOf is where the value of key lies in its file, 0 if unknown.
func (f *File) offsetOf(key string) int64 {
	v, ok := f.Get(key)
	if !ok || len(v.raw) == 0 {
		return 0
	}
	p := f.parts[0]
	head := p.data
	if p.m != nil {
		head = p.m.Data()
	}
	if len(head) == 0 {
		return 0
	}
	off := uintptr(unsafe.Pointer(unsafe.SliceData(v.raw))) - uintptr(unsafe.Pointer(unsafe.SliceData(head)))
	if uint64(off) >= uint64(len(head)) {
		return 0
	}
	return int64(off)
}

// truncated reports whether more of the file might cure the error.
func truncated(err error) bool { return errors.Is(err, errTruncated) }
