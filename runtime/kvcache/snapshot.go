package kvcache

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// A snapshot, all numbers little-endian uint32:
//
//	 0  8  magic "qwqkv\x00\x02\n" (the last but one byte is the version)
//	 8  4  type of the entries (ggml's number)
//	12  4  layers
//	16  4  KV heads
//	20  4  head dimension
//	24  4  positions of a page (64)
//	28  4  positions n of the sequence
//	32  4  its first position here, a multiple of 64
//	36  4  CRC-32C of bytes 0 to 35
//	40     the pages of positions first to n-1, each its bytes and their CRC-32C
//
// The bytes of positions that were never written are zero.
const (
	magic      = "qwqkv\x00\x02\n"
	headerSize = 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrSnapshot is wrapped by the errors of Load that blame its input.
var ErrSnapshot = errors.New("not a usable kv snapshot")

func badSnapshot(format string, a ...any) error {
	return fmt.Errorf("kvcache: %w: %s", ErrSnapshot, fmt.Sprintf(format, a...))
}

func (s *Seq) header(first int) []byte {
	spec, le := s.c.store.Spec(), binary.LittleEndian
	h := append(make([]byte, 0, headerSize), magic...)
	for _, v := range []int{int(spec.Type), spec.Layers, spec.Heads, spec.Dim, PagePositions, s.n, first} {
		h = le.AppendUint32(h, uint32(v))
	}
	return le.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// SaveSize is how many bytes SaveFrom writes.
func (s *Seq) SaveSize(first int) int64 {
	return headerSize + int64(pagesFor(s.n)-first/PagePositions)*int64(s.c.store.PageBytes()+4)
}

// Save writes the sequence's keys and values.
func (s *Seq) Save(w io.Writer) error { return s.SaveFrom(w, 0) }

// SaveFrom writes those of the positions from first on, the beginning of a page.
func (s *Seq) SaveFrom(w io.Writer, first int) error {
	if first < 0 || first > s.n || first%PagePositions != 0 {
		return fmt.Errorf("kvcache: snapshot from position %d of %d, not a page's first", first, s.n)
	}
	b := bufio.NewWriter(w)
	b.Write(s.header(first)) // errors of a bufio.Writer stick until Flush
	p := make([]byte, s.c.store.PageBytes())
	for i := first / PagePositions; i < pagesFor(s.n); i++ {
		if err := s.c.store.ReadPage(s.pages[i], p); err != nil {
			return err
		}
		blank(p, s.c.store.Spec(), s.n-i*PagePositions)
		b.Write(p)
		b.Write(binary.LittleEndian.AppendUint32(nil, crc32.Checksum(p, castagnoli)))
	}
	return b.Flush()
}

// blank zeroes the positions from n on, in every run of 64 rows (keys, then
// values, of each head of each layer): they may hold another sequence's.
func blank(p []byte, spec backend.KVSpec, n int) {
	row, _ := spec.Type.RowBytes(spec.Dim)
	if n >= PagePositions || row == 0 {
		return
	}
	for run := PagePositions * row; len(p) >= run; p = p[run:] {
		clear(p[n*row : run])
	}
}

// Load replaces the sequence by a snapshot that Save wrote for a model of the same shape
// and KV type. It never takes more than the pages that are free, nor a page before its
// header is checked; on an error the sequence is empty.
func (s *Seq) Load(r io.Reader) error {
	s.Release()
	return s.Append(r, 1<<31-1)
}

// Append reads a snapshot that SaveFrom wrote of a sequence that began like this one, as
// far as position most-1, in place of what the sequence has from its first position on;
// it reads no further. On an error the sequence ends before that position.
func (s *Seq) Append(r io.Reader, most int) error {
	h := make([]byte, headerSize)
	if _, err := io.ReadFull(r, h); err != nil {
		return readError("header", err)
	}
	le, spec := binary.LittleEndian, s.c.store.Spec()
	if string(h[:8]) != magic {
		return badSnapshot("magic %q", h[:8])
	}
	if got, want := le.Uint32(h[36:]), crc32.Checksum(h[:36], castagnoli); got != want {
		return badSnapshot("header checksum %08x, want %08x", got, want)
	}
	for i, want := range []int{int(spec.Type), spec.Layers, spec.Heads, spec.Dim, PagePositions} {
		if got := le.Uint32(h[8+4*i:]); got != uint32(want) {
			name := []string{"type", "layers", "kv heads", "head dimension", "page positions"}[i]
			if i == 0 {
				return badSnapshot("%s %v, the cache has %v", name, quant.Type(got), spec.Type)
			}
			return badSnapshot("%s %d, the cache has %d", name, got, want)
		}
	}
	n, first := uint64(le.Uint32(h[28:])), uint64(le.Uint32(h[32:]))
	if first > n || first%PagePositions != 0 || first > uint64(s.n) {
		return badSnapshot("positions %d to %d for a sequence of %d", first, n, s.n)
	}
	if n = min(n, uint64(max(most, 0))); n > uint64(s.c.total)*PagePositions {
		return badSnapshot("%d positions, the cache holds %d", n, s.c.total*PagePositions)
	}
	if n <= first {
		return nil
	}
	s.Truncate(int(first))
	if err := s.load(r, int(n)); err != nil {
		s.Truncate(int(first))
		return err
	}
	return nil
}

// readError blames the snapshot where it is too short, else whoever reads it.
func readError(what string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return badSnapshot("%s: %v", what, err)
	}
	return fmt.Errorf("kvcache: snapshot: %s: %w", what, err)
}

// load reads the pages of positions s.n, a page's first, to n-1.
func (s *Seq) load(r io.Reader, n int) error {
	p := make([]byte, s.c.store.PageBytes()+4)
	for at := s.n; at < n; at += PagePositions {
		end := min(at+PagePositions, n)
		if _, err := io.ReadFull(r, p); err != nil {
			return readError(fmt.Sprintf("page %d", at/PagePositions), err)
		}
		page, sum := p[:len(p)-4], binary.LittleEndian.Uint32(p[len(p)-4:])
		if got := crc32.Checksum(page, castagnoli); got != sum {
			return badSnapshot("page %d: checksum %08x, want %08x", at/PagePositions, got, sum)
		}
		if err := s.Reserve(end); err != nil {
			return err
		}
		if err := s.c.store.WritePage(s.pages[at/PagePositions], page); err != nil {
			return err
		}
		s.Commit(end)
	}
	return nil
}
