// Command proofdistill measures what a teacher is worth (make proof-distill): students of
// one pruned start that read the same rows in the same order learn from hard labels or from
// the teacher, each at its best of three learning rates, for three seeds; then other
// temperatures and weights with the live teacher. It goes on where it was ended. It is a
// measuring tool: nothing in the project imports it.
//
//	go run ./bench/proofdistill -recipe testdata/recipes/proof.yaml -out .scratch/proof-distill
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/recipe"
)

var (
	seeds = []uint64{1, 2, 3}
	// peak learning rates; the best of each lies in the middle
	hardRates = []float64{1e-3, 2e-3, 4e-3}
	softRates = []float64{2e-3, 4e-3, 8e-3}
	temps     = []float64{1, 2, 3, 4}
	// weights of the table, soft:hard
	weights = [][2]float64{{1, 0}, {0.9, 0.1}, {0.5, 0.5}}
)

// margin is how much better, in nats a token, the teacher must be than hard labels.
const margin = 0.15

// arm is one training.
type arm struct {
	seed uint64
	name string // of its folder
	spec loss.Spec
	lr   float64
	live bool // the teacher runs in training
}

func main() {
	base := flag.String("recipe", "testdata/recipes/proof.yaml", "what all arms share")
	out := flag.String("out", ".scratch/proof-distill", "folder of all results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *base, *out); err != nil {
		fmt.Fprintln(os.Stderr, "proofdistill: error:", err)
		if ctx.Err() != nil {
			fmt.Fprintln(os.Stderr, "proofdistill: hint: run it again to go on")
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, base, out string) error {
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	r, err := recipe.Open(base)
	if err != nil {
		return err
	}
	if *r.Loss.Soft == 0 || r.Cache.Live || r.Data.Generate == nil || len(r.Evaluate.Files) == 0 {
		return errors.New("the recipe must have a soft loss, a cache, text from the teacher and held-out files")
	}
	x := &proof{base: base, out: out, start: map[uint64]string{}}
	return x.measure(ctx, r)
}

// measure trains and scores all arms, and writes report.md.
func (x *proof) measure(ctx context.Context, r *recipe.Recipe) error {
	soft, err := x.arms(ctx, "distilled", r.Loss.Spec(), softRates)
	if err != nil {
		return err
	}
	hard, err := x.arms(ctx, "hard", loss.Spec{Hard: 1}, hardRates)
	if err != nil {
		return err
	}
	bestHard, bestSoft := best(hard), best(soft)
	teacher := make([]result, len(seeds))
	for i, seed := range seeds {
		t, err := x.score(ctx, seed, filepath.Join(x.folder(seed, ""), "teacher.gguf"))
		if err != nil {
			return err
		}
		teacher[i] = t
	}
	rep := &report{recipe: r, teacher: teacher, hard: hard, soft: soft, bestHard: bestHard, bestSoft: bestSoft}
	if gap := rep.gap(); gap < margin {
		return fmt.Errorf("the teacher is too weak: only %.4f nats a token better than hard labels, wanted is %g", gap, margin)
	}
	if err := rep.write(x.out); err != nil {
		return err
	}
	for _, a := range table(softRates[bestSoft]) {
		t, err := x.train(ctx, a)
		if err != nil {
			return err
		}
		rep.rows = append(rep.rows, row{a, t})
		if err := rep.write(x.out); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(filepath.Join(x.out, "report.md"))
	if err == nil {
		_, err = os.Stdout.Write(b)
	}
	return err
}

// arms trains a loss at some rates with every seed: [rate][seed].
func (x *proof) arms(ctx context.Context, name string, spec loss.Spec, rates []float64) (all [][]result, err error) {
	for _, lr := range rates {
		var of []result
		for _, seed := range seeds {
			r, err := x.train(ctx, arm{seed, fmt.Sprintf("%s-%g", name, lr), spec, lr, false})
			if err != nil {
				return nil, err
			}
			of = append(of, r)
		}
		all = append(all, of)
	}
	return all, nil
}

// table is the arms with the live teacher: temperatures, weights, and the article's recipe.
func table(lr float64) (arms []arm) {
	add := func(s loss.Spec, name string) { arms = append(arms, arm{seeds[0], name, s, lr, true}) }
	for _, t := range temps {
		for _, w := range weights {
			add(loss.Spec{Soft: w[0], Hard: w[1], Temperature: t}, fmt.Sprintf("live-T%g-%g-%g", t, w[0], w[1]))
		}
	}
	add(loss.Article(loss.BatchMean), "article-batchmean")
	add(loss.Article(loss.Mean), "article-mean")
	return arms
}

// best is the learning rate whose students are best on average.
func best(arms [][]result) (at int) {
	sum := func(r []result) (s float64) {
		for _, v := range r {
			s += v.mean()
		}
		return s
	}
	for i := range arms {
		if sum(arms[i]) < sum(arms[at]) {
			at = i
		}
	}
	return at
}
