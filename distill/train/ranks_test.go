package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/internal/kernel"
)

// wires joins goroutines as ranks: one channel for each direction of each pair.
type wires struct {
	rank int
	to   [][]chan []byte // [from][to]
	sent *int            // bytes that rank 0 sent
}

func newWires(n int) (all []*wires) {
	to := make([][]chan []byte, n)
	for i := range to {
		for range n {
			to[i] = append(to[i], make(chan []byte, 1))
		}
	}
	for r := range n {
		all = append(all, &wires{r, to, new(int)})
	}
	return all
}

func (w *wires) Rank() int { return w.rank }
func (w *wires) Size() int { return len(w.to) }
func (w *wires) Exchange(rank int, out, in []byte) error {
	*w.sent += len(out)
	w.to[w.rank][rank] <- slices.Clone(out)
	if got := <-w.to[rank][w.rank]; copy(in, got) != len(got) || len(got) != len(in) {
		return fmt.Errorf("rank %d gets %d bytes of rank %d, wants %d", w.rank, len(got), rank, len(in))
	}
	return nil
}

// together runs f on every rank.
func together(t testing.TB, n int, f func(r int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for r := range n {
		wg.Go(func() { errs[r] = f(r) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// TestReduceGather: any number of parameters and ranks, exchanged in pieces of any
// size, gives the tree's sum in every bit, and every value travels once each way.
func TestReduceGather(t *testing.T) {
	pool, err := kernel.New(kernel.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 2, 4, 8} {
		for _, n := range []int{1, 17, optim.Block, optim.Block + 1, 3*optim.Block - 1, 11*optim.Block + 5} {
			for _, piece := range []int{1, 2, 64} {
				grads, sums := make([][]float32, size), make([][]float64, size)
				for r := range size {
					for range n {
						grads[r] = append(grads[r], float32(rng.NormFloat64()))
					}
					sums[r] = []float64{rng.NormFloat64(), 1}
				}
				want, wantSums := tree(grads), tree(sums)
				all, seen := newWires(size), make([][]int, size)
				together(t, size, func(rank int) error {
					r := newRanks(all[rank], n)
					r.piece = piece
					if err := r.reduce(pool, grads[rank], sums[rank]); err != nil {
						return err
					}
					x, own := make([]float32, n), r.own()
					count := func(lo, hi int) {
						for i := lo; i < hi; i++ {
							seen[rank] = append(seen[rank], i)
						}
					}
					err := r.gather(x, func(lo, hi int) { copy(x[lo:hi], grads[rank][lo:hi]); count(lo, hi) }, count)
					for b := own.lo; b < own.hi && err == nil; b++ {
						if lo, hi := r.at(b), r.at(b+1); !slices.Equal(grads[rank][lo:hi], want[lo:hi]) {
							err = fmt.Errorf("block %d has other bits", b)
						}
					}
					if !slices.Equal(x, want) || !slices.Equal(sums[rank], wantSums) {
						err = fmt.Errorf("rank %d of %d, %d values in pieces of %d: other sums: %v, want %v; %w", rank, size, n, piece, sums[rank], wantSums, err)
					}
					return err
				})
				for r, s := range seen {
					slices.Sort(s)
					if len(s) != n || s[0] != 0 || s[n-1] != n-1 || len(slices.Compact(s)) != n {
						t.Errorf("rank %d of %d saw %d of %d values", r, size, len(s), n)
					}
				}
				if limit := 8*n + 16*4 + 8*optim.Block*4; *all[0].sent > limit {
					t.Errorf("%d ranks, %d values: rank 0 sent %d bytes, want at most %d", size, n, *all[0].sent, limit)
				}
			}
		}
	}
}

// tree adds pairs, then pairs of pairs.
func tree[T float32 | float64](x [][]T) []T {
	all := make([][]T, len(x))
	for i := range x {
		all[i] = slices.Clone(x[i])
	}
	for d := 1; d < len(all); d *= 2 {
		for i := 0; i < len(all); i += 2 * d {
			for k, v := range all[i+d] {
				all[i][k] += v
			}
		}
	}
	return all[0]
}

// TestRanks: the same bits for 1, 2 and 4 processes of the same step, whether each
// holds all of the optimizer's state or its share; the checkpoints are the same
// file, and a run goes on with another number of processes.
func TestRanks(t *testing.T) {
	f := file(t)
	for _, leaves := range []int{4, 12} {
		o := Options{Steps: 4, Leaves: leaves, Dir: t.TempDir(), Every: 2}
		whole := trainer(t, f, 2, o)
		run(t, whole)
		want, err := os.ReadFile(whole.Path())
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{2, 4, 2, 4, 1} {
			o.ShardOptimizer, o.Dir = i >= 2, t.TempDir()
			label := fmt.Sprintf("%d leaves, %d ranks, sharded %v", leaves, n, o.ShardOptimizer)
			ranks := make([]*Trainer, n)
			held := 0
			start := func(n int) {
				held = 0
				for r, w := range newWires(n) {
					o.Exchanger = w
					ranks[r] = trainer(t, f, 1, o)
					held += len(ranks[r].state.M)
				}
			}
			start(n)
			together(t, n, func(r int) error {
				ranks[r].opt.Steps = 2
				return ranks[r].Run(context.Background())
			})
			start(n)
			together(t, n, func(r int) error {
				if err := ranks[r].Resume(); err != nil {
					return err
				}
				return ranks[r].Run(context.Background())
			})
			for _, tr := range ranks {
				if !slices.Equal(tr.params.Flat, whole.params.Flat) || !slices.Equal(tr.average, whole.average) {
					t.Errorf("%s: other parameters", label)
				}
			}
			if got, err := os.ReadFile(ranks[0].Path()); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: another checkpoint, %v", label, err)
			}
			if size := len(whole.params.Flat); o.ShardOptimizer && held != size || !o.ShardOptimizer && held != n*size {
				t.Errorf("%s: %d values of state in all, of %d", label, held, size)
			}
		}
	}
	if n := optim.Blocks(len(trainer(t, f, 1, Options{Steps: 1}).params.Flat)); n < 4 {
		t.Errorf("the model has %d blocks: too few for 4 ranks", n)
	}
	if n := len(trainer(t, f, 1, Options{Steps: 1, Leaves: 8}).tree); n != 4 {
		t.Errorf("8 leaves take %d gradients, want 4", n)
	}
}

// TestDisagree: ranks that start from different places find out before a step.
func TestDisagree(t *testing.T) {
	f := file(t)
	for label, change := range map[string]func(*Trainer){
		"a weight": func(tr *Trainer) { tr.params.Flat[7]++ },
		"the step": func(tr *Trainer) { tr.step = 1 },
		"the id":   func(tr *Trainer) { tr.opt.ID[3] = 1 },
		"shards":   func(tr *Trainer) { tr.opt.ShardOptimizer = true },
	} {
		var ranks []*Trainer
		for _, w := range newWires(2) {
			ranks = append(ranks, trainer(t, f, 1, Options{Steps: 2, Exchanger: w}))
		}
		change(ranks[1])
		together(t, 2, func(r int) error {
			if err := ranks[r].Run(context.Background()); err == nil || !strings.Contains(err.Error(), "same step") {
				return fmt.Errorf("%s differs: error %w", label, err)
			}
			return nil
		})
	}
}
