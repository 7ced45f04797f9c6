// Package mmap maps files read-only into memory, whole where the address space
// allows it, by regions on 32-bit hosts. It must never be used to write, and
// slices it returned must not be touched after Close.
//
// A file that is truncated while it is mapped raises SIGBUS on access: workers
// that read a mapping set debug.SetPanicOnFault.
//
//	m, err := mmap.Open("model.gguf")
//	defer m.Close()
//	head, err := m.Region(0, 4096)
package mmap

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"
)

// Advice tells the kernel how a range will be read.
type Advice int

// The advices, as madvise(2) knows them.
const (
	Normal     Advice = iota
	Sequential        // read ahead far
	Random            // do not read ahead
	WillNeed          // start reading now
	DontNeed          // drop the pages from this process; they are read again when touched
)

// wholeLimit is the largest file mapped whole on a 32-bit host, where 2 to 3
// GiB of addresses must also hold the heap.
const wholeLimit = 256 << 20

// populateChunk is how much Populate asks for at a time.
const populateChunk = 16 << 20

// errClosed is what a closed Map answers.
var errClosed = fmt.Errorf("mmap: %w", fs.ErrClosed)

// Map is a file mapped read-only. Its methods may be used concurrently.
type Map struct {
	name string
	size int64
	data []byte // nil when mapped by regions

	mu      sync.Mutex
	file    *os.File // kept only when mapped by regions
	regions map[span][]byte
	closed  bool
	stop    chan struct{} // closed by Close, ends Populate
	wg      sync.WaitGroup
}

type span struct{ off, n int64 }

// Open maps the file at path: whole on 64-bit hosts, by regions on 32-bit hosts
// when it is larger than 256 MiB. It must be a regular file.
func Open(path string) (*Map, error) {
	if math.MaxInt > math.MaxInt32 {
		return OpenLimit(path, math.MaxInt64)
	}
	return OpenLimit(path, wholeLimit)
}

// OpenLimit is Open with the largest size that is mapped whole.
func OpenLimit(path string, limit int64) (*Map, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := open(f, limit)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("mmap: %w", &fs.PathError{Op: "map", Path: path, Err: err})
	}
	return m, nil
}

// open takes over f unless it returns an error.
func open(f *os.File, limit int64) (*Map, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	m := &Map{name: f.Name(), size: st.Size(), file: f, regions: map[span][]byte{}, stop: make(chan struct{})}
	if m.size == 0 {
		m.data = []byte{}
	} else if m.size <= limit {
		if m.data, err = mapFile(f, 0, int(m.size)); err != nil {
			return nil, err
		}
	}
	if m.data != nil {
		m.file = nil
		f.Close()
	}
	return m, nil
}

// Data is the whole file, nil when it is mapped by regions. Valid until Close.
func (m *Map) Data() []byte { return m.data[:len(m.data):len(m.data)] }

// Len is the size of the file in bytes when it was opened.
func (m *Map) Len() int64 { return m.size }

// Region is the n bytes at off, valid until Close. Where the file is not mapped
// whole, the pages around them are mapped on the first call and kept.
func (m *Map) Region(off, n int64) ([]byte, error) {
	if err := m.check(off, n); err != nil {
		return nil, err
	}
	if m.data != nil {
		return m.data[off : off+n : off+n], nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, errClosed
	}
	if n == 0 {
		return []byte{}, nil
	}
	skip := off % int64(os.Getpagesize())
	if n > math.MaxInt-skip {
		return nil, fmt.Errorf("mmap: %s: %d bytes are more than this machine can address", m.name, n)
	}
	b, ok := m.regions[span{off, n}]
	if !ok {
		var err error
		if b, err = mapFile(m.file, off-skip, int(n+skip)); err != nil {
			return nil, fmt.Errorf("mmap: %w", &fs.PathError{Op: "map", Path: m.name, Err: err})
		}
		m.regions[span{off, n}] = b
	}
	return b[skip : skip+n : skip+n], nil
}

// Release unmaps a region that Region returned for the same range; slices of it
// must not be touched any more. It does nothing on a file mapped whole.
func (m *Map) Release(off, n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.regions[span{off, n}]
	if !ok {
		return nil
	}
	delete(m.regions, span{off, n})
	return unmap(b)
}

// Advise tells the kernel how n bytes at off will be read. The range is
// extended to pages, except for DontNeed, which keeps pages shared with
// neighbours. It does nothing where the file is mapped by regions.
func (m *Map) Advise(off, n int64, a Advice) error {
	if err := m.check(off, n); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errClosed
	}
	lo, hi := m.pages(off, n, a == DontNeed)
	if lo >= hi {
		return nil
	}
	return advise(m.data[lo:hi], a)
}

// Populate starts reading n bytes at off into memory in the background, in
// chunks of 16 MiB, and returns at once. Close ends it. Failing is harmless:
// the pages are then read when touched.
func (m *Map) Populate(off, n int64) {
	if m.check(off, n) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lo, hi := m.pages(off, n, false)
	if m.closed || lo >= hi {
		return
	}
	m.wg.Go(func() { m.populate(lo, hi) })
}

func (m *Map) populate(lo, hi int64) {
	for ; lo < hi; lo += populateChunk {
		select {
		case <-m.stop:
			return
		default:
		}
		if populate(m.data[lo:min(hi, lo+populateChunk)]) != nil {
			_ = advise(m.data[lo:hi], WillNeed) // older than Linux 5.14
			return
		}
	}
}

// pages is the range of whole pages that covers n bytes at off, or lies inside
// them; empty where nothing is mapped whole.
func (m *Map) pages(off, n int64, inside bool) (lo, hi int64) {
	page := int64(os.Getpagesize())
	lo, hi = off/page*page, off+n
	if inside {
		if lo < off {
			lo += page
		}
		if hi < m.size {
			hi = hi / page * page
		}
	}
	return lo, min(hi, int64(len(m.data)))
}

func (m *Map) check(off, n int64) error {
	if off < 0 || n < 0 || off > m.size || n > m.size-off {
		return fmt.Errorf("mmap: %s: %d bytes at %d are outside of its %d bytes", m.name, n, off, m.size)
	}
	return nil
}

// Close unmaps everything; a second call does nothing. No slice of the mapping
// may be in use any more.
func (m *Map) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	close(m.stop)
	m.mu.Unlock()
	m.wg.Wait()
	var errs []error
	for _, b := range m.regions {
		errs = append(errs, unmap(b))
	}
	m.regions = nil
	if len(m.data) > 0 {
		release(m.data)
		errs = append(errs, unmap(m.data))
	}
	m.data = nil
	if m.file != nil {
		errs = append(errs, m.file.Close())
	}
	return errors.Join(errs...)
}
