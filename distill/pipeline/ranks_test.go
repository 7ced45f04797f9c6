package pipeline

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/qwq-edge/qwq/distill/recipe"
)

// wires joins goroutines as processes are joined; broken ends all of them.
type wires struct {
	rank   int
	to     [][]chan []byte // [from][to]
	broken chan struct{}
}

var errBroken = errors.New("the job has ended")

func newWires(n int) (all []*wires) {
	to := make([][]chan []byte, n)
	for i := range to {
		for range n {
			to[i] = append(to[i], make(chan []byte, 1))
		}
	}
	broken := make(chan struct{})
	for i := range n {
		all = append(all, &wires{i, to, broken})
	}
	return all
}

func (w *wires) Rank() int { return w.rank }
func (w *wires) Size() int { return len(w.to) }

// Wait puts back what it has seen.
func (w *wires) Wait(rank int) error {
	select {
	case b := <-w.to[rank][w.rank]:
		w.to[rank][w.rank] <- b
		return nil
	case <-w.broken:
		return errBroken
	}
}

func (w *wires) Exchange(rank int, out, in []byte) error {
	select {
	case w.to[w.rank][rank] <- bytes.Clone(out):
	case <-w.broken:
		return errBroken
	}
	select {
	case b := <-w.to[rank][w.rank]:
		if len(b) != len(in) {
			return errors.New("other lengths")
		}
		copy(in, b)
		return nil
	case <-w.broken:
		return errBroken
	}
}

// together runs a recipe in n processes, the way a command does it.
func together(t *testing.T, n int, edit func(rank int, o *Options), r func(rank int) *recipe.Recipe) (errs []error, logs []*log) {
	t.Helper()
	all := newWires(n)
	errs, logs = make([]error, n), make([]*log, n)
	var wg sync.WaitGroup
	var once sync.Once
	for i := range n {
		wg.Go(func() {
			o := Options{Ranks: all[i], Threads: 1}
			if edit != nil {
				edit(i, &o)
			}
			logs[i], _, errs[i] = run(t, r(i), o, nil)
			if e := new(RankError); errors.As(errs[i], &e) {
				once.Do(func() { close(all[i].broken) })
			}
		})
	}
	wg.Wait()
	return errs, logs
}

var made = []string{"start.gguf", "hard-label.gguf", "student.gguf", "student-hf", "student-q8_0.gguf", "train/student/checkpoint", "evaluate.json"}

// TestRanks: two and four processes make the files of one, rank 0 alone does the
// stages, and a second run does nothing.
func TestRanks(t *testing.T) {
	edit := []string{"leaves: 2", "leaves: 4", "batch: 2", "batch: 1"}
	_, one, err := run(t, folder(t, edit...), Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{2, 4} {
		r := folder(t, edit...)
		for again := range 2 {
			errs, logs := together(t, n, func(_ int, o *Options) { o.ShardOptimizer = n == 4 }, func(int) *recipe.Recipe { return open(t, r.Path) })
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			if again == 1 {
				want(t, "second run", logs[0].skipped, Stages())
			}
			for i, l := range logs[1:] {
				if len(l.done)+len(l.skipped)+len(l.steps) > 0 {
					t.Errorf("rank %d of %d did %+v", i+1, n, l)
				}
			}
		}
		p, err := New(r, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range made {
			a, errA := hashPath(one.path(f))
			b, errB := hashPath(p.path(f))
			if errA != nil || errB != nil || a != b {
				t.Errorf("%d processes: %s is %s, want %s (%v, %v)", n, f, b, a, errB, errA)
			}
		}
	}
}

// TestRanksEnd: however a process fails, all of them end, and say why.
func TestRanksEnd(t *testing.T) {
	r := folder(t)
	share := func(int) *recipe.Recipe { return open(t, r.Path) }
	if _, err := New(folder(t, "leaves: 2", "leaves: 3"), Options{Ranks: newWires(2)[0]}); err == nil || !strings.Contains(err.Error(), "train.leaves") {
		t.Errorf("3 leaves on 2 processes: %v", err)
	}

	// Rank 0 fails outside of a training: the others end without an error.
	weak := folder(t, "margin: -100", "margin: 100")
	errs, _ := together(t, 2, nil, func(int) *recipe.Recipe { return open(t, weak.Path) })
	if e := new(WeakError); !errors.As(errs[0], &e) || errs[1] != nil {
		t.Errorf("a weak teacher: %v", errs)
	}

	// A folder that is not shared.
	other := folder(t)
	errs, _ = together(t, 2, nil, func(rank int) *recipe.Recipe {
		if rank == 1 {
			return open(t, other.Path)
		}
		return share(0)
	})
	if errs[0] == nil || errs[1] == nil || !strings.Contains(errs[1].Error(), "must share the folder") {
		t.Errorf("two folders: %v", errs)
	}

	// A rank that is interrupted in a training; the run then goes on.
	errs, _ = together(t, 2, func(rank int, o *Options) {
		if rank == 1 {
			o.Ranks = &failing{Ranks: o.Ranks, after: 12}
		}
	}, share)
	if !errors.Is(errs[1], context.Canceled) || !errors.Is(errs[0], errBroken) {
		t.Errorf("an interrupted rank: %v", errs)
	}
	errs, logs := together(t, 2, nil, share)
	if err := errors.Join(errs...); err != nil || len(logs[0].steps[hardName]) != 2 {
		t.Fatalf("%v, steps %v", err, logs[0].steps)
	}
	_, one, err := run(t, other, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, errA := hashPath(one.path("student.gguf"))
	b, errB := hashPath(filepath.Join(filepath.Dir(r.Path), "out/student.gguf"))
	if errA != nil || errB != nil || a != b {
		t.Errorf("student is %s, of one process %s (%v, %v)", b, a, errB, errA)
	}
}

// failing is a process whose exchanges fail after some.
type failing struct {
	Ranks
	after int
}

func (f *failing) Exchange(rank int, out, in []byte) error {
	if f.after--; f.after < 0 {
		return context.Canceled
	}
	return f.Ranks.Exchange(rank, out, in)
}
