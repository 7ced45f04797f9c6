package store

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// Model tells models apart: a hash of all that decides the bytes of a snapshot.
type Model [32]byte

// Snapshot says what Put stores.
type Snapshot struct {
	Model   Model
	IDs     []int32 // tokens up to which it holds keys and values
	From    int     // the first of them whose it holds: it continues other snapshots
	Session Tag     // a conversation's snapshots continue each other
	Size    int64   // bytes that will be written
}

// Tag tells sessions apart; the zero value is none.
type Tag [16]byte

// A snapshot's file, numbers little-endian:
//
//	 0  8  magic
//	 8 32  model
//	40 16  tag of the session, or zero
//	56  8  bytes of the content
//	64 16  nonce, random
//	80  4  tokens n, 1 to 2^20
//	84  4  the first of them that the content is of
//	88 4n  ids
//	   4  CRC-32C of all that is before
//
// then the content in blocks of 64 KiB, the last one shorter, each with the CRC-32C of
// nonce, number of the block and bytes: a block of another file, which a file system may
// show after a power cut, is not taken for one of this file.
const (
	magic     = "qwqpfx\x00\x02"
	fixed     = 88
	blockSize = 64 << 10
	mostIDs   = 1 << 20
	mostSize  = int64(1) << 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is a snapshot's file without its content.
type header struct {
	model Model
	tag   Tag
	size  int64 // of the content
	nonce [16]byte
	from  int
	ids   []int32
}

// name is the file of a model's tokens.
func name(m Model, ids []int32, from int) string {
	h := sha256.New()
	h.Write([]byte("qwq prefix\x00"))
	h.Write(m[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(from)))
	h.Write(idBytes(ids))
	return "kv/" + hex.EncodeToString(h.Sum(nil)[:16]) + ".kv"
}

func idBytes(ids []int32) []byte {
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return b
}

func parseIDs(b []byte) []int32 {
	ids := make([]int32, len(b)/4)
	for i := range ids {
		ids[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return ids
}

// fileSize is the length of a file with n ids and so much content.
func fileSize(n int, size int64) int64 {
	blocks := (size + blockSize - 1) / blockSize
	return fixed + 4*int64(n) + 4 + size + 4*blocks
}

func (h *header) bytes() []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, fixed+4*len(h.ids)+4), magic...)
	b = append(b, h.model[:]...)
	b = append(b, h.tag[:]...)
	b = le.AppendUint64(b, uint64(h.size))
	b = append(b, h.nonce[:]...)
	b = le.AppendUint32(b, uint32(len(h.ids)))
	b = le.AppendUint32(b, uint32(h.from))
	b = append(b, idBytes(h.ids)...)
	return le.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func corrupt(format string, a ...any) error {
	return fmt.Errorf("store: %w: %s", ErrCorrupt, fmt.Sprintf(format, a...))
}

// readHeader reads and checks a header. length is the file's, so that nothing is
// allocated for what cannot be there.
func readHeader(r io.Reader, length int64) (*header, error) {
	b := make([]byte, fixed)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, corrupt("header: %v", err)
	}
	le := binary.LittleEndian
	if string(b[:8]) != magic {
		return nil, corrupt("magic %q", b[:8])
	}
	n, from := le.Uint32(b[80:]), le.Uint32(b[84:])
	if n < 1 || n > mostIDs || from >= n || fixed+4*int64(n)+4 > length {
		return nil, corrupt("tokens %d to %d in a file of %d bytes", from, n, length)
	}
	b = append(b, make([]byte, 4*n+4)...)
	if _, err := io.ReadFull(r, b[fixed:]); err != nil {
		return nil, corrupt("ids: %v", err)
	}
	end := len(b) - 4
	if got, want := le.Uint32(b[end:]), crc32.Checksum(b[:end], castagnoli); got != want {
		return nil, corrupt("header checksum %08x, want %08x", got, want)
	}
	h := &header{size: int64(le.Uint64(b[56:])), from: int(from), ids: parseIDs(b[fixed:end])}
	copy(h.model[:], b[8:])
	copy(h.tag[:], b[40:])
	copy(h.nonce[:], b[64:])
	if h.size < 0 || h.size > mostSize || fileSize(len(h.ids), h.size) != length {
		return nil, corrupt("%d tokens and %d bytes of content in a file of %d bytes", n, h.size, length)
	}
	return h, nil
}

