package cache

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/shard"
)

// The index's payload, little-endian: the header, 4 bytes length and Stats as
// JSON, then
//
//	4 parts, 4 frames, 8 rows
//	per part    8  offset of the first block
//	            8  offset of the last block
//	            8  size of the file
//	           32  SHA-256 of the header, the last block and the trailer
//	per frame   4  part, 4 rows
//	            8  offset and 4 size of its block
//	           16  the block's sum
//	per row    32  key, ascending
//	            4  frame, 4 number in it
const (
	partEntry  = 56
	frameEntry = 36
	rowEntry   = 40
)

type frameRef struct {
	part, rows int
	off, size  int64
	sum        [16]byte
}

type rowRef struct {
	key   distill.Hash
	frame uint32
	slot  uint32
}

// indexer collects what an index holds from parts read one after the other.
type indexer struct {
	head   []byte // of the parts
	h      *Header
	parts  []byte
	frames []byte
	nFrame uint32
	rows   []rowRef
	stats  Stats
}

// Reduce implements shard.Job.
func (j *Job) Reduce(ctx context.Context, parts []io.Reader, w io.Writer) error {
	return Index(ctx, parts, w)
}

// Index writes the index of parts that Recorders wrote; each is a *shard.Part.
func Index(ctx context.Context, parts []io.Reader, w io.Writer) error {
	x := &indexer{}
	for i, r := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, ok := r.(*shard.Part)
		if !ok {
			return errors.New("cache: a part without trailer")
		}
		if err := x.add(i, p); err != nil {
			return fmt.Errorf("cache: part %d: %w", i, err)
		}
	}
	return x.write(w, len(parts))
}

// add reads part i from beginning to end.
func (x *indexer) add(i int, p *shard.Part) error {
	all := sha256.New() // of the payload
	r := &counting{r: io.TeeReader(p, all)}
	h, head, err := readHeader(r, partMark)
	if err != nil {
		return err
	}
	if x.head == nil {
		x.h, x.head, x.stats.Mass = h, head, make([]float64, len(h.Temps))
	}
	if !bytes.Equal(x.head, head) {
		return errors.New("another header than part 0")
	}
	le := binary.LittleEndian
	entry := le.AppendUint64(nil, uint64(r.n))
	edge := sha256.New()
	edge.Write(head)
	for {
		off := r.n
		block, rows, err := readBlock(r)
		if err != nil {
			return fmt.Errorf("block at %d: %w", off, err)
		}
		if rows == 0 {
			var s Stats
			if err := json.Unmarshal(block[blockHead:], &s); err != nil || len(s.Mass) != len(x.stats.Mass) {
				return fmt.Errorf("block at %d: counts of %d temperatures: %w", off, len(s.Mass), err)
			}
			x.stats.add(&s)
			edge.Write(block)
			entry = le.AppendUint64(entry, uint64(off))
			break
		}
		for s := range rows {
			x.rows = append(x.rows, rowRef{distill.Hash(block[blockHead+32*s:]), x.nFrame, uint32(s)})
		}
		x.frames = le.AppendUint32(le.AppendUint32(x.frames, uint32(i)), uint32(rows))
		x.frames = le.AppendUint32(le.AppendUint64(x.frames, uint64(off)), uint32(len(block)))
		x.frames = append(x.frames, block[8:24]...)
		x.nFrame++
	}
	if r.n != p.Size() {
		return fmt.Errorf("ends at %d, but has %d bytes", r.n, p.Size())
	}
	entry = le.AppendUint64(entry, uint64(r.n+shard.TrailerSize))
	edge.Write(p.Trailer(all))
	x.parts = append(x.parts, edge.Sum(entry)...)
	return nil
}

// readBlock reads the next block whole and checks its sum.
func readBlock(r io.Reader) (block []byte, rows int, err error) {
	var head [blockHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, 0, noEOF(err)
	}
	rows, n := int(binary.LittleEndian.Uint32(head[:])), binary.LittleEndian.Uint32(head[4:])
	if rows > frameRows || n > maxFrame {
		return nil, 0, fmt.Errorf("%d rows, %d bytes", rows, n)
	}
	block = append(make([]byte, 0, blockHead+32*rows), head[:]...)
	buf := bytes.NewBuffer(block)
	if _, err := io.CopyN(buf, r, int64(32*rows)+int64(n)); err != nil {
		return nil, 0, noEOF(err)
	}
	block = buf.Bytes()
	if sum := blockSum(block); !bytes.Equal(sum[:], block[8:24]) {
		return nil, 0, errors.New("checksum does not match")
	}
	return block, rows, nil
}

type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (s *Stats) add(o *Stats) {
	s.Rows += o.Rows
	s.Positions += o.Positions
	for i, m := range o.Mass {
		s.Mass[i] += m
	}
}

