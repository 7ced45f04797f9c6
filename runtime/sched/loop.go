package sched

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/kvcache"
)

// loop runs step by step until Close, or until Drain has nothing left.
func (s *Scheduler) loop() {
	defer close(s.done)
	for {
		s.mu.Lock()
		s.reap()
		s.schedule()
		if len(s.running) == 0 {
			end := s.stop || s.closed && len(s.waiting) == 0
			if end {
				s.flush()
				for s.dropKept() {
				}
			}
			s.progress = time.Now()
			s.mu.Unlock()
			if end {
				return
			}
			<-s.wake
			continue
		}
		s.batch = s.batch[:0]
		generating := 0
		for _, st := range s.running {
			s.batch = append(s.batch, st.seq)
			if st.seq.Pending() == 1 {
				generating++
			}
		}
		if s.running[0].warm {
			generating = 1 // who comes now must not wait for a whole prompt
		}
		chunk := s.chunk(generating)
		s.mu.Unlock()

		began := time.Now()
		err := s.m.StepN(context.Background(), s.batch, chunk)
		took := time.Since(began)

		s.mu.Lock()
		s.progress = time.Now()
		switch {
		case errors.Is(err, kvcache.ErrFull):
			s.makeRoom(err)
		case err != nil && !s.anyFailed():
			s.failAll(err)
		default:
			s.deliver(len(s.batch) > generating, took)
		}
		s.mu.Unlock()
	}
}

// Bounds of a chunk of prompts beside streams that generate, in tokens.
const (
	leastChunk = 16
	mostChunk  = 1 << 20 // the engine's own bound is lower
)

// chunk is how many rows the next step may have: with streams that generate as many
// as are read within Options.Stall at the measured rate, else all that fit.
func (s *Scheduler) chunk(generating int) int {
	if generating == 0 {
		return mostChunk
	}
	if s.rate == 0 {
		return 64
	}
	return generating + max(leastChunk, min(mostChunk, int(s.rate*s.o.Stall.Seconds())))
}

// reap ends the streams whose context ended, and all when the scheduler stops.
func (s *Scheduler) reap() {
	dead := func(st *Stream) error {
		if s.stop {
			return ErrClosed
		}
		return context.Cause(st.ctx)
	}
	for _, list := range []*[]*Stream{&s.waiting, &s.running} {
		left := (*list)[:0]
		for _, st := range *list {
			if err := dead(st); err != nil {
				s.stats.Cancelled++
				s.leave(st, err)
				continue
			}
			left = append(left, st)
		}
		clear((*list)[len(left):])
		*list = left
	}
}

// leave ends a stream that is in no list any more.
func (s *Scheduler) leave(st *Stream, err error) {
	if s.users[st.user]--; s.users[st.user] <= 0 {
		delete(s.users, st.user)
		if len(s.users) == 0 {
			clear(s.served)
		}
	}
	t, finish := st.seq.Timings(), st.seq.Finish()
	s.stats.DraftedTokens += uint64(t.Drafted)
	s.stats.AcceptedDrafted += uint64(t.Accepted)
	st.seq.EndDraft()
	if st.seq.Read() > 0 {
		s.persist(st)
		s.keep(st)
	} else {
		st.seq.Release()
	}
	st.unhook()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrClosed):
		finish = "cancelled"
	case !errors.Is(err, io.EOF):
		finish = "error"
	}
	if s.o.Events != nil && !st.warm {
		s.o.Events.Done(t, finish)
	}
	st.end(err)
}

// deliver hands out what a step generated. prompts: it read some, too.
func (s *Scheduler) deliver(prompts bool, took time.Duration) {
	now, rows := time.Now(), 0
	left := s.running[:0]
	for _, st := range s.running {
		tokens := st.seq.Tokens()
		rows += s.account(st, tokens, now)
		if len(tokens) > 0 {
			st.give(tokens)
		}
		switch {
		case st.seq.Err() != nil:
			s.stats.Failed++
			s.leave(st, st.seq.Err())
		case st.seq.Finish() != "":
			s.stats.Finished++
			s.leave(st, io.EOF)
		default:
			left = append(left, st)
		}
	}
	clear(s.running[len(left):])
	s.running = left
	s.stats.Steps++
	if s.o.Events != nil {
		s.o.Events.Step(rows, took)
	}
	if prompts && rows >= leastChunk {
		s.rate = mix(s.rate, float64(rows)/took.Seconds())
	}
}

// mix follows a measured value, slowly.
func mix(old, v float64) float64 {
	if old == 0 {
		return v
	}
	return 0.75*old + 0.25*v
}

// account counts what a stream got in a step and returns the rows that were computed
// for it.
func (s *Scheduler) account(st *Stream, tokens []engine.Token, now time.Time) int {
	rows := max(0, st.seq.Read()-st.read)
	st.read = st.seq.Read()
	s.served[st.user] += float64(rows)
	if len(tokens) == 0 {
		return rows
	}
	st.quantum += len(tokens)
	s.stats.GeneratedTokens += uint64(len(tokens))
	t, first := st.seq.Timings(), st.count == 0
	st.count += len(tokens)
	if first {
		st.first = now
		s.stats.PromptTokens += uint64(t.PromptTokens)
		s.stats.CachedTokens += uint64(t.CachedTokens)
	}
	if s.o.Events != nil && !st.warm {
		if first {
			s.o.Events.First(now.Sub(st.came), t.PromptTokens, t.CachedTokens)
			tokens = tokens[1:]
		}
		for range tokens {
			s.o.Events.Token(now.Sub(st.last) / time.Duration(len(tokens)))
		}
	}
	st.last = now
	return rows
}

// anyFailed reports whether single sequences failed, so that the others moved.
func (s *Scheduler) anyFailed() bool {
	for _, st := range s.running {
		if st.seq.Err() != nil {
			return true
		}
	}
	return false
}

// failAll ends every running stream: the step failed, a file was truncated under the
// mapping say. Those who wait are tried later.
func (s *Scheduler) failAll(err error) {
	for _, st := range s.running {
		s.stats.Failed++
		st.seq.Release()
		s.leave(st, err)
	}
	clear(s.running)
	s.running = s.running[:0]
}

// makeRoom frees pages: of finished sequences first, of those that go to disk or come
// from there, then of streams that wait, then
// of the one that runs and comes last. A stream that is alone and still does not fit
// ends with the error.
func (s *Scheduler) makeRoom(err error) {
	if s.dropKept() || s.reclaim() {
		return
	}
	for i := len(s.waiting) - 1; i >= 0; i-- {
		if seq := s.waiting[i].seq; seq.Read() > 0 {
			seq.Evict()
			return
		}
	}
	if len(s.running) == 1 {
		s.failAll(err)
		return
	}
	last := 0
	for i, st := range s.running {
		if s.before(s.running[last], st) <= 0 {
			last = i
		}
	}
	st := s.running[last]
	st.seq.Evict()
	s.stats.Preempted++
	s.running = append(s.running[:last], s.running[last+1:]...)
	s.waiting = append(s.waiting, st)
}
