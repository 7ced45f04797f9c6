package gguf

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/qwq-edge/qwq/quant"
)

// cursor reads a header; after the first error it reads nothing more.
type cursor struct {
	file  string
	data  []byte
	off   int
	field string
	err   error

	ahead func(off, n int) // reads what comes next into memory; nil: nothing is to be done
	read  int              // bytes that ahead was called for
}

// readAhead is how much of a header ahead is called for at a time.
const readAhead = 128 << 10

func (c *cursor) fail(at int, format string, args ...any) {
	if c.err == nil {
		c.err = &FormatError{File: c.file, Offset: int64(at), Field: c.field, Err: fmt.Errorf(format, args...)}
	}
}

func (c *cursor) left() uint64 { return uint64(len(c.data) - c.off) }

// at is the offset of b, which is a part of data.
func (c *cursor) at(b []byte) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(c.data))))
}

// bytes takes n bytes.
func (c *cursor) bytes(n uint64) []byte {
	if c.err != nil {
		return nil
	}
	if n > c.left() {
		c.fail(c.off, "needs %d bytes, %d are left: %w", n, c.left(), errTruncated)
		return nil
	}
	end := c.off + int(n)
	for c.ahead != nil && c.read < end {
		n := min(readAhead, len(c.data)-c.read)
		c.ahead(c.read, n)
		c.read += n
	}
	b := c.data[c.off:end:end]
	c.off = end
	return b
}

func (c *cursor) u32() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count takes a number of things of at least size bytes each.
func (c *cursor) count(size uint64) uint64 {
	n := c.u64()
	if c.err == nil && n > c.left()/size {
		c.fail(c.off-8, "%d entries of at least %d bytes, %d bytes are left: %w", n, size, c.left(), errTruncated)
		return 0
	}
	return n
}

// name takes a key or a tensor name; the string is a copy.
func (c *cursor) name() string {
	at := c.off
	n := c.u64()
	if c.err == nil && (n == 0 || n > maxName) {
		c.fail(at, "name of %d bytes, want 1 to %d", n, maxName)
	}
	return string(c.bytes(n))
}

// value takes a type and a value of it.
func (c *cursor) value() Value {
	at := c.off
	v := Value{typ: ValueType(c.u32()), set: true}
	switch {
	case c.err != nil:
	case !v.typ.known():
		c.fail(at, "unknown value type %d", uint32(v.typ))
	case v.typ == TypeString:
		v.raw = c.bytes(c.u64())
	case v.typ == TypeArray:
		c.array(&v)
	default:
		v.raw = c.bytes(uint64(v.typ.size()))
		c.bools(at+4, v.typ, v.raw)
	}
	return v
}

// array takes the element type, the count and the elements.
func (c *cursor) array(v *Value) {
	at := c.off
	v.elem = ValueType(c.u32())
	switch {
	case c.err != nil:
		return
	case !v.elem.known():
		c.fail(at, "unknown array element type %d", uint32(v.elem))
		return
	case v.elem == TypeArray:
		c.fail(at, "array of arrays is not supported")
		return
	}
	size := uint64(8) // of a string, at least
	if v.elem != TypeString {
		size = uint64(v.elem.size())
	}
	n := c.count(size)
	v.n = int(n)
	if v.elem != TypeString {
		v.raw = c.bytes(n * size)
		c.bools(at+12, v.elem, v.raw)
		return
	}
	start := c.off
	for i := uint64(0); i < n && c.err == nil; i++ {
		c.bytes(c.u64())
	}
	if c.err == nil {
		v.raw = c.data[start:c.off:c.off]
	}
}

// bools refuses bools other than 0 and 1.
func (c *cursor) bools(at int, t ValueType, raw []byte) {
	if t != TypeBool {
		return
	}
	for i, b := range raw {
		if b > 1 {
			c.fail(at+i, "bool is %d", b)
			return
		}
	}
}

// tensor reads an entry after its name: dimensions, type, offset.
func (c *cursor) tensor(t *Tensor) {
	at := c.off
	n := c.u32()
	if c.err == nil && n > maxDims {
		c.fail(at, "%d dimensions, at most %d", n, maxDims)
		return
	}
	t.Dims = make([]uint64, n)
	for i := range t.Dims {
		t.Dims[i] = c.u64()
		if c.err == nil && (t.Dims[i] == 0 || t.Dims[i] > 1<<63-1) {
			c.fail(c.off-8, "dimension %d is %d", i, t.Dims[i])
		}
	}
	if n == 0 {
		t.Dims = []uint64{1} // a scalar
	}
	t.Type = quant.Type(c.u32())
	if c.err != nil {
		return
	}
	size, err := tensorSize(t.Type, t.Dims)
	if err != nil {
		c.fail(at, "%w", err)
		return
	}
	t.Size = size
	t.Offset = c.u64()
}