func (x *indexer) write(w io.Writer, parts int) error {
	if int64(len(x.rows)) != x.stats.Rows {
		return fmt.Errorf("cache: %d rows counted, %d there", x.stats.Rows, len(x.rows))
	}
	slices.SortFunc(x.rows, func(a, b rowRef) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.frame, b.frame), cmp.Compare(a.slot, b.slot))
	})
	out, err := appendHeader(nil, indexMark, x.h)
	if err != nil {
		return err
	}
	js, err := json.Marshal(&x.stats)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	out = append(le.AppendUint32(out, uint32(len(js))), js...)
	out = le.AppendUint32(le.AppendUint32(out, uint32(parts)), x.nFrame)
	out = le.AppendUint64(out, uint64(len(x.rows)))
	out = append(append(out, x.parts...), x.frames...)
	for _, r := range x.rows {
		out = le.AppendUint32(le.AppendUint32(append(out, r.key[:]...), r.frame), r.slot)
	}
	_, err = w.Write(out)
	return err
}

// index is a parsed index; its tables are views of the file.
type index struct {
	h      *Header
	stats  Stats
	head   []byte
	parts  []byte
	frames []byte
	rows   []byte
}

// parseIndex checks everything but the hash.
func parseIndex(payload []byte) (*index, error) {
	r := bytes.NewReader(payload)
	h, head, err := readHeader(r, indexMark)
	if err != nil {
		return nil, err
	}
	x := &index{h: h, head: head}
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, noEOF(err)
	}
	size := binary.LittleEndian.Uint32(n[:])
	if size > maxHeader || int64(size)+16 > int64(r.Len()) {
		return nil, fmt.Errorf("counts of %d bytes", size)
	}
	b := payload[len(payload)-r.Len():]
	if err := json.Unmarshal(b[:size], &x.stats); err != nil || len(x.stats.Mass) != len(h.Temps) {
		return nil, fmt.Errorf("counts of %d temperatures: %w", len(x.stats.Mass), err)
	}
	b = b[size:]
	le := binary.LittleEndian
	parts, frames, rows := uint64(le.Uint32(b)), uint64(le.Uint32(b[4:])), le.Uint64(b[8:])
	b = b[16:]
	if rows > math.MaxUint32 || parts*partEntry+frames*frameEntry+rows*rowEntry != uint64(len(b)) {
		return nil, fmt.Errorf("%d parts, %d frames, %d rows do not take %d bytes", parts, frames, rows, len(b))
	}
	x.parts, b = b[:parts*partEntry], b[parts*partEntry:]
	x.frames, x.rows = b[:frames*frameEntry], b[frames*frameEntry:]
	return x, x.check()
}

// check makes sure that frames lie in their parts and rows in their frames.
func (x *index) check() error {
	for i := range len(x.parts) / partEntry {
		first, last, size := x.part(i)
		if first < 0 || last < first || size < last+blockHead+shard.TrailerSize {
			return fmt.Errorf("part %d: blocks from %d to %d in %d bytes", i, first, last, size)
		}
	}
	for i := range len(x.frames) / frameEntry {
		f := x.frame(i)
		if f.part >= len(x.parts)/partEntry || f.rows < 1 || f.rows > frameRows {
			return fmt.Errorf("frame %d: %d rows in part %d", i, f.rows, f.part)
		}
		first, last, _ := x.part(f.part)
		if f.off < first || f.off > last || f.size < int64(blockHead+32*f.rows) || f.size > last-f.off {
			return fmt.Errorf("frame %d: %d bytes at %d of part %d, blocks from %d to %d", i, f.size, f.off, f.part, first, last)
		}
	}
	for i := range len(x.rows) / rowEntry {
		r := x.row(i)
		if int(r.frame) >= len(x.frames)/frameEntry || int(r.slot) >= x.frame(int(r.frame)).rows {
			return fmt.Errorf("row %d: number %d of frame %d", i, r.slot, r.frame)
		}
	}
	return nil
}

func (x *index) part(i int) (first, last, size int64) {
	e := x.parts[i*partEntry:]
	le := binary.LittleEndian
	return int64(le.Uint64(e)), int64(le.Uint64(e[8:])), int64(min(le.Uint64(e[16:]), math.MaxInt64))
}

func (x *index) partSum(i int) []byte { return x.parts[i*partEntry+24 : (i+1)*partEntry] }

func (x *index) frame(i int) frameRef {
	e := x.frames[i*frameEntry:]
	le := binary.LittleEndian
	return frameRef{int(le.Uint32(e)), int(le.Uint32(e[4:])), int64(le.Uint64(e[8:])), int64(le.Uint32(e[16:])), [16]byte(e[20:36])}
}

func (x *index) row(i int) rowRef {
	e := x.rows[i*rowEntry:]
	return rowRef{distill.Hash(e[:32]), binary.LittleEndian.Uint32(e[32:]), binary.LittleEndian.Uint32(e[36:])}
}

// find is the row with the key, -1 when there is none.
func (x *index) find(key distill.Hash) int {
	n := len(x.rows) / rowEntry
	lo, hi := 0, n
	for lo < hi {
		m := (lo + hi) / 2
		if bytes.Compare(x.rows[m*rowEntry:m*rowEntry+32], key[:]) < 0 {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo < n && bytes.Equal(x.rows[lo*rowEntry:lo*rowEntry+32], key[:]) {
		return lo
	}
	return -1
}
