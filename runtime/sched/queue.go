package sched

import (
	"cmp"
	"slices"

	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/kvcache"
)

// quantum is how many tokens a stream has its place for, where users compete.
const quantum = 64

// worth is the least prefix, in tokens, that is worth waiting for.
const worth = 64

// schedule decides who runs in the next step: places that are free go to those who
// wait, and places are taken back from lower priorities and from users who hold more
// than one who waits.
func (s *Scheduler) schedule() {
	s.yield()
	slices.SortStableFunc(s.waiting, s.before)
	for i := 0; i < len(s.waiting); {
		st := s.waiting[i]
		if st.warm && len(s.running) > 0 {
			break // they come last
		}
		if s.comes(st) {
			i++
			continue
		}
		if len(s.running) > 0 && !s.fits(st) || len(s.running) >= s.o.Streams && !s.makePlace(st) {
			break
		}
		s.waiting = slices.Delete(s.waiting, i, i+1)
		s.start(st)
	}
}

// yield takes the places of conversations that are computed again where others wait.
func (s *Scheduler) yield() {
	if !slices.ContainsFunc(s.waiting, func(st *Stream) bool { return !st.warm }) {
		return
	}
	s.running = slices.DeleteFunc(s.running, func(st *Stream) bool {
		if st.warm {
			s.waiting = append(s.waiting, st)
		}
		return st.warm
	})
}

// before orders those who wait.
func (s *Scheduler) before(a, b *Stream) int {
	return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(s.served[a.user], s.served[b.user]), a.came.Compare(b.came))
}

// makePlace takes a place back for st, or not. The stream that loses it waits.
func (s *Scheduler) makePlace(st *Stream) bool {
	held := func(user uint32) (n int) {
		for _, r := range s.running {
			if r.user == user {
				n++
			}
		}
		return n
	}
	mine, worst := held(st.user), -1
	for i, r := range s.running {
		lower := r.priority < st.priority
		unfair := r.priority == st.priority && r.quantum >= quantum && held(r.user) > mine+1
		if !lower && !unfair {
			continue
		}
		if worst < 0 || s.before(s.running[worst], r) < 0 {
			worst = i
		}
	}
	if worst < 0 {
		return false
	}
	s.stats.Preempted++
	s.waiting = append(s.waiting, s.running[worst]) // its turn comes in a later step
	s.running = slices.Delete(s.running, worst, worst+1)
	return true
}

// start gives a stream a place, and the KV cache of whoever began alike.
func (s *Scheduler) start(st *Stream) {
	s.donors(func(seq *engine.Seq) { st.seq.Share(seq) })
	st.quantum, st.read = 0, st.seq.Read()
	s.running = append(s.running, st)
}

// donors calls f with the sequences that have a KV cache to share.
func (s *Scheduler) donors(f func(*engine.Seq)) {
	for _, k := range s.kept {
		f(k.seq)
	}
	for _, list := range [][]*Stream{s.running, s.waiting} {
		for _, o := range list {
			f(o.seq)
		}
	}
}

// fits reports whether there are pages for what a stream has to read, and one more
// for each that runs; kept sequences that it cannot use give theirs up.
func (s *Scheduler) fits(st *Stream) bool {
	const page = kvcache.PagePositions
	ids := st.seq.IDs()
	for {
		have := st.seq.Read()
		s.donors(func(seq *engine.Seq) { have = max(have, min(common(seq.IDs(), ids), seq.Read())) })
		need := (len(ids)+page)/page - have/page + len(s.running)
		used, total := s.m.Pages()
		if need <= total-used {
			return true
		}
		if !s.dropKept() {
			return false
		}
	}
}

// comes reports whether a running stream is about to read a prefix that st could use.
func (s *Scheduler) comes(st *Stream) bool {
	ids := st.seq.IDs()
	have := st.seq.Read()
	for _, k := range s.kept {
		have = max(have, min(common(k.seq.IDs(), ids), k.seq.Read()))
	}
	for _, r := range s.running {
		n := min(common(r.seq.IDs()[:r.seq.Prompt()], ids), len(ids)-1)
		if n >= have+worth && r.seq.Read() < n {
			return true
		}
	}
	return false
}

func common(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// keep remembers a finished sequence for prompts that begin alike.
func (s *Scheduler) keep(st *Stream) {
	if s.o.Keep < 0 || s.stop {
		st.seq.Release()
		return
	}
	k := kept{seq: st.seq}
	s.renew(st, &k)
	s.kept = append(s.kept, k)
	for len(s.kept) > s.o.Keep {
		s.saveNow(&s.kept[0]) // not lost because others came
		s.dropKept()
	}
}

// dropKept gives up the oldest kept sequence; false: there is none.
func (s *Scheduler) dropKept() bool {
	if len(s.kept) == 0 {
		return false
	}
	s.kept[0].seq.Release()
	s.kept = slices.Delete(s.kept, 0, 1)
	return true
}
