//go:build mpi

package mpi

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/distill/launch"
)

// Options says how to join the job. The zero value works.
type Options struct {
	// Library is the shared library, a name or a path; "": as the launcher's
	// variables say. With one, a process that no launcher started is a job of one.
	Library string
	// Timeout ends an exchange whose other side does not come, with an error; 0:
	// 30 minutes, more than a step's ranks differ by; negative: never.
	Timeout time.Duration
}

// Comm is this process in its job; it is a train.Exchanger.
type Comm struct {
	lib        *library
	rank, size int
	timeout    time.Duration
	limit      int         // bytes of one message
	calls      chan func() // made on MPI's thread
	once       sync.Once
	closed     error
	stuck      bool // MPI's thread does not come back
}

// messageLimit is below 2^31, MPI's count being an int.
const messageLimit = 1 << 30

// Open joins the job, once in the life of a process. launch.ErrAlone: there is no job.
func Open(o Options) (*Comm, error) {
	l, err := launch.Detect(os.Getenv)
	switch {
	case o.Library != "" && (err == nil || errors.Is(err, launch.ErrAlone)):
		l.Libraries = []string{o.Library}
	case err != nil:
		return nil, err
	}
	c := &Comm{timeout: o.Timeout, limit: messageLimit, calls: make(chan func())}
	if c.timeout == 0 {
		c.timeout = 30 * time.Minute
	}
	go c.serve()
	err = nil
	if !c.do(func() {
		if c.lib, err = load(l.Libraries); err == nil {
			c.rank, c.size, err = c.lib.start()
		}
	}) {
		return nil, fmt.Errorf("mpi: %s: not all ranks come within %v", l.Name, c.timeout)
	}
	if err != nil {
		return nil, err
	}
	if err := l.Check(c.size, c.lib.name); err != nil {
		return nil, c.Close(err)
	}
	return c, nil
}

// serve makes all calls on one thread, as MPI_THREAD_FUNNELED asks. The thread
// ends with the process: MPI may have tied things to it.
func (c *Comm) serve() {
	runtime.LockOSThread()
	for f := range c.calls {
		f()
	}
	select {}
}

// do runs f on MPI's thread; false: it did not end in time, and never will.
func (c *Comm) do(f func()) bool {
	done := make(chan struct{})
	c.calls <- func() { f(); close(done) }
	var late <-chan time.Time
	if c.timeout > 0 {
		t := time.NewTimer(c.timeout)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-done:
		return true
	case <-late:
		c.stuck = true
		return false
	}
}

// Rank is this process's number, from 0.
func (c *Comm) Rank() int { return c.rank }

// Size is the number of processes, a power of two.
func (c *Comm) Size() int { return c.size }

// Library is the name and version of the MPI library, as it says.
func (c *Comm) Library() string { return c.lib.name }

// Exchange sends out to a rank and receives in from it.
func (c *Comm) Exchange(rank int, out, in []byte) error {
	if c.stuck {
		return errors.New("mpi: an exchange did not end")
	}
	var err error
	if !c.do(func() { err = c.lib.sendrecv(rank, out, in, c.limit) }) {
		return fmt.Errorf("mpi: rank %d does not answer rank %d for %v", rank, c.rank, c.timeout)
	}
	return err
}

// Wait returns when a rank exchanges with this one. MPI's own waiting takes a whole
// core; this looks again every 20 ms, however long it takes. The launcher ends this
// process where the other one dies.
func (c *Comm) Wait(rank int) error {
	for {
		var there bool
		var err error
		if c.stuck || !c.do(func() { there, err = c.lib.comes(rank) }) {
			return errors.New("mpi: the library does not answer")
		}
		if there || err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Close leaves the job. Without an error it waits for all ranks. With one, which
// it returns, it ends the whole job: the other ranks may be waiting for this one,
// and this process goes with them where the library says so, with code 1, after
// the error is printed.
func (c *Comm) Close(err error) error {
	c.once.Do(func() {
		if c.closed = err; c.stuck {
			return // the launcher ends the others when this process has ended
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "rank %d of %d ends the job: %v\n", c.rank, c.size, err)
			time.Sleep(300 * time.Millisecond) // MPICH's launcher drops what it has not passed on when a rank aborts
			c.do(func() { c.closed = errors.Join(err, c.lib.call(fnAbort, c.lib.world, 1)) })
			return
		}
		if !c.do(func() { c.closed = c.lib.call(fnFinalize) }) {
			c.closed = fmt.Errorf("mpi: rank %d waits for the end of the others for %v", c.rank, c.timeout)
		}
	})
	return c.closed
}
