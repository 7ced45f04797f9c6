package kvcache

import (
	"fmt"

	"github.com/qwq-edge/qwq/runtime/backend"
)

// Seq is the keys and values of one sequence: positions 0 to Len-1, in pages
// that it may share with forks.
type Seq struct {
	c     *Cache
	pages []int32
	n     int // positions written
}

// New returns an empty sequence. Release gives its pages back.
func (c *Cache) New() *Seq { return &Seq{c: c} }

// Len is the number of positions that hold keys and values.
func (s *Seq) Len() int { return s.n }

func pagesFor(n int) int { return (n + PagePositions - 1) / PagePositions }

// Fork returns a sequence with the same positions that shares all pages. Each
// side copies a page before it writes to it.
func (s *Seq) Fork() *Seq {
	f := &Seq{c: s.c, n: s.n}
	f.pages = append(f.pages, s.pages[:pagesFor(s.n)]...)
	s.c.share(f.pages)
	return f
}

// Reserve makes positions Len to n-1 writable: it takes the pages that are
// missing and copies those that are shared. On an error, which wraps ErrFull
// when pages ran out, the sequence is as it was.
func (s *Seq) Reserve(n int) error {
	if n <= s.n {
		return nil
	}
	first := s.n / PagePositions // the first page that will be written
	var copies int
	for i := first; i < len(s.pages) && i < pagesFor(n); i++ {
		if s.c.shared(s.pages[i]) {
			copies++
		}
	}
	missing := max(0, pagesFor(n)-len(s.pages))
	if copies+missing == 0 {
		return nil
	}
	old := len(s.pages)
	pages, err := s.c.take(s.pages, copies+missing)
	if err != nil {
		return err
	}
	fresh := pages[old+missing:]
	for i := first; i < old && len(fresh) > 0; i++ {
		if !s.c.shared(pages[i]) {
			continue
		}
		if err := s.c.store.CopyPage(fresh[0], pages[i]); err != nil {
			s.c.drop(fresh)
			s.pages = pages[:old+missing]
			return err
		}
		s.c.drop(pages[i : i+1])
		pages[i], fresh = fresh[0], fresh[1:]
	}
	s.c.drop(fresh) // a sharer let go in the meantime
	s.pages = pages[:old+missing]
	return nil
}

// Commit says that positions up to n-1 are written. n must be reserved.
func (s *Seq) Commit(n int) {
	if n < s.n || pagesFor(n) > len(s.pages) {
		panic(fmt.Sprintf("kvcache: commit of %d positions, %d written and %d pages held", n, s.n, len(s.pages)))
	}
	s.n = n
}

// Truncate forgets positions n and later and releases their pages.
func (s *Seq) Truncate(n int) {
	n = max(n, 0)
	if n > s.n {
		return
	}
	s.n = n
	keep := pagesFor(n)
	s.c.drop(s.pages[keep:])
	s.pages = s.pages[:keep]
}

// Release gives all pages back; the sequence is empty then and may be used
// again.
func (s *Seq) Release() { s.Truncate(0) }

// View describes n rows from position start on to a device. It is valid until
// the sequence changes.
func (s *Seq) View(start, n int, causal bool) backend.KVView {
	return backend.KVView{Store: s.c.store, Pages: s.pages, Start: start, N: n, Causal: causal}
}
