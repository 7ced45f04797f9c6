package convert

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/qwq-edge/qwq/convert/spool"
	"github.com/qwq-edge/qwq/convert/torch"
)

// maxWindow bounds what a zstd stream may ask the decoder to remember; level 19
// uses 8 MiB, --ultra 22 128 MiB.
const maxWindow = 128 << 20

// openCompressed unpacks a .gz or .zst file into a temporary file. Its first
// bytes are looked at before the disk is filled with something that is no
// checkpoint, and it cannot grow beyond the disk's free space.
func (s *source) openCompressed(path string, f *os.File, size int64, k kind, o opening) error {
	wrap := func(err error) error {
		if strings.HasPrefix(err.Error(), string(k)+": ") { // the decoder says so itself
			return fmt.Errorf("convert: %s: %w", path, err)
		}
		return fmt.Errorf("convert: %s: %s: %w", path, k, err)
	}
	counted := &progressReader{r: io.NewSectionReader(f, 0, size), total: size, what: path, note: o.note}
	r, stop, err := decompress(k, bufio.NewReaderSize(counted, 256<<10), o.limit)
	if err != nil {
		return wrap(err)
	}
	defer stop()
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(sniffLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return wrap(err)
	}
	inner, err := sniff(head, -1)
	if err == nil && (inner == kindGzip || inner == kindZstd) {
		err = fmt.Errorf("holds %s data: compressed twice", inner)
	}
	if err != nil {
		return wrap(err)
	}
	sp, err := spool.Create(o.spool)
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	s.closers = append(s.closers, sp)
	room, err := sp.Room(announced(k, f))
	if err != nil {
		return wrap(err)
	}
	if _, _, err := sp.Append(o.ctx, br, room); errors.Is(err, spool.ErrLimit) {
		return wrap(fmt.Errorf("%w: there is room for %d bytes", spool.ErrSpace, room))
	} else if err != nil {
		return wrap(err)
	}
	return s.openAs(inner, path, sp.Path(), sp, sp.Size(), torch.Options{Dir: o.spool, Context: o.ctx})
}

// decompress starts a decoder of bounded memory; stop ends it.
func decompress(k kind, r io.Reader, limit int64) (io.Reader, func(), error) {
	if k == kindGzip {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { z.Close() }, nil
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(uint64(min(maxWindow, max(limit, 8<<20)))), zstd.WithDecoderMaxMemory(1<<62))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

// announced is the unpacked size that a zstd frame states, 0 = unknown.
func announced(k kind, f *os.File) int64 {
	if k != kindZstd {
		return 0
	}
	var b [zstd.HeaderMaxSize]byte
	n, _ := f.ReadAt(b[:], 0)
	var h zstd.Header
	if h.Decode(b[:n]) != nil || !h.HasFCS || h.FrameContentSize > 1<<62 {
		return 0
	}
	return int64(h.FrameContentSize)
}

// progressReader tells how much of a file has been read.
type progressReader struct {
	r           io.Reader
	done, total int64
	what        string
	note        func(done, total int64, what string)
}

func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if p.done += int64(n); p.note != nil {
		p.note(p.done, p.total, p.what)
	}
	return n, err
}
