package kernel

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Pool is a set of locked OS threads that compute. The calling goroutine is one
// of the workers, so Threads-1 threads wait for it, first spinning, then parked
// in the kernel. Methods may be called from several goroutines; calls run one
// after the other. A method must not be called from inside Parallel's function.
type Pool struct {
	mu      sync.Mutex // one call at a time
	closed  bool
	variant variant
	workers []*worker
	done    sync.WaitGroup

	// The job in progress. fn, n and grain are written before state opens it.
	fn    func(w, lo, hi int)
	n     int
	grain int
	jobs  uint64       // that ran, this one included
	next  atomic.Int64 // first output that nobody took yet

	// state is generation<<32 | open<<31 | workers inside. A worker enters a job
	// by a compare-and-swap while it is open, so the caller waits only for those
	// that came, not for a thread that the system has not woken yet.
	state  atomic.Uint64
	signal atomic.Uint32 // generation; parked workers wait for it to change
	asleep atomic.Int32  // parked workers
	left   atomic.Uint32 // counts jobs left by their last worker; the caller waits for it
	active atomic.Uint32 // threads that take part; workers from that index on are parked on it
	quit   atomic.Bool

	failMu sync.Mutex
	fail   any // the first panic of the job

	act  scratch // MatMul's job and its activations
	attn attend  // Attend's
	op   op      // the others'
	norm normGrad
	grad attendGrad
}

const (
	open   = 1 << 31
	inside = open - 1
	spin   = 20 * time.Microsecond
)

// MaxThreads is the most threads of a pool.
const MaxThreads = 1024

// New starts a pool. It raises GOMAXPROCS to the threads plus two (unless the
// environment sets it), so that the garbage collector and servers run beside
// workers that spin.
func New(o Options) (*Pool, error) {
	v, err := chooseVariant(o.Variant)
	if err != nil {
		return nil, err
	}
	n := o.Threads
	if n == 0 {
		n = min(runtime.NumCPU(), MaxThreads)
	}
	if n < 1 || n > MaxThreads {
		return nil, fmt.Errorf("kernel: %d threads: want 1 to %d, or 0 for one per cpu", n, MaxThreads)
	}
	raiseProcs(n + 2)
	p := &Pool{variant: v}
	p.active.Store(uint32(n))
	for i := range n {
		p.workers = append(p.workers, &worker{pool: p, index: i})
	}
	p.bind()
	p.done.Add(n - 1)
	for _, w := range p.workers[1:] {
		go w.loop()
	}
	return p, nil
}

// Close ends the workers and waits for them. It is idempotent; no other method
// may be called after it.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.quit.Store(true)
	p.signal.Add(1)
	futexWake(&p.signal, len(p.workers))
	p.active.Store(uint32(len(p.workers)))
	futexWake(&p.active, len(p.workers))
	p.done.Wait()
	return nil
}

// Threads is the number of threads that the pool has.
func (p *Pool) Threads() int { return len(p.workers) }

// Active is the number of threads that compute, see Limit.
func (p *Pool) Active() int { return int(p.active.Load()) }

// Limit makes later calls use n threads, 1 to Threads; the others stay parked.
// It starts and ends none, so it may be called before every step: memory-bound
// decoding is often fastest on fewer threads than prefill. Results do not depend
// on it. n is cut to what there is.
func (p *Pool) Limit(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = min(max(n, 1), len(p.workers))
	if old := p.active.Swap(uint32(n)); int(old) < n {
		futexWake(&p.active, len(p.workers))
	}
}

// Variant is the name of the kernels in use.
func (p *Pool) Variant() string { return p.variant.name }

