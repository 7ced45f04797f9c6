package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options bound a store; the zero value works.
type Options struct {
	MaxBytes  int64            // of all files; 0: 2 GB, or 10 % of the free space where that is less
	WearBytes int64            // written a day; 0: 512 MB
	Now       func() time.Time // nil: time.Now
}

// Bounds where Options say nothing.
const (
	DefaultBytes = 2_000_000_000
	DefaultWear  = 512_000_000
)

// What the index of snapshots may hold in memory.
const (
	mostEntries = 1024
	mostTokens  = 1 << 20         // 4 MB of ids; one snapshot may have that many
	mostScanned = 16 * mostTokens // in all files, before it is known what they share
)

// Stats are counts since Open, and what is now.
type Stats struct {
	Snapshots, Sessions int
	Bytes, MaxBytes     int64
	Wear, MaxWear       int64 // bytes of today
	ReadOnly            bool
	Puts, Loads         uint64
	Evicted             uint64 // snapshots that made room
	Damaged             uint64 // files that were not what they should be
	Refused             uint64 // writes beyond the budget of the day or the space
}

// Store is an open state folder. Its methods may be called concurrently.
type Store struct {
	fs    FS
	o     Options
	lock  io.Closer // nil: nothing is written
	ready chan struct{}

	wmu  sync.Mutex // held by whoever writes files
	wear wear
	temp int

	mu       sync.Mutex // guards the index, for moments
	entries  map[string]*entry
	bytes    int64 // of entries
	tokens   int
	sessions map[Tag]*Session
	seen     seen
	stats    Stats
	worn     wear // a copy for Stats, which does not wait for writers
	most     int64
}

// entry is a snapshot on disk.
type entry struct {
	header
	name    string
	bytes   int64
	used    time.Time
	touched time.Time // as it is on the medium; guarded by wmu
}

// own is how many ids it has that no snapshot before it has.
func (e *entry) own() int { return len(e.ids) - e.from }

// Open opens the folder f, whose files are read in the background. Where it cannot be
// written to, what is there is used (Stats.ReadOnly). The error of a folder that another
// process uses wraps ErrLocked.
func Open(f FS, o Options) (*Store, error) {
	o.Now = cmpNow(o.Now)
	o.WearBytes = cmp.Or(o.WearBytes, DefaultWear)
	s := &Store{fs: f, o: o, ready: make(chan struct{}), entries: map[string]*entry{}, sessions: map[Tag]*Session{}}
	l, err := f.Lock()
	switch {
	case errors.Is(err, ErrLocked):
		return nil, fmt.Errorf("store: %w", err)
	case err == nil:
		s.lock = l
	}
	go s.scan()
	return s, nil
}

func cmpNow(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

// prepare makes the folders.
func (s *Store) prepare() error {
	for _, d := range []string{"kv", "sessions"} {
		if err := s.fs.Mkdir(d); err != nil {
			return err
		}
	}
	return s.fs.SyncDir("")
}

// scan reads what is there. What is damaged or not ours goes, nothing stops it.
func (s *Store) scan() {
	defer close(s.ready)
	if s.lock != nil && s.prepare() != nil {
		s.lock.Close()
		s.lock = nil
	}
	s.readWear()
	s.worn = s.wear
	s.readSeen()
	s.sweep("")
	scanned := 0
	for _, e := range s.sweep("kv") {
		scanned += s.scanSnapshot(e, scanned)
	}
	for _, e := range s.sweep("sessions") {
		s.scanSession(e)
	}
	s.dropOrphans()
	s.dropUnreachable()
	s.useBases()
	s.most = s.o.MaxBytes
	if s.most == 0 {
		s.most = DefaultBytes
		if n, err := s.fs.Free(); err == nil {
			s.most = min(s.most, (n+s.bytes)/10)
		}
	}
	if s.lock != nil {
		s.wmu.Lock()
		s.evict(s.most, 0)
		s.wmu.Unlock()
	}
}

// sweep lists a folder after deleting the temporaries of processes that were killed.
func (s *Store) sweep(dir string) []Entry {
	list, err := s.fs.List(dir)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(list, func(e Entry) bool {
		temp := strings.HasPrefix(e.Name, tempPrefix)
		if temp && s.lock != nil {
			s.fs.Remove(join(dir, e.Name)) //nolint:errcheck // it is tried again at the next start
		}
		return temp
	})
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// scanSnapshot reads a header, after those with so many ids, and returns its ids' number.
func (s *Store) scanSnapshot(e Entry, before int) int {
	if len(s.entries) >= mostEntries || before > mostScanned {
		s.damaged("kv/" + e.Name)
		return 0
	}
	h, err := s.header("kv/"+e.Name, e.Size)
	switch {
	case errors.Is(err, ErrCorrupt), err == nil && s.tokens+len(h.ids)-h.from > 2*mostTokens:
		s.damaged("kv/" + e.Name)
		return 0
	case err == nil:
		s.add(&entry{header: *h, name: "kv/" + e.Name, bytes: e.Size, used: e.Time, touched: e.Time})
		return len(h.ids)
	}
	return 0
}

// header reads the header of a file that must be what its name says.
func (s *Store) header(path string, size int64) (*header, error) {
	f, err := s.fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, err := readHeader(f, size)
	if err == nil && name(h.model, h.ids, h.from) != path {
		err = corrupt("%s holds other tokens", path)
	}
	return h, err
}

func (s *Store) scanSession(e Entry) {
	path := "sessions/" + e.Name
	f, err := s.fs.Open(path)
	if err != nil {
		return
	}
	b, err := io.ReadAll(io.LimitReader(f, sesFixed+mostJSON+4*mostIDs+MostState+5))
	f.Close()
	if err != nil {
		return
	}
	x, err := parseSession(b)
	if err != nil || sessionName(tagOf(x.User, x.ID)) != path || len(s.sessions) > MostSessions {
		s.damaged(path)
		return
	}
	x.IDs, x.State = nil, nil
	s.sessions[tagOf(x.User, x.ID)] = x
}

// dropOrphans deletes the snapshots of sessions that are not there any more.
func (s *Store) dropOrphans() {
	var out []*entry
	for _, e := range s.entries {
		if _, ok := s.sessions[e.tag]; !ok && e.tag != (Tag{}) {
			out = append(out, e)
		}
	}
	for _, e := range out {
		s.drop(e)
	}
}

// useBases makes every snapshot used when one that continues it was: times of use are
// not put on the medium each time.
func (s *Store) useBases() {
	list := s.list()
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(b.from, a.from) })
	for _, e := range list {
		if e.from == 0 {
			return
		}
		bases, _ := s.cover(e.model, e.ids[:e.from], nil)
		for _, b := range bases {
			if b.used.Before(e.used) {
				b.used = e.used
			}
		}
	}
}

