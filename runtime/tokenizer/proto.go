package tokenizer

import (
	"encoding/binary"
	"fmt"
	"math"
)

// protoReader reads the protobuf wire format: fields, one after the other.
type protoReader struct {
	data []byte
	base int64 // offset of data in the file
	off  int
}

// protoField is one field: num for varints and fixed ones, data for the rest,
// at offset at in the file.
type protoField struct {
	tag  uint64
	wire uint8
	num  uint64
	data []byte
	at   int64
}

func (f protoField) float() float32 { return math.Float32frombits(uint32(f.num)) }

func (r *protoReader) fail(format string, args ...any) error {
	return &FormatError{Offset: r.base + int64(r.off), Err: fmt.Errorf(format, args...)}
}

// next returns the next field; ok is false at the end.
func (r *protoReader) next() (f protoField, ok bool, err error) {
	if r.off == len(r.data) {
		return f, false, nil
	}
	key, err := r.varint()
	if err != nil {
		return f, false, err
	}
	f.tag, f.wire, f.at = key>>3, uint8(key&7), r.base+int64(r.off)
	left := len(r.data) - r.off
	switch f.wire {
	case 0:
		f.num, err = r.varint()
	case 1:
		if left < 8 {
			return f, false, r.fail("field %d: 8 bytes, %d left", f.tag, left)
		}
		f.num = binary.LittleEndian.Uint64(r.data[r.off:])
		r.off += 8
	case 2:
		var n uint64
		if n, err = r.varint(); err != nil {
			break
		}
		if left = len(r.data) - r.off; n > uint64(left) {
			return f, false, r.fail("field %d: %d bytes, %d left", f.tag, n, left)
		}
		f.at = r.base + int64(r.off)
		f.data = r.data[r.off : r.off+int(n) : r.off+int(n)]
		r.off += int(n)
	case 5:
		if left < 4 {
			return f, false, r.fail("field %d: 4 bytes, %d left", f.tag, left)
		}
		f.num = uint64(binary.LittleEndian.Uint32(r.data[r.off:]))
		r.off += 4
	default:
		return f, false, r.fail("field %d: wire type %d", f.tag, f.wire)
	}
	return f, err == nil, err
}

func (r *protoReader) varint() (uint64, error) {
	v, n := binary.Uvarint(r.data[r.off:])
	if n <= 0 {
		return 0, r.fail("bad varint")
	}
	r.off += n
	return v, nil
}
