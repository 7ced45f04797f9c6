package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/recipe"
)

// row is one line of the table.
type row struct {
	arm
	result
}

type report struct {
	recipe             *recipe.Recipe
	teacher            []result   // [seed]
	hard, soft         [][]result // [rate][seed]
	bestHard, bestSoft int
	rows               []row
}

// gap is the nats a token from the best hard-label students to the teacher.
func (r *report) gap() float64 {
	s := 0.0
	for i := range r.teacher {
		s += r.hard[r.bestHard][i].mean() - r.teacher[i].mean()
	}
	return s / float64(len(r.teacher))
}

// paired is the mean over rows of text of a difference that f gives for a row, in nats a
// token, and its standard error.
func paired(like result, f func(row int) float64) (mean, stderr float64) {
	n, tokens := float64(len(like.Nats)), 0
	for i, t := range like.Tokens {
		mean, tokens = mean+f(i), tokens+t
	}
	mean /= float64(tokens)
	sum := 0.0
	for i, t := range like.Tokens {
		d := f(i) - mean*float64(t)
		sum += d * d
	}
	return mean, math.Sqrt(sum*n/max(n-1, 1)) / float64(tokens)
}

// over is paired for the mean over seeds of a difference.
func (r *report) over(f func(seed, row int) float64) (mean, stderr float64) {
	return paired(r.teacher[0], func(i int) float64 {
		s := 0.0
		for seed := range r.teacher {
			s += f(seed, i)
		}
		return s / float64(len(r.teacher))
	})
}

func (r *report) write(out string) error {
	var b strings.Builder
	t := r.recipe.Train
	tokens := 0
	for _, n := range r.teacher[0].Tokens {
		tokens += n
	}
	fmt.Fprintf(&b, "%d steps of %d x %d, one start and one order of rows a seed; held-out %d tokens in %d rows; nats a token\n\n",
		t.Steps, t.Batch*t.Leaves, r.recipe.Data.Length, tokens, len(r.teacher[0].Tokens))
	fmt.Fprintf(&b, "| | peak rate | seeds %v | mean | |\n| --- | --- | --- | --- | --- |\n", seeds)
	for _, side := range []struct {
		name  string
		rates []float64
		all   [][]result
		best  int
	}{{"hard-label", hardRates, r.hard, r.bestHard}, {"distilled", softRates, r.soft, r.bestSoft}} {
		for i, lr := range side.rates {
			fmt.Fprintf(&b, "| %s | %g |", side.name, lr)
			mean := 0.0
			for _, v := range side.all[i] {
				fmt.Fprintf(&b, " %.4f", v.mean())
				mean += v.mean() / float64(len(seeds))
			}
			mark := ""
			if i == side.best {
				mark = "best"
			}
			fmt.Fprintf(&b, " | %.4f | %s |\n", mean, mark)
		}
	}
	hard, soft := r.hard[r.bestHard], r.soft[r.bestSoft]
	b.WriteString("\n| seed | teacher | hard-label | distilled | hard-label - distilled | of the gap |\n| --- | --- | --- | --- | --- | --- |\n")
	parts := make([]float64, len(seeds))
	for i, seed := range seeds {
		t, h, d := r.teacher[i], hard[i], soft[i]
		diff, se := paired(t, func(k int) float64 { return h.Nats[k] - d.Nats[k] })
		parts[i] = (h.mean() - d.mean()) / (h.mean() - t.mean())
		fmt.Fprintf(&b, "| %d | %.4f | %.4f | %.4f | %.4f ± %.4f | %.1f %% |\n", seed, t.mean(), h.mean(), d.mean(), diff, 2*se, 100*parts[i])
	}
	diff, se := r.over(func(s, k int) float64 { return hard[s].Nats[k] - soft[s].Nats[k] })
	gap, gapSE := r.over(func(s, k int) float64 { return hard[s].Nats[k] - r.teacher[s].Nats[k] })
	part, spread := meanStderr(parts)
	fmt.Fprintf(&b, "\nGap hard-label to teacher %.4f ± %.4f, hard-label to distilled %.4f ± %.4f (two standard errors over rows): %.1f %% ± %.1f of the gap (two over seeds).\n",
		gap, 2*gapSE, diff, 2*se, 100*part, 200*spread)
	for _, goal := range []float64{0.25, 0.5} {
		over, se := r.over(func(s, k int) float64 {
			return hard[s].Nats[k] - soft[s].Nats[k] - goal*(hard[s].Nats[k]-r.teacher[s].Nats[k])
		})
		ok := "met"
		if over <= 2*se || part-2*spread <= goal {
			ok = "missed"
		}
		fmt.Fprintf(&b, "Beyond %.0f %%: %.4f ± %.4f nats: %s.\n", 100*goal, over, 2*se, ok)
	}
	r.table(&b)
	return os.WriteFile(filepath.Join(out, "report.md"), []byte(b.String()), 0o666)
}

// table is the temperatures and weights, against the hard-label student of the seed.
func (r *report) table(b *strings.Builder) {
	if len(r.rows) == 0 {
		return
	}
	h, t := r.hard[r.bestHard][0], r.teacher[0]
	fmt.Fprintf(b, "\nLive teacher, seed %d, peak rate %g:\n\n| loss | T | nats | hard-label - this | of the gap |\n| --- | --- | --- | --- | --- |\n", seeds[0], softRates[r.bestSoft])
	for _, x := range r.rows {
		diff, se := paired(t, func(k int) float64 { return h.Nats[k] - x.Nats[k] })
		name := fmt.Sprintf("%g soft + %g hard", x.spec.Soft, x.spec.Hard)
		if strings.HasPrefix(x.name, "article") {
			name = "the article's soft + hard, batchmean"
			if x.spec.Reduction == loss.Mean {
				name = "the article's soft + hard, mean"
			}
		}
		fmt.Fprintf(b, "| %s | %g | %.4f | %.4f ± %.4f | %.1f %% |\n", name, x.spec.Temperature, x.mean(), diff, 2*se,
			100*(h.mean()-x.mean())/(h.mean()-t.mean()))
	}
}

func meanStderr(v []float64) (mean, stderr float64) {
	n := float64(len(v))
	for _, x := range v {
		mean += x / n
	}
	for _, x := range v {
		stderr += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(stderr / max(n-1, 1) / n)
}
