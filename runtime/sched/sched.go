package sched

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/runtime/engine"
)

// Options configures a Scheduler; the zero value works.
type Options struct {
	// Streams is how many sequences generate at a time. 0 means 8: a step of so many
	// reads the weights once.
	Streams int
	// Queue is how many requests may wait beside them; more are refused. 0 means 64.
	Queue int
	// PerUser is how many requests of one user may wait or run; more are refused.
	// 0 means as many as all.
	PerUser int
	// Stall is how long a chunk of a prompt may hold up the streams that generate.
	// 0 means 150 ms.
	Stall time.Duration
	// Keep is how many finished sequences keep their KV cache for prompts that begin
	// alike. 0 means 8, less than 0 none.
	Keep int
	// Room says whether so many bytes of KV cache may still be taken, those that the
	// accepted requests may come to need included; nil: always. An error refuses the
	// request, after the kept sequences were given up.
	Room func(bytes int64) error
	// Disk keeps KV caches beyond the process; nil: nothing does.
	Disk Disk
	// Idle is how long after its last answer a conversation goes to Disk. 0 means 30 s.
	Idle time.Duration
	// Events hears what happens; nil: nobody does.
	Events Events
}

// Events hears of requests. Its methods are called from the scheduler's loop and must
// return at once.
type Events interface {
	Refused(user uint32)
	// First is the first token of a request: the time since it was submitted, how many
	// tokens its prompt has, and how many of them were not read again.
	First(wait time.Duration, prompt, cached int)
	Token(gap time.Duration) // since the one before; those of one step share its time
	// Done is the end of a request: engine.FinishStop, engine.FinishLength, cancelled or
	// error.
	Done(t engine.Timings, finish string)
	Step(rows int, took time.Duration)
}

// Request is what a client wants.
type Request struct {
	engine.Request
	User     uint32 // whose it is: fair shares are among users
	Priority int    // higher goes first
	Session  string // the conversation whose KV cache Disk is to keep; "": none
	Again    bool   // one more answer to a prompt that was just submitted
}

// ErrClosed is returned after Close or Drain began.
var ErrClosed = errors.New("sched: closed")

// BusyError says that a request was refused because too much is going on.
type BusyError struct {
	Reason string
	After  time.Duration // when it may be worth another try
}

func (e *BusyError) Error() string { return "sched: " + e.Reason }

// Scheduler serves requests from one model. Its methods may be called concurrently.
// While it lives, other uses of the model only take turns with it.
type Scheduler struct {
	m *engine.Model
	o Options

	wake chan struct{}
	done chan struct{}

	mu       sync.Mutex
	closed   bool // no more requests
	stop     bool // end what runs, too
	waiting  []*Stream
	running  []*Stream
	kept     []kept // the oldest first
	served   map[uint32]float64
	users    map[uint32]int // requests of each
	progress time.Time      // of the last step, or of idling
	stats    Stats

	disk saver

	rate  float64 // prompt tokens a second, measured
	batch []*engine.Seq
}

// Stats are counts since the beginning, and what is now.
type Stats struct {
	Waiting, Running, Kept         int
	Accepted, Refused, Finished    uint64
	Failed, Cancelled, Preempted   uint64
	PromptTokens, CachedTokens     uint64
	GeneratedTokens                uint64
	DraftedTokens, AcceptedDrafted uint64
	Steps                          uint64
}

// New starts a scheduler. Close ends it, before the model is closed.
func New(m *engine.Model, o Options) *Scheduler {
	if o.Streams <= 0 {
		o.Streams = 8
	}
	if o.Queue <= 0 {
		o.Queue = 64
	}
	if o.Stall <= 0 {
		o.Stall = 150 * time.Millisecond
	}
	if o.Keep == 0 {
		o.Keep = 8
	}
	if o.Idle <= 0 {
		o.Idle = 30 * time.Second
	}
	s := &Scheduler{
		m: m, o: o, disk: newSaver(), wake: make(chan struct{}, 1), done: make(chan struct{}),
		served: map[uint32]float64{}, users: map[uint32]int{}, progress: time.Now(),
	}
	go s.loop()
	if o.Disk != nil {
		go s.saving()
	} else {
		close(s.disk.done)
	}
	return s
}

// Submit queues a request. ctx covers all of it: when it ends the stream ends with
// ctx's error within one token. A request that can never be served gets an error that
// says why, one that cannot be served now a *BusyError.
func (s *Scheduler) Submit(ctx context.Context, r Request) (*Stream, error) {
	return s.submit(ctx, r, false)
}

