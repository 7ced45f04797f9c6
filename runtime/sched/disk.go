package sched

import (
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/kvcache"
)

// Disk keeps KV caches longer than a process lives. Its methods are called by several
// goroutines, Prompt and Find must return soon.
type Disk interface {
	// Prompt hears of every prompt and returns how many of its first tokens are worth a
	// Save that is nobody's; 0: none.
	Prompt(ids []int32, session string) int
	// Find returns how many of the first ids Load would give.
	Find(ids []int32) int
	// Load calls f with what was saved, piece by piece, each of some tokens up to the
	// n-th, until it returns an error.
	Load(ids []int32, f func(n int, r io.Reader) error)
	// Base returns how many of the first ids are there to be continued by a Save for that
	// session.
	Base(ids []int32, session string) int
	// Save stores the size bytes that write writes of the ids from number from on;
	// session: whose they are, "" nobody's.
	Save(ids []int32, from int, session string, size int64, write func(io.Writer) error)
	// Session notes the ids of a conversation.
	Session(session string, ids []int32)
}

// Bounds of what waits for the disk.
const (
	mostSaves = 4                // prefixes, which hold pages
	grace     = 10 * time.Second // for conversations at the end, beyond Drain's context
	warmUser  = math.MaxUint32 - 1
)

// kept is a finished sequence.
type kept struct {
	seq     *engine.Seq
	session string // whose it is; "": nobody's
	n       int    // tokens of it that the session wants to have
	dirty   bool   // the session's are not on disk
	since   time.Time
}

// hold is a goroutine beside the loop that holds pages. The loop may cancel it and wait
// for done.
type hold struct {
	cancelled atomic.Bool
	done      chan struct{}
}

var errCancelled = errors.New("sched: the pages are needed")

// reader and writer stop when the hold is cancelled.
type heldReader struct {
	ctx context.Context
	h   *hold
	r   io.Reader
}