// Parallel calls f for consecutive ranges that cover [0, n), each a multiple of
// grain long but the last, from all threads; a fast core takes more of them.
// worker is in [0, Threads()) and is not shared by two calls at a time. f must
// not depend on the ranges: results have to be the same for every split. A panic
// in f is passed on to the caller. The dispatch itself does not allocate.
func (p *Pool) Parallel(n, grain int, f func(worker, lo, hi int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.run(n, grain, f); err != nil {
		panic(err)
	}
}

// run is Parallel with the lock held. A fault, i.e. memory of a mapping that
// cannot be read, is returned as an error; other panics are passed on.
func (p *Pool) run(n, grain int, f func(worker, lo, hi int)) error {
	if p.closed {
		panic("kernel: pool used after Close")
	}
	p.jobs++
	if n <= 0 {
		return nil
	}
	grain = max(grain, 1)
	p.fn, p.n, p.grain = f, n, grain
	p.next.Store(0)
	if p.active.Load() > 1 && n > grain {
		p.dispatch()
	} else {
		p.workers[0].work()
	}
	p.fn = nil
	if p.fail == nil {
		return nil
	}
	fail := p.fail
	p.fail = nil
	if fault, ok := fail.(interface{ Addr() uintptr }); ok {
		return fmt.Errorf("kernel: memory at %#x cannot be read: the file was truncated or its device failed", fault.Addr())
	}
	panic(fail)
}

// dispatch opens the job, takes part in it, closes it, and waits for the workers
// that entered it.
func (p *Pool) dispatch() {
	generation := p.signal.Load() + 1
	p.state.Store(uint64(generation)<<32 | open) // first: a worker that sees the signal must find the job open
	p.signal.Store(generation)
	if n := p.asleep.Load(); n > 0 {
		futexWake(&p.signal, int(n))
	}
	p.workers[0].work()
	left := p.left.Load()
	if p.state.And(^uint64(open))&inside == 0 {
		return
	}
	for t := startSpin(); p.state.Load()&inside != 0; {
		if t.over() {
			if p.left.Load() == left {
				futexWait(&p.left, left)
			}
			left = p.left.Load()
		}
	}
}

// worker is one thread with its scratch.
type worker struct {
	pool  *Pool
	index int
	local
}

// loop waits for jobs until the pool closes.
func (w *worker) loop() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	p := w.pool
	defer p.done.Done()
	seen := uint32(0)
	for {
		if n := p.active.Load(); uint32(w.index) >= n && !p.quit.Load() {
			futexWait(&p.active, n)
			continue
		}
		seen = w.wait(seen)
		if p.quit.Load() {
			return
		}
		if uint32(w.index) < p.active.Load() && w.enter(seen) {
			w.work()
			if s := p.state.Add(^uint64(0)); s&(inside|open) == 0 {
				p.left.Add(1)
				futexWake(&p.left, 1)
			}
		}
	}
}

// wait returns when the generation is no longer seen: it spins, then parks.
func (w *worker) wait(seen uint32) uint32 {
	p := w.pool
	t := startSpin()
	for {
		if g := p.signal.Load(); g != seen {
			return g
		}
		if t.over() {
			p.asleep.Add(1)
			futexWait(&p.signal, seen)
			p.asleep.Add(-1)
		}
	}
}

// enter joins the job of the generation, if it is still open.
func (w *worker) enter(generation uint32) bool {
	p := w.pool
	for {
		s := p.state.Load()
		if uint32(s>>32) != generation || s&open == 0 {
			return false
		}
		if p.state.CompareAndSwap(s, s+1) {
			return true
		}
	}
}

// work takes ranges until none is left. A panic stops this worker's part and is
// kept for the caller; the others see no more ranges.
func (w *worker) work() {
	p := w.pool
	defer w.catch(debug.SetPanicOnFault(true))
	for {
		lo := p.next.Add(int64(p.grain)) - int64(p.grain)
		if lo >= int64(p.n) {
			return
		}
		p.fn(w.index, int(lo), min(int(lo)+p.grain, p.n))
	}
}

func (w *worker) catch(panicOnFault bool) {
	debug.SetPanicOnFault(panicOnFault)
	r := recover()
	if r == nil {
		return
	}
	p := w.pool
	p.next.Store(int64(p.n))
	p.failMu.Lock()
	if p.fail == nil {
		p.fail = r
	}
	p.failMu.Unlock()
}

// spinner measures the short time a thread spins before it parks.
type spinner struct {
	start time.Time
	n     int
}

func startSpin() spinner { return spinner{start: time.Now()} }

// over reports whether the time to spin is up; it looks at the clock rarely.
func (s *spinner) over() bool {
	s.n++
	return s.n&63 == 0 && time.Since(s.start) > spin
}
