//go:build mpi

package mpi

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/launch"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/model"
)

// job is what one process of a test does: this program again, with the job in its
// environment and started by a launcher.
type job struct {
	Model                string
	Dir                  string
	Threads              int
	Steps, Leaves, Every int
	Rows, Length         int // of a leaf
	Shard                bool
	Library              string
	TimeoutMS            int
	FailAt               int    // rank 1 fails in this step where it starts anew, counted from 1; 0: none
	Fail                 string // "kill", "error" or "hang"
	PauseMS              int    // before each step
	Bytes                bool   // exchange bytes instead of training
}

const jobVariable = "QWQ_TEST_MPI_JOB"

func TestMain(m *testing.M) {
	text := os.Getenv(jobVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	var j job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = j.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker: error:", err)
		os.Exit(1)
	}
}

func (j job) run() error {
	c, err := Open(Options{Library: j.Library, Timeout: time.Duration(j.TimeoutMS) * time.Millisecond})
	if errors.Is(err, launch.ErrAlone) {
		return j.train(nil, 0, 1)
	}
	if err != nil {
		return err
	}
	if j.Bytes {
		return c.Close(swap(c))
	}
	return c.Close(j.train(c, c.Rank(), c.Size()))
}

// swap exchanges lengths that differ by direction, in messages of 1,000 bytes.
func swap(c *Comm) error {
	c.limit = 1000
	content := func(rank, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rank*31 + i*7 + n)
		}
		return b
	}
	for d := 1; d < c.Size(); d *= 2 {
		peer := c.Rank() ^ d
		for _, n := range [][2]int{{0, 0}, {1, 0}, {0, 1}, {1000, 1001}, {12345, 2}, {999, 100000}} {
			send, receive := n[c.Rank()/d%2], n[peer/d%2]
			in := make([]byte, receive)
			if err := c.Exchange(peer, content(c.Rank(), send), in); err != nil {
				return err
			}
			if string(in) != string(content(peer, receive)) {
				return fmt.Errorf("rank %d: %d bytes of rank %d are wrong", c.Rank(), receive, peer)
			}
		}
	}
	if err := idle(c); err != nil {
		return err
	}
	fmt.Printf("swapped %d/%d %s\n", c.Rank(), c.Size(), c.Library())
	return nil
}

// idle lets the others wait a second for rank 0, without work.
func idle(c *Comm) error {
	if c.Rank() == 0 {
		time.Sleep(time.Second)
		for r := 1; r < c.Size(); r++ {
			if err := c.Exchange(r, []byte("go"), nil); err != nil {
				return err
			}
		}
		return nil
	}
	began, before := time.Now(), cpuTime()
	if err := c.Wait(0); err != nil {
		return err
	}
	if w, used := time.Since(began), cpuTime()-before; w > 500*time.Millisecond && used > w/4 {
		return fmt.Errorf("rank %d works %v while it waits %v", c.Rank(), used, w)
	}
	var b [2]byte
	if err := c.Exchange(0, nil, b[:]); err != nil || string(b[:]) != "go" {
		return fmt.Errorf("rank %d got %q, %w", c.Rank(), b, err)
	}
	return nil
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// train runs the job and prints each step's loss in every bit, on rank 0.
func (j job) train(c *Comm, rank, size int) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	f, err := gguf.Open(j.Model)
	if err != nil {
		return err
	}
	defer f.Close()
	pool, err := kernel.New(kernel.Options{Threads: j.Threads})
	if err != nil {
		return err
	}
	defer pool.Close()
	dev := tape.New(pool, tape.Options{})
	m, err := model.New(f, dev)
	if err != nil {
		return err
	}
	vocab := m.Hyper().Vocab
	o := train.Options{
		Steps: j.Steps, Leaves: j.Leaves, Every: j.Every, Dir: j.Dir, ShardOptimizer: j.Shard,
		Clip: 1, Optim: optim.Options{Decoupled: true, Decay: 0.1}, Schedule: optim.Schedule{Shape: optim.Cosine, Peak: 1e-3, Warmup: 2},
		ID: sha256.Sum256([]byte("job")),
	}
	if c != nil {
		o.Exchanger = c
	}
	var seconds []float64
	o.Report = func(m train.Metrics) {
		if seconds = append(seconds, m.Seconds); rank == 0 {
			fmt.Printf("step %d loss %016x norm %016x\n", m.Step, math.Float64bits(m.Loss["loss"]), math.Float64bits(m.Norm))
		}
	}
	fresh := true
	src := source(func(step, i int) (*distill.Batch, error) {
		time.Sleep(time.Duration(j.PauseMS) * time.Millisecond)
		if fresh && rank == size-1 && step+1 == j.FailAt {
			switch j.Fail {
			case "kill":
				return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
			case "hang":
				time.Sleep(time.Hour)
			default:
				return nil, errors.New("no such file")
			}
		}
		return leaf(vocab, j.Rows, j.Length, step, i), nil
	})
	t, err := train.New(pool, dev, m, src, crossEntropy(pool, vocab), o)
	if err != nil {
		return err
	}
	if j.Dir != "" {
		if err := t.Resume(); err == nil {
			fresh = false
			fmt.Printf("rank %d resumes at step %d\n", rank, t.Step())
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	fmt.Printf("rank %d is process %d\n", rank, os.Getpid())
	if err := t.Run(ctx); err != nil {
		return err
	}
	if rank == 0 && len(seconds) > 0 {
		best, sum := math.Inf(1), 0.0
		for _, s := range seconds[min(1, len(seconds)-1):] {
			best, sum = min(best, s), sum+s
		}
		fmt.Printf("best %.4f s mean %.4f s of a step\n", best, sum/float64(max(1, len(seconds)-1)))
	}
	return nil
}

type source func(step, i int) (*distill.Batch, error)

func (s source) Leaf(step, i int) (*distill.Batch, error) { return s(step, i) }

// leaf is rows of ids that a function of step and index gives; some are not scored.
func leaf(vocab, rows, length, step, i int) *distill.Batch {
	r := rand.New(rand.NewPCG(uint64(step), uint64(i)))
	b := &distill.Batch{Rows: rows, Length: length}
	for range rows {
		b.Docs = append(b.Docs, int32(length))
		for k := range length {
			id := r.Int32N(int32(vocab))
			b.IDs = append(b.IDs, id)
			b.Next = append(b.Next, -1)
			if k > 0 {
				b.Next[len(b.Next)-2] = id
			}
		}
	}
	for k := range i % 3 {
		b.Next[k] = -1
	}
	return b
}

// crossEntropy is the plain loss, as cheap as one gets.
func crossEntropy(p *kernel.Pool, vocab int) train.Loss {
	return func(_ context.Context, b *distill.Batch, lo, _ int, logits []float32, scale float64, sums []float64) error {
		m := kernel.F32{Rows: len(logits) / vocab, Cols: vocab, Data: logits}
		p.Softmax(m)
		for r := range m.Rows {
			if y := b.Next[lo+r]; y >= 0 {
				sums[0] -= math.Log(float64(m.At(r)[y]))
				m.At(r)[y]--
			}
		}
		p.Parallel(m.Rows, 8, func(_, from, to int) {
			for r := from; r < to; r++ {
				f := float32(scale)
				if b.Next[lo+r] < 0 {
					f = 0
				}
				x := m.At(r)
				for i := range x {
					x[i] *= f
				}
			}
		})
		return nil
	}
}
