package data

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"runtime/debug"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/mmap"
	"github.com/qwq-edge/qwq/internal/shard"
)

// Split is training or held-out.
type Split int

// Splits.
const (
	Train Split = iota
	HeldOut
	All // both, in the file's order
)

// maxLength bounds a row, so that a header cannot ask for more.
const maxLength = 1 << 20

// A rows file, little-endian; the trailer of internal/shard follows:
//
//	0   8  "QWQROWS1"
//	8   4  length L of a row
//	12  4  bytes of an id: 2 or 4
//	16  4  ids of the vocabulary
//	20  4  0
//	24 32  SHA-256 of the tokenizer
//	56     the rows, each
//	         L ids and, behind them, the id that follows the last in its document
//	         (all ones: none)
//	         (L+7)/8 bytes, bit i: a piece of a document starts at i
//	         (L+7)/8 bytes, bit i: the id at i+1 is a target of position i
//	       H numbers of held-out rows, ascending, 4 bytes each
//	       72 bytes of counts: rows, H, then Stats in order
const (
	rowsMark   = "QWQROWS1"
	headerSize = 56
	footerSize = 72
)

// Stats counts what became of documents and tokens.
type Stats struct {
	Documents  int64 // packed
	Duplicates int64 // left out
	Empty      int64 // left out: fewer than 2 ids, or none that is a target
	Tokens     int64 // ids of packed documents
	Scored     int64 // ids that are targets, in both splits
	HeldOut    int64 // of the tokens
	Padding    int64 // ids that fill the last rows up
}

func (s *Stats) fields() []*int64 {
	return []*int64{&s.Documents, &s.Duplicates, &s.Empty, &s.Tokens, &s.Scored, &s.HeldOut, &s.Padding}
}

// Rows is an open rows file. Its methods may be used concurrently.
type Rows struct {
	m         *mmap.Map
	data      []byte // the rows
	stride    int
	idBytes   int
	Length    int
	Vocab     int
	Tokenizer shard.Hash
	Key       shard.Hash // of the job that made the file
	content   shard.Hash
	Stats     Stats
	split     [2][]uint32
}

// Open maps the rows file at path and verifies all of its bytes.
func Open(path string) (*Rows, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	r, err := open(m)
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("data: %s: %w", path, err)
	}
	return r, nil
}

func open(m *mmap.Map) (r *Rows, err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	all, err := m.Region(0, m.Len())
	if err != nil {
		return nil, err
	}
	payload, key, content, err := shard.VerifyBytes(all)
	if err != nil {
		return nil, err
	}
	if r, err = parsePayload(payload); err != nil {
		return nil, err
	}
	r.m, r.Key, r.content = m, key, content
	return r, nil
}

// guard makes an error of a mapped page that cannot be read, as when a file is
// cut while it is open. It is deferred with what SetPanicOnFault(true) returned.
func guard(before bool, err *error) {
	debug.SetPanicOnFault(before)
	if p := recover(); p != nil {
		fault, ok := p.(interface{ Addr() uintptr })
		if !ok {
			panic(p)
		}
		*err = fmt.Errorf("data: memory at %#x cannot be read: the file was cut, or the disk fails", fault.Addr())
	}
}

// parsePayload reads a rows file without trailer.
func parsePayload(b []byte) (*Rows, error) {
	if len(b) < headerSize+footerSize || string(b[:8]) != rowsMark {
		return nil, fmt.Errorf("no rows file: %d bytes, mark %.8q", len(b), b[:min(8, len(b))])
	}
	le := binary.LittleEndian
	length, idBytes, vocab := le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:])
	if length < 2 || length > maxLength || idBytes != 2 && idBytes != 4 || vocab < 1 || vocab > math.MaxInt32 || le.Uint32(b[20:]) != 0 {
		return nil, fmt.Errorf("rows of %d ids of %d bytes, vocabulary %d", length, idBytes, vocab)
	}
	r := &Rows{Length: int(length), idBytes: int(idBytes), Vocab: int(vocab), Tokenizer: shard.Hash(b[24:56])}
	r.stride = r.idBytes*(r.Length+1) + 2*((r.Length+7)/8)
	foot := b[len(b)-footerSize:]
	rows, held := le.Uint64(foot), le.Uint64(foot[8:])
	body := uint64(len(b) - headerSize - footerSize)
	if rows > body/uint64(r.stride) || held > rows || rows > math.MaxUint32 || rows*uint64(r.stride)+4*held != body {
		return nil, fmt.Errorf("%d rows of %d bytes and %d held-out numbers are not the %d bytes there are", rows, r.stride, held, body)
	}
	for i, f := range r.Stats.fields() {
		*f = int64(le.Uint64(foot[16+8*i:]))
	}
	r.data = b[headerSize : headerSize+int(rows)*r.stride]
	list := b[headerSize+len(r.data):]
	r.split[HeldOut] = make([]uint32, held)
	for i := range r.split[HeldOut] {
		r.split[HeldOut][i] = le.Uint32(list[4*i:])
	}
	r.split[Train] = make([]uint32, 0, rows-held)
	next := 0
	for i := range uint32(rows) {
		if next < int(held) && r.split[HeldOut][next] == i {
			next++
			continue
		}
		r.split[Train] = append(r.split[Train], i)
	}
	if next != int(held) {
		return nil, fmt.Errorf("held-out number %d is out of order or range", r.split[HeldOut][next])
	}
	return r, nil
}

