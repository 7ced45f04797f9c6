package store

import (
	"errors"
	"fmt"
	"io"
)

// open reports whether this tag's snapshots may continue those of another: nobody's, and
// its own.
func (t Tag) open(o Tag) bool { return o == t || o == Tag{} }

// reach is a snapshot and how many of some ids it is good for.
type reach struct {
	*entry
	n int
}

// cover is the snapshots that together have the most of the first ids, n of them, each
// continuing those before it. which: whose they may be; nil: anybody's.
func (s *Store) cover(m Model, ids []int32, which func(Tag) bool) (list []reach, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []reach
	for _, e := range s.entries {
		if e.model != m || which != nil && !which(e.tag) {
			continue
		}
		if k := common(e.ids, ids); k > e.from {
			all = append(all, reach{e, k})
		}
	}
	for {
		var next reach
		for _, r := range all {
			if r.from <= n && r.n > n && (r.n > next.n || r.n == next.n && r.bytes < next.bytes) {
				next = r
			}
		}
		if next.entry == nil {
			return list, n
		}
		list, n = append(list, next), next.n
	}
}

func common(a, b []int32) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Find is how many of the first ids have snapshots.
func (s *Store) Find(m Model, ids []int32) int {
	<-s.ready
	_, n := s.cover(m, ids, nil)
	return n
}

// mostPieces is how many snapshots of its own a conversation continues; then all that is
// not nobody's is written anew.
const mostPieces = 16

// Base is how many of the first ids have snapshots that one of that tag may continue: not
// those of another session, which may go with it.
func (s *Store) Base(m Model, ids []int32, t Tag) int {
	<-s.ready
	list, n := s.cover(m, ids, t.open)
	own := 0
	for _, e := range list {
		if e.tag != (Tag{}) {
			own++
		}
	}
	if own >= mostPieces {
		_, n = s.cover(m, ids, Tag{}.open)
	}
	return n
}

// Load reads what the snapshots have of the first ids, and returns of how many. f is
// called for one snapshot after the other; each is of the tokens from some of those that
// were read before on, up to the n-th at least. f may read as much as it needs; an error
// of the medium or a block that is damaged comes from its reader. A file is deleted when
// it is damaged or f's error wraps ErrCorrupt. What was read before an error is good.
func (s *Store) Load(m Model, ids []int32, f func(n int, r io.Reader) error) (n int, err error) {
	<-s.ready
	list, _ := s.cover(m, ids, nil)
	for _, e := range list {
		err := s.load(e.entry, e.n, f)
		switch {
		case gone(err):
			s.mu.Lock()
			if s.entries[e.name] == e.entry {
				s.take(e.name)
			}
			s.mu.Unlock()
			return n, nil
		case errors.Is(err, ErrCorrupt):
			s.count(func(st *Stats) { st.Damaged++ })
			s.dropIf(e.entry)
			return n, err
		case err != nil:
			return n, err
		}
		n = e.n
		s.count(func(st *Stats) { st.Loads++ })
	}
	if len(list) > 0 && s.wmu.TryLock() { // a reader does not wait for a writer
		for _, e := range list {
			s.touch(e.entry)
		}
		s.wmu.Unlock()
	}
	for _, e := range list {
		s.use(e.entry)
	}
	return n, nil
}

// dropIf deletes a snapshot unless another has taken its place.
func (s *Store) dropIf(e *entry) {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	s.mu.Lock()
	same := s.entries[e.name] == e
	s.mu.Unlock()
	if same {
		s.drop(e)
	}
}

func (s *Store) load(e *entry, n int, f func(int, io.Reader) error) error {
	r, err := s.fs.Open(e.name)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer r.Close()
	h, err := readHeader(r, e.bytes)
	if err != nil {
		return err
	}
	s.mu.Lock()
	want := e.header
	s.mu.Unlock()
	if !h.same(&want) {
		return corrupt("%s has become another", e.name)
	}
	if err := f(n, newBlockReader(r, h)); err != nil {
		return err
	}
	return nil
}