// damaged deletes a file that is of no use.
func (s *Store) damaged(path string) {
	s.count(func(st *Stats) { st.Damaged++ })
	if s.lock != nil {
		s.fs.Remove(path) //nolint:errcheck // it is tried again at the next start
	}
}

func (s *Store) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

// add puts an entry into the index, in place of one of its name.
func (s *Store) add(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(e.name)
	for _, o := range s.entries { // one array serves all that begin alike
		n := len(o.ids)
		switch {
		case o.model != e.model:
		case n <= len(e.ids) && slices.Equal(o.ids, e.ids[:n]):
			o.ids = e.ids[:n:n]
		case n > len(e.ids) && slices.Equal(o.ids[:len(e.ids)], e.ids):
			e.ids = o.ids[:len(e.ids):len(e.ids)]
		}
	}
	s.entries[e.name] = e
	s.bytes += e.bytes
	s.tokens += e.own()
}

// take takes a name out of the index, s.mu held.
func (s *Store) take(name string) {
	if e := s.entries[name]; e != nil {
		delete(s.entries, name)
		s.bytes -= e.bytes
		s.tokens -= e.own()
	}
}

// drop deletes a snapshot.
func (s *Store) drop(e *entry) {
	s.mu.Lock()
	s.take(e.name)
	s.mu.Unlock()
	if s.lock != nil {
		s.fs.Remove(e.name) //nolint:errcheck // found again, and deleted again, at the next start
	}
}

// tagged are the snapshots of a session.
func (s *Store) tagged(t Tag) (out []*entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.tag == t {
			out = append(out, e)
		}
	}
	return out
}

// Stats returns the counts.
func (s *Store) Stats() Stats {
	<-s.ready
	s.mu.Lock()
	defer s.mu.Unlock()
	st, w := s.stats, s.worn
	w.roll(s.o.Now())
	st.Snapshots, st.Sessions, st.Bytes, st.MaxBytes = len(s.entries), len(s.sessions), s.bytes, s.most
	st.Wear, st.MaxWear, st.ReadOnly = w.used, s.o.WearBytes, s.lock == nil
	return st
}

// Close writes the counts and lets other processes in. Nothing else may run.
func (s *Store) Close() error {
	<-s.ready
	if s.lock == nil {
		return nil
	}
	s.wmu.Lock()
	defer s.wmu.Unlock()
	var errs []error
	if len(s.seen.order) > 0 {
		if err := s.writeSeen(); err != nil && !errors.Is(err, ErrBudget) {
			errs = append(errs, err)
		}
	}
	if s.wear.claimed > s.wear.used && s.wear.used+wearCost < s.wear.claimed {
		s.wear.used += wearCost
		errs = append(errs, s.writeWear(s.wear.used))
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// gone reports whether a file is not there.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