func (s *Scheduler) submit(ctx context.Context, r Request, warm bool) (*Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	seq, err := s.m.NewSeq(r.Request)
	if err != nil {
		return nil, err
	}
	st := &Stream{s: s, ctx: ctx, seq: seq, user: r.User, priority: r.Priority, came: time.Now(), news: make(chan struct{}, 1), logprobs: max(r.Logprobs, r.Sampling.Logprobs) > 0}
	st.most, st.session, st.warm = r.MaxTokens, r.Session, warm
	st.prompt = seq.IDs()[:seq.Prompt():seq.Prompt()]
	if s.o.Disk != nil && !r.Again {
		st.worth = s.o.Disk.Prompt(st.prompt, st.session)
	}
	st.unhook = context.AfterFunc(ctx, s.poke)
	fetched := s.fetch(st)
	defer fetched()
	if err := s.enter(st); err != nil {
		st.unhook()
		seq.Release()
		return nil, err
	}
	s.poke()
	return st, nil
}

// enter puts a stream into the queue.
func (s *Scheduler) enter(st *Stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	refuse := func(format string, a ...any) error {
		s.stats.Refused++
		if s.o.Events != nil {
			s.o.Events.Refused(st.user)
		}
		return &BusyError{fmt.Sprintf(format, a...), s.after()}
	}
	if s.full() {
		return refuse("%d requests are waiting", len(s.waiting))
	}
	if s.o.PerUser > 0 && s.users[st.user] >= s.o.PerUser {
		return refuse("user %d has %d requests", st.user, s.users[st.user])
	}
	if err := s.room(st); err != nil {
		return refuse("%v", err)
	}
	if s.users[st.user] == 0 { // who was away has no credit from that time
		s.served[st.user] = max(s.served[st.user], s.leastServed())
	}
	s.users[st.user]++
	s.stats.Accepted++
	s.waiting = append(s.waiting, st)
	return nil
}

// full reports whether the queue is.
func (s *Scheduler) full() bool { return len(s.waiting)+len(s.running) >= s.o.Queue+s.o.Streams }

// room asks for the memory that all requests may come to need, st's included.
func (s *Scheduler) room(st *Stream) error {
	if s.o.Room == nil {
		return nil
	}
	need := s.need(st)
	for _, list := range [][]*Stream{s.waiting, s.running} {
		for _, o := range list {
			need += s.need(o)
		}
	}
	bytes := int64(need) * s.m.Info().KVBytes
	err := s.o.Room(bytes)
	for err != nil && s.dropKept() {
		err = s.o.Room(bytes)
	}
	return err
}

// need is how many positions a stream may still take.
func (s *Scheduler) need(st *Stream) int {
	n := s.m.Context()
	if st.most > 0 {
		n = min(n, st.seq.Prompt()+st.most)
	}
	return max(0, n-st.read)
}

// after guesses when a place is free: the rest of the running streams at the rate so
// far, between 1 and 60 seconds.
func (s *Scheduler) after() time.Duration {
	least := time.Minute
	for _, st := range s.running {
		if st.most > 0 && st.count > 1 {
			least = min(least, st.last.Sub(st.first)/time.Duration(st.count-1)*time.Duration(st.most-st.count))
		}
	}
	return max(time.Second, least.Round(time.Second))
}

// leastServed is the smallest service of the users that have requests.
func (s *Scheduler) leastServed() float64 {
	least, any := 0.0, false
	for u := range s.users {
		if v := s.served[u]; !any || v < least {
			least, any = v, true
		}
	}
	return least
}

// poke wakes the loop.
func (s *Scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Stats returns the counts.
func (s *Scheduler) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Waiting, st.Running, st.Kept = len(s.waiting), len(s.running), len(s.kept)
	return st
}

// Stalled is how long ago the loop last made progress; 0 when there is nothing to do.
func (s *Scheduler) Stalled() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting)+len(s.running) == 0 {
		return 0
	}
	return time.Since(s.progress)
}

// Forget gives up the KV caches of finished sequences.
func (s *Scheduler) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.dropKept() {
	}
}

// Drain takes no more requests and waits until all are done, or ctx ends, which ends
// them; then until conversations are on Disk, for which there are ten seconds more. The
// scheduler is closed then.
func (s *Scheduler) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.poke()
	select {
	case <-s.done:
		s.saved(ctx)
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		s.stop = true
		s.mu.Unlock()
		s.poke()
		<-s.done
		s.saved(ctx)
		return ctx.Err()
	}
}

// Close ends all requests with ErrClosed, and the loop; of conversations only the ids go
// to Disk. It is idempotent.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.closed, s.stop = true, true
	s.mu.Unlock()
	s.giveUp()
	s.poke()
	<-s.done
	<-s.disk.done
}
