package store

import (
	"errors"
	"fmt"
	"io"
)

// best is the snapshot that has the most of the first ids.
func (s *Store) best(m Model, ids []int32) (e *entry, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.entries {
		if o.model != m {
			continue
		}
		k := 0
		for k < len(ids) && k < len(o.ids) && ids[k] == o.ids[k] {
			k++
		}
		if k > n || k == n && e != nil && o.bytes < e.bytes {
			e, n = o, k
		}
	}
	return e, n
}

// Find is how many of the first ids have a snapshot.
func (s *Store) Find(m Model, ids []int32) int {
	<-s.ready
	_, n := s.best(m, ids)
	return n
}

// Load gives f the content of the snapshot that has the most of the first ids, n of
// them; it may be a snapshot of more. 0: there is none. f may read as much as it needs;
// an error of the medium or a block that is damaged comes from its reader. A file is
// deleted when it is damaged or f's error wraps ErrCorrupt.
func (s *Store) Load(m Model, ids []int32, f func(n int, r io.Reader) error) (n int, err error) {
	<-s.ready
	for {
		e, n := s.best(m, ids)
		if e == nil {
			return 0, nil
		}
		err := s.load(e, n, f)
		switch {
		case gone(err):
			s.mu.Lock()
			if s.entries[e.name] == e {
				s.take(e.name)
			}
			s.mu.Unlock()
			continue // another may be there
		case errors.Is(err, ErrCorrupt):
			s.count(func(st *Stats) { st.Damaged++ })
			s.dropIf(e)
			return 0, err
		case err != nil:
			return 0, err
		}
		s.count(func(st *Stats) { st.Loads++ })
		s.use(e)
		if s.wmu.TryLock() { // a reader does not wait for a writer
			s.touch(e)
			s.wmu.Unlock()
		}
		return n, nil
	}
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
	if !h.same(&e.header) {
		return corrupt("%s has become another", e.name)
	}
	if err := f(n, newBlockReader(r, h)); err != nil {
		return err
	}
	return nil
}