func (r heldReader) Read(p []byte) (int, error) {
	if r.h.cancelled.Load() {
		return 0, errCancelled
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

type heldWriter struct {
	h *hold
	w io.Writer
}

func (w heldWriter) Write(p []byte) (int, error) {
	if w.h.cancelled.Load() {
		return 0, errCancelled
	}
	return w.w.Write(p)
}

// saver is what waits for the disk; its fields are guarded by Scheduler.mu.
type saver struct {
	wake    chan struct{}
	done    chan struct{} // closed when the saver has ended
	saves   []save
	records map[string][]int32 // ids of sessions, the latest
	holds   []*hold
	ending  bool // nothing follows
	abandon bool // nothing but records is written
	loading chan struct{}
	busy    string        // the session that is being written
	freed   chan struct{} // closed when it is
}

// save is a prefix that waits.
type save struct {
	p       *engine.Prefix
	session string
}

func newSaver() saver {
	return saver{wake: make(chan struct{}, 1), done: make(chan struct{}), loading: make(chan struct{}, 1), records: map[string][]int32{}}
}

func (s *Scheduler) hold() *hold {
	h := &hold{done: make(chan struct{})}
	s.disk.holds = append(s.disk.holds, h)
	return h
}

func (s *Scheduler) unhold(h *hold) {
	s.mu.Lock()
	s.disk.holds = slices.DeleteFunc(s.disk.holds, func(o *hold) bool { return o == h })
	s.mu.Unlock()
}

// reclaim takes back pages from what is read or written beside the loop; false: there
// are none. s.mu is given up meanwhile.
func (s *Scheduler) reclaim() bool {
	if n := len(s.disk.saves); n > 0 {
		s.disk.saves[n-1].p.Release()
		s.disk.saves = s.disk.saves[:n-1]
		return true
	}
	if len(s.disk.holds) == 0 {
		return false
	}
	h := s.disk.holds[len(s.disk.holds)-1]
	h.cancelled.Store(true)
	s.mu.Unlock()
	<-h.done
	s.mu.Lock()
	return true
}

// fetch reads from disk what is there of a prompt's KV cache, where it is more than what
// is in memory, unless the request will be refused. done must be called when the stream is in a list, or not at all used.
func (s *Scheduler) fetch(st *Stream) (done func()) {
	done = func() {}
	if s.o.Disk == nil || s.o.Disk.Find(st.prompt) < worth {
		return done
	}
	select { // one at a time: the next may find in memory what this one reads
	case s.disk.loading <- struct{}{}:
	case <-st.ctx.Done():
		return done
	}
	s.mu.Lock()
	n := min(s.o.Disk.Find(st.prompt), len(st.prompt)-1)
	if s.closed || s.full() || n < s.inMemory(st.prompt)+worth || s.room(st) != nil || !s.roomFor(n) {
		s.mu.Unlock()
		return func() { <-s.disk.loading }
	}
	h := s.hold()
	s.mu.Unlock()
	s.o.Disk.Load(st.prompt, func(n int, r io.Reader) error {
		return st.seq.Restore(heldReader{st.ctx, h, r}, n)
	})
	st.read = st.seq.Read()
	return func() {
		close(h.done)
		s.unhold(h)
		<-s.disk.loading
	}
}

// inMemory is how much of a prompt a sequence of ours has read.
func (s *Scheduler) inMemory(ids []int32) (n int) {
	for _, k := range s.kept {
		n = max(n, min(common(k.seq.IDs(), ids), k.seq.Read()))
	}
	for _, list := range [][]*Stream{s.running, s.waiting} {
		for _, o := range list {
			n = max(n, min(common(o.prompt, ids), o.read))
		}
	}
	return n
}

// roomFor makes room for n tokens by giving up kept sequences.
func (s *Scheduler) roomFor(n int) bool {
	need := n/kvcache.PagePositions + 1 + len(s.running)
	for {
		if used, total := s.m.Pages(); need <= total-used {
			return true
		}
		if !s.dropKept() {
			return false
		}
	}
}

// persist decides what of a stream that ends goes to disk. Called between steps.
func (s *Scheduler) persist(st *Stream) {
	if s.o.Disk == nil {
		return
	}
	n := st.seq.Read()
	if st.worth > 0 && n >= st.worth && len(s.disk.saves) < mostSaves && !s.stop {
		s.disk.saves = append(s.disk.saves, save{p: st.seq.Prefix(st.worth)})
	}
	if st.session != "" && !st.warm {
		s.disk.records[st.session] = slices.Clone(st.seq.IDs()[:n])
	}
	s.disk.tell()
}

func (d *saver) tell() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// renew says that a session's sequence is the one kept last.
func (s *Scheduler) renew(st *Stream, k *kept) {
	if st.session == "" || s.o.Disk == nil {
		return
	}
	for i := range s.kept {
		if s.kept[i].session == st.session {
			s.kept[i].session, s.kept[i].dirty = "", false
		}
	}
	k.session, k.n, k.dirty, k.since = st.session, st.seq.Read(), true, time.Now()
	if st.warm {
		k.n = min(k.n, len(st.prompt))
	}
}

// Warm computes the KV cache of a conversation again, after all other requests.
func (s *Scheduler) Warm(ctx context.Context, session string, ids []int32) error {
	st, err := s.submit(ctx, Request{
		Request: engine.Request{IDs: ids, MaxTokens: 1, IgnoreEOS: true},
		User:    warmUser, Priority: math.MinInt, Session: session, Again: true,
	}, true)
	if err != nil {
		return err
	}
	for _, err := range st.Tokens() {
		if err != nil {
			return err
		}
	}
	return nil
}

// ForgetSession gives up what is in memory of a session. When it returns nothing more of
// what was is written to Disk.
func (s *Scheduler) ForgetSession(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.disk.records, session)
	s.disk.saves = slices.DeleteFunc(s.disk.saves, func(v save) bool {
		if v.session == session {
			v.p.Release()
		}
		return v.session == session
	})
	s.kept = slices.DeleteFunc(s.kept, func(k kept) bool {
		if k.session == session {
			k.seq.Release()
		}
		return k.session == session
	})
	for s.disk.busy == session {
		freed := s.disk.freed
		s.mu.Unlock()
		<-freed
		s.mu.Lock()
	}
}

// saving writes to disk until the loop has ended and nothing is left, or Close.
func (s *Scheduler) saving() {
	defer close(s.disk.done)
	for {
		s.mu.Lock()
		session, ids, job, h, wait := s.nextSave()
		end := s.disk.ending && job.p == nil && ids == nil
		if s.disk.busy = session + job.session; s.disk.busy != "" {
			s.disk.freed = make(chan struct{})
		}
		s.mu.Unlock()
		switch {
		case ids != nil:
			s.o.Disk.Session(session, ids)
			s.freed()
		case job.p != nil:
			s.write(job, h)
			s.freed()
		case end:
			return
		case wait > 0:
			t := time.NewTimer(wait)
			select {
			case <-s.disk.wake:
			case <-t.C:
			}
			t.Stop()
		default:
			<-s.disk.wake
		}
	}
}

// freed says that the session that was being written is.
func (s *Scheduler) freed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disk.busy != "" {
		s.disk.busy = ""
		close(s.disk.freed)
	}
}

