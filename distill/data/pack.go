package data

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/qwq-edge/qwq/internal/shard"
)

// Writer packs documents into rows, one after the other in the order given, and
// writes a rows file's payload. A document that does not fit the rest of a row
// goes on in the next as a piece of its own; that it goes on is a target of the
// row's last position all the same.
type Writer struct {
	w       *bufio.Writer
	length  int
	idBytes int
	vocab   int
	tok     shard.Hash
	pad     int32
	rows    uint32
	held    []uint32
	open    [2]packing
	stats   Stats
}

// packing is the row of a split that is being filled.
type packing struct {
	ids    []int32
	starts []bool // [len(ids)]
	next   []bool // [len(ids)]: the id that follows is a target
}

// NewWriter writes to w. vocab bounds the ids, pad fills the last rows.
func NewWriter(w io.Writer, tokenizer shard.Hash, length, vocab int, pad int32) (*Writer, error) {
	if length < 2 || length > maxLength || vocab < 1 || vocab > math.MaxInt32 || pad < 0 || int(pad) >= vocab {
		return nil, fmt.Errorf("data: rows of %d ids below %d, filled up with %d", length, vocab, pad)
	}
	p := &Writer{w: bufio.NewWriterSize(w, 256<<10), length: length, idBytes: 4, vocab: vocab, tok: tokenizer, pad: pad}
	if vocab <= math.MaxUint16 {
		p.idBytes = 2
	}
	head := make([]byte, headerSize)
	copy(head, rowsMark)
	binary.LittleEndian.PutUint32(head[8:], uint32(length))
	binary.LittleEndian.PutUint32(head[12:], uint32(p.idBytes))
	binary.LittleEndian.PutUint32(head[16:], uint32(vocab))
	copy(head[24:], tokenizer[:])
	_, err := p.w.Write(head)
	return p, err
}

// Add packs a document. scored[i]: ids[i] is a target of position i-1. One
// without targets is counted and left out.
func (p *Writer) Add(s Split, ids []int32, scored []bool) error {
	targets := int64(0)
	for i, id := range ids {
		if id < 0 || int(id) >= p.vocab {
			return fmt.Errorf("data: id %d at %d of a document is not in 0 to %d", id, i, p.vocab-1)
		}
		if i > 0 && scored[i] {
			targets++
		}
	}
	if targets == 0 {
		p.stats.Empty++
		return nil
	}
	p.stats.Documents++
	p.stats.Tokens += int64(len(ids))
	p.stats.Scored += targets
	if s == HeldOut {
		p.stats.HeldOut += int64(len(ids))
	}
	row := &p.open[s]
	for i, id := range ids {
		row.ids = append(row.ids, id)
		row.starts = append(row.starts, i == 0 || len(row.ids) == 1)
		row.next = append(row.next, i+1 < len(ids) && scored[i+1])
		if len(row.ids) == p.length {
			after := int32(-1)
			if i+1 < len(ids) {
				after = ids[i+1]
			}
			if err := p.flush(s, after); err != nil {
				return err
			}
		}
	}
	return nil
}

// Room is how many ids still fit into the row of a split that is being filled:
// a document of at most that many stays in one piece.
func (p *Writer) Room(s Split) int { return p.length - len(p.open[s].ids) }

// Fill ends the row of a split that is being filled, if there is one.
func (p *Writer) Fill(s Split) error {
	row := &p.open[s]
	if len(row.ids) == 0 {
		return nil
	}
	start := true
	for len(row.ids) < p.length {
		row.ids, row.starts, row.next = append(row.ids, p.pad), append(row.starts, start), append(row.next, false)
		start = false
		p.stats.Padding++
	}
	return p.flush(s, -1)
}

// Append adds the rows of a payload that another Writer of the same settings
// closed, as they are. No row of p may be half full.
func (p *Writer) Append(payload []byte) error {
	r, err := parsePayload(payload)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if r.Length != p.length || r.Vocab != p.vocab || r.Tokenizer != p.tok || len(p.open[Train].ids)+len(p.open[HeldOut].ids) > 0 {
		return fmt.Errorf("data: rows of %d ids below %d do not go behind rows of %d below %d", r.Length, r.Vocab, p.length, p.vocab)
	}
	if uint64(p.rows)+uint64(r.Len(All)) > math.MaxUint32 {
		return fmt.Errorf("data: more than %d rows", uint32(math.MaxUint32))
	}
	for _, n := range r.split[HeldOut] {
		p.held = append(p.held, p.rows+n)
	}
	p.rows += uint32(r.Len(All))
	sum := p.stats.fields()
	for i, n := range r.Stats.fields() {
		*sum[i] += *n
	}
	_, err = p.w.Write(r.data)
	return err
}

// flush writes a full row; after is the id that follows it, or -1.
func (p *Writer) flush(s Split, after int32) error {
	if p.rows == math.MaxUint32 {
		return fmt.Errorf("data: more than %d rows", p.rows)
	}
	row := &p.open[s]
	b := make([]byte, 0, p.idBytes*(p.length+1)+2*((p.length+7)/8))
	for _, id := range append(row.ids, after) {
		b = p.appendID(b, id)
	}
	b = appendBits(appendBits(b, row.starts), row.next)
	row.ids, row.starts, row.next = row.ids[:0], row.starts[:0], row.next[:0]
	if s == HeldOut {
		p.held = append(p.held, p.rows)
	}
	p.rows++
	_, err := p.w.Write(b)
	return err
}

func (p *Writer) appendID(b []byte, id int32) []byte {
	if p.idBytes == 2 {
		return binary.LittleEndian.AppendUint16(b, uint16(id))
	}
	return binary.LittleEndian.AppendUint32(b, uint32(id))
}

func appendBits(b []byte, bits []bool) []byte {
	for i := 0; i < len(bits); i += 8 {
		v := byte(0)
		for j := i; j < min(i+8, len(bits)); j++ {
			if bits[j] {
				v |= 1 << (j - i)
			}
		}
		b = append(b, v)
	}
	return b
}

// Close fills the last rows up and ends the payload.
func (p *Writer) Close() error {
	for _, s := range []Split{Train, HeldOut} {
		if err := p.Fill(s); err != nil {
			return err
		}
	}
	var b []byte
	for _, n := range p.held {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(p.rows))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(p.held)))
	for _, f := range p.stats.fields() {
		b = binary.LittleEndian.AppendUint64(b, uint64(*f))
	}
	if _, err := p.w.Write(b); err != nil {
		return err
	}
	return p.w.Flush()
}

// Stats is what was counted so far.
func (p *Writer) Stats() Stats { return p.stats }