// Close unmaps the file.
func (r *Rows) Close() error {
	if r.m == nil {
		return nil
	}
	return r.m.Close()
}

// Len is the number of rows of a split.
func (r *Rows) Len(s Split) int {
	if s == All {
		return len(r.split[Train]) + len(r.split[HeldOut])
	}
	return len(r.split[s])
}

// View is one split of a file, as the teacher cache takes it.
type View struct {
	rows  *Rows
	split Split
}

// View is a split of r, valid until Close.
func (r *Rows) View(s Split) View { return View{r, s} }

// ID names the file's content and the split: the same rows have the same one,
// however many parts they were made in.
func (v View) ID() shard.Hash {
	return sha256.Sum256(append(v.rows.content[:], byte(v.split)))
}

// Rows is the number of rows.
func (v View) Rows() int { return v.rows.Len(v.split) }

// Length is the number of ids of a row.
func (v View) Length() int { return v.rows.Length }

// Batch fills b with the rows that index names, in that order.
func (v View) Batch(index []int, b *distill.Batch) error { return v.rows.Batch(v.split, index, b) }

// Batch fills b with the rows of a split that index names, in that order,
// reusing its slices.
func (r *Rows) Batch(s Split, index []int, b *distill.Batch) (err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	b.IDs, b.Next, b.Docs = b.IDs[:0], b.Next[:0], b.Docs[:0]
	b.Rows, b.Length = len(index), r.Length
	for _, i := range index {
		if i < 0 || i >= r.Len(s) {
			return fmt.Errorf("data: row %d is not in 0 to %d", i, r.Len(s)-1)
		}
		if s != All {
			i = int(r.split[s][i])
		}
		if err := r.row(i, b); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rows) id(row []byte, i int) int32 {
	if r.idBytes == 2 {
		if v := binary.LittleEndian.Uint16(row[2*i:]); v != math.MaxUint16 {
			return int32(v)
		}
		return -1
	}
	return int32(binary.LittleEndian.Uint32(row[4*i:]))
}

func (r *Rows) row(i int, b *distill.Batch) error {
	row := r.data[i*r.stride : (i+1)*r.stride]
	bits := (r.Length + 7) / 8
	starts := row[r.idBytes*(r.Length+1):]
	scored := starts[bits:]
	at := 0 // where the current piece starts
	for p := range r.Length {
		id := r.id(row, p)
		if id < 0 || int(id) >= r.Vocab {
			return fmt.Errorf("data: row %d: id %d at %d is not in 0 to %d", i, id, p, r.Vocab-1)
		}
		b.IDs = append(b.IDs, id)
		next := int32(-1)
		if scored[p/8]>>(p%8)&1 != 0 {
			next = r.id(row, p+1)
			if next < 0 || int(next) >= r.Vocab {
				return fmt.Errorf("data: row %d: target %d of %d is not in 0 to %d", i, next, p, r.Vocab-1)
			}
		}
		b.Next = append(b.Next, next)
		if p > at && starts[p/8]>>(p%8)&1 != 0 {
			b.Docs = append(b.Docs, int32(p-at))
			at = p
		}
	}
	b.Docs = append(b.Docs, int32(r.Length-at))
	return nil
}