// nextSave is what is to be written next: the ids of a session, or a prefix; else for
// how long nothing is (0: until it is told).
func (s *Scheduler) nextSave() (session string, ids []int32, job save, h *hold, wait time.Duration) {
	d := &s.disk
	for session, ids := range d.records {
		delete(d.records, session)
		return session, ids, save{}, nil, 0
	}
	if d.abandon {
		for _, v := range d.saves {
			v.p.Release()
		}
		d.saves = nil
		return
	}
	if len(d.saves) > 0 {
		job = d.saves[0]
		d.saves = slices.Delete(d.saves, 0, 1)
		return "", nil, job, s.hold(), 0
	}
	for i := range s.kept {
		k := &s.kept[i]
		if !k.dirty {
			continue
		}
		if left := s.o.Idle - time.Since(k.since); left > 0 {
			if wait == 0 || left < wait {
				wait = left
			}
			continue
		}
		k.dirty = false
		return "", nil, save{k.seq.Prefix(k.n), k.session}, s.hold(), 0
	}
	return
}

// write saves of a prefix what is not on disk, from the beginning of a page on.
func (s *Scheduler) write(job save, h *hold) {
	release := sync.OnceFunc(func() {
		job.p.Release()
		close(h.done)
		s.unhold(h)
	})
	defer release()
	ids := job.p.IDs()
	base := s.o.Disk.Base(ids, job.session)
	if base+worth > len(ids) {
		return
	}
	from := base / kvcache.PagePositions * kvcache.PagePositions
	s.o.Disk.Save(ids, from, job.session, job.p.Size(from), func(w io.Writer) error {
		defer release() // before the disk has taken it all in
		return job.p.Save(heldWriter{h, w}, from)
	})
}

// saveNow hands a conversation that is not on disk to the saver.
func (s *Scheduler) saveNow(k *kept) {
	if k.dirty && len(s.disk.saves) < mostSaves {
		k.dirty = false
		s.disk.saves = append(s.disk.saves, save{k.seq.Prefix(k.n), k.session})
		s.disk.tell()
	}
}

// flush hands the conversations that are not on disk to the saver, the latest first, at
// the end of the loop.
func (s *Scheduler) flush() {
	for i := len(s.kept) - 1; i >= 0; i-- {
		if k := &s.kept[i]; k.dirty && !s.disk.abandon {
			k.dirty = false
			s.disk.saves = append(s.disk.saves, save{k.seq.Prefix(k.n), k.session})
		}
	}
	s.disk.ending = true
	s.disk.tell()
}

// saved waits until the saver has ended: at least until ctx ends, and then for grace.
func (s *Scheduler) saved(ctx context.Context) {
	select {
	case <-s.disk.done:
		return
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-s.disk.done:
	case <-t.C:
		s.giveUp()
		<-s.disk.done
	}
}

// giveUp ends what is being read and written.
func (s *Scheduler) giveUp() {
	s.mu.Lock()
	s.disk.abandon = true
	for _, h := range s.disk.holds {
		h.cancelled.Store(true)
	}
	s.mu.Unlock()
	s.disk.tell()
}
