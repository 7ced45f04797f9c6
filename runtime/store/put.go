package store

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

const tempPrefix = "tmp-"

// publish writes a file that appears under its name when all of it is on the medium.
// s.wmu is held.
func (s *Store) publish(name string, write func(io.Writer) error) (err error) {
	dir := ""
	if i := len(name) - len(base(name)); i > 0 {
		dir = name[:i-1]
	}
	s.temp++
	temp := join(dir, tempPrefix+strconv.Itoa(s.temp))
	f, err := s.fs.Create(temp)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = s.fs.Rename(temp, name)
	}
	if err != nil {
		s.fs.Remove(temp) //nolint:errcheck // swept at the next start
		return fmt.Errorf("store: %s: %w", name, err)
	}
	if err := s.fs.SyncDir(dir); err != nil {
		return fmt.Errorf("store: %s: %w", name, err)
	}
	return nil
}

func base(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[i+1:]
		}
	}
	return name
}

// Put stores a snapshot, whose content write writes. It is on the medium when Put
// returns nil. Snapshots that were not used for long make room; ErrTooLarge and
// ErrBudget say that it was not tried.
func (s *Store) Put(x Snapshot, write func(io.Writer) error) error {
	<-s.ready
	if s.lock == nil {
		return fmt.Errorf("store: snapshot: %w", ErrReadOnly)
	}
	if x.From < 0 || x.From >= len(x.IDs) || len(x.IDs) > mostIDs || x.Size < 0 {
		return fmt.Errorf("store: snapshot of tokens %d to %d and %d bytes", x.From, len(x.IDs), x.Size)
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	path := name(x.Model, x.IDs, x.From)
	s.mu.Lock()
	old := s.entries[path]
	s.mu.Unlock()
	if old != nil { // whoever's it is, it serves both
		s.touch(old)
		s.supersede(old)
		return nil
	}
	bytes := fileSize(len(x.IDs), x.Size)
	most := s.limit()
	if bytes > most {
		s.count(func(st *Stats) { st.Refused++ })
		return fmt.Errorf("store: snapshot of %d bytes: %w: %d", bytes, ErrTooLarge, most)
	}
	if err := s.spend(bytes, false); err != nil {
		return err
	}
	base, _ := s.cover(x.Model, x.IDs[:x.From], nil)
	for _, e := range base { // they are not what makes room
		s.use(e.entry)
	}
	s.evict(most-bytes, len(x.IDs)-x.From)
	h := &header{model: x.Model, tag: x.Session, size: x.Size, from: x.From, ids: slices.Clone(x.IDs)}
	err := s.publish(path, func(w io.Writer) error {
		b, err := newBlockWriter(w, h)
		if err != nil {
			return err
		}
		if err := write(b); err != nil {
			return err
		}
		return b.done()
	})
	if err != nil {
		s.recheck(path)
		return err
	}
	now := s.o.Now()
	e := &entry{header: *h, name: path, bytes: bytes, used: now, touched: now}
	s.add(e)
	s.count(func(st *Stats) { st.Puts++ })
	s.supersede(e)
	return nil
}

// limit is how large the snapshots may become now: others may have filled the medium, and
// a write that must fail would wear it.
func (s *Store) limit() int64 {
	free, err := s.fs.Free()
	if err != nil {
		return s.most
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(s.most, s.bytes+free)
}

// recheck looks at a file whose writing failed after it may have got its name.
func (s *Store) recheck(path string) {
	s.mu.Lock()
	s.take(path)
	s.mu.Unlock()
	s.fs.Remove(path) //nolint:errcheck // checked when the store is opened again
}

// supersede deletes what a new snapshot makes useless: those of its session that the
// conversation does not need any more, or, where it is nobody's, those of nobody that it
// holds.
func (s *Store) supersede(n *entry) {
	need, _ := s.cover(n.model, n.ids, n.tag.open)
	s.mu.Lock()
	var out []*entry
	for _, e := range s.entries {
		switch {
		case e == n || e.tag != n.tag:
		case n.tag != Tag{}:
			if !slices.ContainsFunc(need, func(r reach) bool { return r.entry == e }) {
				out = append(out, e)
			}
		case e.model == n.model && e.from >= n.from && len(e.ids) <= len(n.ids) && slices.Equal(e.ids, n.ids[:len(e.ids)]):
			out = append(out, e)
		}
	}
	s.mu.Unlock()
	for _, e := range out {
		s.drop(e)
	}
}

// evict deletes the longest unused snapshots until there are so many bytes and so many
// tokens more have room, and those that continue what is not there any more. A snapshot was used whenever one
// that continues it was.
func (s *Store) evict(most int64, tokens int) {
	s.mu.Lock()
	var out []*entry
	left, ids, n := s.bytes, s.tokens, len(s.entries)
	list := make([]*entry, 0, n)
	for _, e := range s.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(b.from, a.from), cmp.Compare(a.name, b.name))
	})
	for _, e := range list {
		if left <= most && (ids+tokens <= mostTokens || n == 0) && n < mostEntries {
			break
		}
		out = append(out, e)
		left, ids, n = left-e.bytes, ids-e.own(), n-1
	}
	s.stats.Evicted += uint64(len(out))
	s.mu.Unlock()
	for _, e := range out {
		s.drop(e)
	}
	if len(out) > 0 {
		s.dropUnreachable()
	}
}

// dropUnreachable deletes the snapshots that continue what is not there.
func (s *Store) dropUnreachable() {
	for {
		n := 0
		for _, e := range s.list() {
			if e.from == 0 {
				continue
			}
			if _, k := s.cover(e.model, e.ids[:e.from], nil); k < e.from {
				s.drop(e)
				n++
			}
		}
		if n == 0 {
			return
		}
	}
}

// list is all snapshots.
func (s *Store) list() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.entries))
}

// touchEvery is how often the time of use goes to the medium: it costs a write.
const touchEvery = time.Hour

// touch notes a use on the medium, s.wmu held.
func (s *Store) touch(e *entry) {
	now := s.use(e)
	if (now.Sub(e.touched) < touchEvery && !now.Before(e.touched)) || s.lock == nil || s.spend(4<<10, false) != nil {
		return
	}
	e.touched = now
	s.fs.Touch(e.name, now) //nolint:errcheck // only the order of eviction suffers
}

// use notes a use.
func (s *Store) use(e *entry) time.Time {
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e.used = now
	return now
}
