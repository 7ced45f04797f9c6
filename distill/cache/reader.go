package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/mmap"
	"github.com/qwq-edge/qwq/internal/shard"
)

// Error says where a cache is damaged.
type Error struct {
	File   string
	Offset int64
	Err    error
}

// Error names the file, the offset and the cause.
func (e *Error) Error() string {
	return fmt.Sprintf("cache: %s: at byte %d: %v", e.File, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var errSum = errors.New("checksum does not match")

// Reader is an open cache. Its methods may be used concurrently.
type Reader struct {
	path  string
	key   distill.Hash
	m     *mmap.Map
	x     *index
	parts []*mmap.Map
	dec   *zstd.Decoder

	mu   sync.Mutex
	last int // number of the frame in kept
	kept *frame
}

// Open maps the index at path and the parts beside it. It verifies all of the
// index and of each part header, last block and trailer; frames are verified as
// they are read.
func Open(path string) (*Reader, error) {
	r := &Reader{path: path, last: -1}
	if err := r.open(); err != nil {
		r.Close()
		var known *Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, fmt.Errorf("cache: %s: %w", path, err)
	}
	return r, nil
}

func (r *Reader) open() (err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	if r.m, err = mmap.Open(r.path); err != nil {
		return err
	}
	all, err := r.m.Region(0, r.m.Len())
	if err != nil {
		return err
	}
	payload, key, err := shard.Payload(all)
	if err != nil {
		return &Error{r.path, max(r.m.Len()-shard.TrailerSize, 0), err}
	}
	r.key = key
	n := int(binary.LittleEndian.Uint32(all[len(payload)+12:]))
	if _, err := shard.Verify(r.path, key, n, n); err != nil {
		return &Error{r.path, 0, err}
	}
	if r.x, err = parseIndex(payload); err != nil {
		return &Error{r.path, 0, err}
	}
	if got := len(r.x.parts) / partEntry; got != n {
		return &Error{r.path, 0, fmt.Errorf("index of %d parts made of %d", got, n)}
	}
	max := uint64(r.x.h.frameBytes(frameRows, frameRows*r.x.h.Length))
	r.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(max))
	if err != nil {
		return err
	}
	for i := range n {
		m, err := mmap.Open(shard.PartPath(r.path, i, n))
		if err != nil {
			return err
		}
		r.parts = append(r.parts, m)
		if err := r.edges(i, m, n); err != nil {
			return err
		}
	}
	return nil
}

// edges verifies what of a part is no frame.
func (r *Reader) edges(i int, m *mmap.Map, n int) error {
	first, last, size := r.x.part(i)
	name := shard.PartPath(r.path, i, n)
	if m.Len() != size {
		return &Error{name, min(size, m.Len()), fmt.Errorf("the file has %d bytes, not %d", m.Len(), size)}
	}
	h := sha256.New()
	for _, at := range [][2]int64{{0, first}, {last, size}} {
		b, err := m.Region(at[0], at[1]-at[0])
		if err != nil {
			return err
		}
		h.Write(b)
	}
	if !bytes.Equal(h.Sum(nil), r.x.partSum(i)) {
		return &Error{name, last, fmt.Errorf("header (byte 0) or end: %w", errSum)}
	}
	return nil
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
		*err = fmt.Errorf("cache: memory at %#x cannot be read: a file was cut, or the disk fails", fault.Addr())
	}
}

// Close unmaps the files. It is idempotent.
func (r *Reader) Close() error {
	var errs []error
	for _, m := range r.parts {
		errs = append(errs, m.Close())
	}
	if r.m != nil {
		errs = append(errs, r.m.Close())
	}
	if r.dec != nil {
		r.dec.Close()
	}
	return errors.Join(errs...)
}

// Header says what the cache holds.
func (r *Reader) Header() Header { return *r.x.h }

// Stats is what was counted when the cache was written.
func (r *Reader) Stats() Stats { return r.x.stats }

// Captured is the mean mass of the ids kept at a temperature; 0 when the cache
// does not have it.
func (r *Reader) Captured(temp float64) float64 {
	for i, t := range r.x.h.Temps {
		if t == temp && r.x.stats.Positions > 0 {
			return r.x.stats.Mass[i] / float64(r.x.stats.Positions)
		}
	}
	return 0
}

// Verify reads every frame and returns the first error.
func (r *Reader) Verify() error {
	for i := range len(r.x.frames) / frameEntry {
		if _, err := r.frame(i); err != nil {
			return err
		}
	}
	return nil
}

// frame reads frame i. The caller must not keep it beyond the next call unless
// it holds a reference; frames do not change.
func (r *Reader) frame(i int) (f *frame, err error) {
	defer guard(debug.SetPanicOnFault(true), &err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == i {
		return r.kept, nil
	}
	ref := r.x.frame(i)
	m := r.parts[ref.part]
	name := shard.PartPath(r.path, ref.part, len(r.parts))
	block, err := m.Region(ref.off, ref.size)
	if err != nil {
		return nil, err
	}
	wrong := func(err error) error { return &Error{name, ref.off, fmt.Errorf("frame %d: %w", i, err)} }
	sum := blockSum(block)
	rows := int(binary.LittleEndian.Uint32(block))
	if sum != ref.sum || !bytes.Equal(sum[:], block[8:24]) || rows != ref.rows {
		return nil, wrong(errSum)
	}
	keys := blockHead + 32*rows
	raw, err := r.dec.DecodeAll(block[keys:], nil)
	if err != nil {
		return nil, wrong(err)
	}
	if f, err = parseFrame(r.x.h, rows, raw); err != nil {
		return nil, wrong(err)
	}
	f.keys = append([]byte(nil), block[blockHead:keys]...)
	if err := drop(m, ref.off, ref.size); err != nil {
		return nil, err
	}
	r.last, r.kept = i, f
	return f, nil
}

// drop gives the pages of a part back, of which a block was read: a pass over the
// rows in any order holds one frame, not the cache. All of the part, because a fault
// brings in neighbours too, as many as the system likes.
func drop(m *mmap.Map, off, n int64) error {
	if err := m.Release(off, n); err != nil { // where the file is mapped by regions
		return err
	}
	return m.Advise(0, m.Len(), mmap.DontNeed)
}

// ErrRow means that the cache has no such row.
var ErrRow = errors.New("the cache has no row of these ids and document boundaries")

// row finds a row by its key.
func (r *Reader) row(key distill.Hash) (*frame, int, error) {
	i := r.x.find(key)
	if i < 0 {
		return nil, 0, ErrRow
	}
	ref := r.x.row(i)
	f, err := r.frame(int(ref.frame))
	if err != nil {
		return nil, 0, err
	}
	if slot := int(ref.slot); !bytes.Equal(f.keys[32*slot:32*slot+32], key[:]) {
		return nil, 0, &Error{r.path, 0, fmt.Errorf("row %s is another in frame %d", key, ref.frame)}
	}
	return f, int(ref.slot), nil
}