func (h *header) same(o *header) bool {
	return h.model == o.model && h.tag == o.tag && h.size == o.size && h.nonce == o.nonce && h.from == o.from && slices.Equal(h.ids, o.ids)
}

// sum is the checksum of block i.
func (h *header) sum(i int64, p []byte) uint32 {
	b := binary.LittleEndian.AppendUint64(h.nonce[:len(h.nonce):len(h.nonce)], uint64(i))
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, p)
}

// blockWriter writes content as blocks.
type blockWriter struct {
	w    io.Writer
	h    *header
	buf  []byte
	i    int64 // blocks written
	left int64 // bytes of the content that are missing
}

func newBlockWriter(w io.Writer, h *header) (*blockWriter, error) {
	rand.Read(h.nonce[:])
	if _, err := w.Write(h.bytes()); err != nil {
		return nil, err
	}
	return &blockWriter{w: w, h: h, buf: make([]byte, 0, blockSize+4), left: h.size}, nil
}

func (b *blockWriter) Write(p []byte) (int, error) {
	n := 0
	if int64(len(p)) > b.left {
		return 0, fmt.Errorf("store: more content than the %d bytes that were announced", b.h.size)
	}
	for len(p) > 0 {
		k := min(len(p), blockSize-len(b.buf))
		b.buf = append(b.buf, p[:k]...)
		p, n, b.left = p[k:], n+k, b.left-int64(k)
		if len(b.buf) == blockSize || b.left == 0 {
			b.buf = binary.LittleEndian.AppendUint32(b.buf, b.h.sum(b.i, b.buf))
			if _, err := b.w.Write(b.buf); err != nil {
				return n, err
			}
			b.buf = b.buf[:0]
			b.i++
		}
	}
	return n, nil
}

// done reports whether all was written.
func (b *blockWriter) done() error {
	if b.left > 0 {
		return fmt.Errorf("store: %d of %d bytes of content are missing", b.left, b.h.size)
	}
	return nil
}

// blockReader gives content of checked blocks only.
type blockReader struct {
	r    io.Reader
	h    *header
	buf  []byte
	rest []byte // of buf
	i    int64
	left int64 // bytes after rest
	err  error
}

func newBlockReader(r io.Reader, h *header) *blockReader {
	return &blockReader{r: r, h: h, buf: make([]byte, blockSize+4), left: h.size}
}

func (b *blockReader) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		if b.err == nil {
			b.err = b.next()
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *blockReader) next() error {
	if b.left == 0 {
		return io.EOF
	}
	n := int(min(b.left, blockSize))
	p := b.buf[:n+4]
	if _, err := io.ReadFull(b.r, p); err != nil {
		return corrupt("block %d: %v", b.i, err)
	}
	if got, want := binary.LittleEndian.Uint32(p[n:]), b.h.sum(b.i, p[:n]); got != want {
		return corrupt("block %d: checksum %08x, want %08x", b.i, got, want)
	}
	b.rest, b.left = p[:n], b.left-int64(n)
	b.i++
	return nil
}

// SessionTag is the tag of a session.
func SessionTag(user uint32, id string) Tag { return tagOf(user, id) }

func tagOf(user uint32, id string) (t Tag) {
	var b bytes.Buffer
	b.WriteString("qwq session\x00")
	b.Write(binary.LittleEndian.AppendUint32(nil, user))
	b.WriteString(id)
	s := sha256.Sum256(b.Bytes())
	copy(t[:], s[:])
	return t
}
