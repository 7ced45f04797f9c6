package data

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/parquet-go/parquet-go/format"
)

// Bounds of a parquet page. Writers make pages of about 1 MiB; the library
// allocates whatever a page header asks for, so we look at every header first.
const (
	maxPageBytes  = 256 << 20
	maxPageValues = 1 << 25
	maxPageHeader = 1 << 20
	maxColumns    = 10000 // the library descends the schema by recursion
)

// checkFooter walks the metadata at the end of a file of size bytes: the library
// would allocate what lengths and counts ask for.
func checkFooter(f io.ReaderAt, size int64) error {
	var end [8]byte
	if size < 12 {
		return fmt.Errorf("%d bytes are no parquet file", size)
	}
	if _, err := f.ReadAt(end[:], size-8); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if string(end[4:]) != "PAR1" || n > size-12 {
		return fmt.Errorf("no parquet file, or one that is cut: %q at its end, metadata of %d bytes in %d", end[4:], n, size)
	}
	t := &thrift{r: bufio.NewReaderSize(io.NewSectionReader(f, size-8-n, n), 64<<10), limit: n}
	err := t.fields(func(id int64, typ byte) error {
		if id == 2 && typ == 9 {
			if b, err := t.r.Peek(6); len(b) < 6 {
				return err
			} else if c, _ := binary.Uvarint(b[1:]); b[0]>>4 == 15 && c > maxColumns {
				return fmt.Errorf("%d columns, at most %d are taken", c, maxColumns)
			}
		}
		return t.skip(typ, 0)
	})
	if err != nil {
		return fmt.Errorf("metadata: %w", noEOF(err))
	}
	return nil
}

// checkPages walks the page headers of all columns of a file of size bytes.
func checkPages(f io.ReaderAt, size int64, meta *format.FileMetaData) error {
	for g := range meta.RowGroups {
		for c := range meta.RowGroups[g].Columns {
			m := &meta.RowGroups[g].Columns[c].MetaData
			start := m.DataPageOffset
			if m.DictionaryPageOffset > 0 {
				start = min(start, m.DictionaryPageOffset)
			}
			if start < 4 || m.TotalCompressedSize < 0 || start > size-m.TotalCompressedSize || m.NumValues < 0 {
				return fmt.Errorf("row group %d, column %d: %d bytes at %d with %d values in a file of %d", g, c, m.TotalCompressedSize, start, m.NumValues, size)
			}
			if err := checkChunk(io.NewSectionReader(f, start, m.TotalCompressedSize), m.TotalCompressedSize); err != nil {
				return fmt.Errorf("row group %d, column %d: %w", g, c, err)
			}
		}
	}
	return nil
}

func checkChunk(r *io.SectionReader, size int64) error {
	for at := int64(0); at < size; {
		if _, err := r.Seek(at, io.SeekStart); err != nil {
			return err
		}
		h := &thrift{r: bufio.NewReaderSize(r, 512), limit: maxPageHeader}
		page, err := h.pageHeader()
		if err != nil {
			return fmt.Errorf("page at %d of %d: %w", at, size, noEOF(err))
		}
		rest := size - at - h.n
		if page.plain < 0 || page.plain > maxPageBytes || page.packed < 0 || page.packed > rest || page.values < 0 || page.values > maxPageValues {
			return fmt.Errorf("page at %d: %d bytes of the %d left become %d with %d values; at most %d with %d are taken",
				at, page.packed, rest, page.plain, page.values, maxPageBytes, maxPageValues)
		}
		at += h.n + page.packed
	}
	return nil
}

// thrift reads as much of Thrift's compact protocol as a page header needs.
type thrift struct {
	r     *bufio.Reader
	n     int64 // bytes read
	limit int64 // of them
}

type pageHeader struct{ plain, packed, values int64 }

var errThrift = errors.New("malformed header")

func (t *thrift) byte() (byte, error) {
	if t.n++; t.n > t.limit {
		return 0, errThrift
	}
	return t.r.ReadByte()
}

// ReadByte lets binary read varints.
func (t *thrift) ReadByte() (byte, error) { return t.byte() }

// fields calls f for each field of a structure; f reads or skips its value.
func (t *thrift) fields(f func(id int64, typ byte) error) error {
	id := int64(0)
	for {
		b, err := t.byte()
		if err != nil {
			return err
		}
		if b == 0 {
			return nil
		}
		if d := b >> 4; d != 0 {
			id += int64(d)
		} else if id, err = binary.ReadVarint(t); err != nil {
			return err
		}
		if err := f(id, b&15); err != nil {
			return err
		}
	}
}

// pageHeader: 2 uncompressed size, 3 compressed size; 5, 7 and 8 are the headers
// of data pages, dictionaries and data pages v2, whose field 1 is the number of
// values.
func (t *thrift) pageHeader() (p pageHeader, err error) {
	p = pageHeader{-1, -1, 0}
	err = t.fields(func(id int64, typ byte) (err error) {
		switch {
		case id == 2 && typ == 5:
			p.plain, err = binary.ReadVarint(t)
		case id == 3 && typ == 5:
			p.packed, err = binary.ReadVarint(t)
		case (id == 5 || id == 7 || id == 8) && typ == 12:
			err = t.fields(func(id int64, typ byte) (err error) {
				if id == 1 && typ == 5 {
					var n int64
					n, err = binary.ReadVarint(t)
					p.values = max(p.values, n)
					if n < 0 {
						err = errThrift
					}
					return err
				}
				return t.skip(typ, 0)
			})
		default:
			err = t.skip(typ, 0)
		}
		return err
	})
	return p, err
}

// skip passes over a value of a type.
func (t *thrift) skip(typ byte, depth int) error {
	if depth > 16 {
		return errThrift
	}
	switch typ {
	case 1, 2: // true, false: the type is the value
		return nil
	case 3:
		_, err := t.byte()
		return err
	case 4, 5, 6:
		_, err := binary.ReadVarint(t)
		return err
	case 7:
		return t.discard(8)
	case 8:
		n, err := binary.ReadUvarint(t)
		if err != nil {
			return err
		}
		return t.discard(n)
	case 9, 10:
		return t.skipList(depth)
	case 12:
		return t.fields(func(_ int64, typ byte) error { return t.skip(typ, depth+1) })
	}
	return errThrift
}

func (t *thrift) skipList(depth int) error {
	b, err := t.byte()
	if err != nil {
		return err
	}
	n := uint64(b >> 4)
	if n == 15 {
		if n, err = binary.ReadUvarint(t); err != nil {
			return err
		}
	}
	if n > uint64(t.limit-t.n) { // an element takes at least a byte
		return errThrift
	}
	elem := b & 15
	if elem == 1 || elem == 2 { // in a list a bool is a byte
		return t.discard(n)
	}
	for range n {
		if err := t.skip(elem, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (t *thrift) discard(n uint64) error {
	if n > math.MaxInt32 || t.n+int64(n) > t.limit {
		return errThrift
	}
	t.n += int64(n)
	_, err := t.r.Discard(int(n))
	return err
}
