package backend

import (
	"fmt"
	"sync"

	"github.com/qwq-edge/qwq/internal/kernel"
)

// cpuStore keeps pages in Go memory, taken in chunks as the cache grows. Pages may be
// read and written while others are computed with, so mu guards the tables.
type cpuStore struct {
	spec   KVSpec
	layer  int // bytes of one page in one layer
	mu     sync.RWMutex
	n      int        // usable pages
	tables [][][]byte // [layer][page][layer bytes]
}

// chunkBytes is about what Grow takes at a time.
const chunkBytes = 4 << 20

func newStore(spec KVSpec) (*cpuStore, error) {
	if spec.Layers < 1 || spec.Pages < 1 || int64(spec.Pages) > 1<<31-1 {
		return nil, fmt.Errorf("backend: kv store of %d layers and %d pages", spec.Layers, spec.Pages)
	}
	n, err := kernel.PageBytes(spec.Type, spec.Heads, spec.Dim)
	if err != nil {
		return nil, fmt.Errorf("backend: kv store: %w", err)
	}
	if int64(n)*int64(spec.Layers) > 1<<30 {
		return nil, fmt.Errorf("backend: kv page of %d bytes in each of %d layers is too large", n, spec.Layers)
	}
	return &cpuStore{spec: spec, layer: n, tables: make([][][]byte, spec.Layers)}, nil
}

func (s *cpuStore) Spec() KVSpec   { return s.spec }
func (s *cpuStore) PageBytes() int { return s.layer * s.spec.Layers }

func (s *cpuStore) Grow(n int) error {
	if n > s.spec.Pages {
		return fmt.Errorf("backend: kv store: %d pages asked for, the limit is %d", n, s.spec.Pages)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.n < n {
		count := min(max(1, chunkBytes/s.PageBytes()), s.spec.Pages-s.n)
		chunk := make([]byte, count*s.PageBytes())
		for range count {
			for l := range s.tables {
				s.tables[l] = append(s.tables[l], chunk[:s.layer:s.layer])
				chunk = chunk[s.layer:]
			}
		}
		s.n += count
	}
	return nil
}

func (s *cpuStore) check(id int32, p []byte) error {
	if id < 0 || int(id) >= s.n {
		return fmt.Errorf("backend: kv page %d of %d", id, s.n)
	}
	if p != nil && len(p) != s.PageBytes() {
		return fmt.Errorf("backend: kv page buffer of %d bytes, want %d", len(p), s.PageBytes())
	}
	return nil
}

func (s *cpuStore) CopyPage(dst, src int32) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(dst, nil); err != nil {
		return err
	}
	if err := s.check(src, nil); err != nil {
		return err
	}
	for l := range s.tables {
		copy(s.tables[l][dst], s.tables[l][src])
	}
	return nil
}

func (s *cpuStore) ReadPage(id int32, p []byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(id, p); err != nil {
		return err
	}
	for l := range s.tables {
		copy(p[l*s.layer:], s.tables[l][id])
	}
	return nil
}

func (s *cpuStore) WritePage(id int32, p []byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(id, p); err != nil {
		return err
	}
	for l := range s.tables {
		copy(s.tables[l][id], p[l*s.layer:])
	}
	return nil
}

// pages describes a view's pages in one layer to the kernels.
func (s *cpuStore) pages(layer int, v *KVView) kernel.KVPages {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return kernel.KVPages{
		Type: s.spec.Type, Heads: s.spec.Heads, Dim: s.spec.Dim,
		Table: s.tables[layer], Pages: v.Pages, Start: v.Start, N: v.N, Causal: v.Causal,
	}
}
