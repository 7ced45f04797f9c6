// Command proofdialog trains the article's tracker of a dialog's state to find
// where a topic ends, on texts spliced into long dialogs, and measures on other
// documents whether it does so better than the cosine of vectors, and whether the
// topics keep more of what was said than recency does (make proof-dialog). It is a
// measuring tool: nothing in the project imports it.
//
//	go run ./bench/proofdialog -encoder all-minilm-l6-v2.gguf -out .scratch/proof-dialog
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/qwq-edge/qwq/distill/topic"
)

type settings struct {
	encoder, data, out string
	steps, threads     int
	rate, noise        float64
	seed               uint64
}

func main() {
	var s settings
	flag.StringVar(&s.encoder, "encoder", "", "sentence encoder, a GGUF (all-minilm-l6-v2)")
	flag.StringVar(&s.data, "data", "../shared/data/text", "folder of the texts")
	flag.StringVar(&s.out, "out", ".scratch/proof-dialog", "folder of the results")
	flag.IntVar(&s.steps, "steps", 1500, "steps of 32 dialogs of 24 turns")
	flag.IntVar(&s.threads, "threads", min(2, runtime.NumCPU()), "threads")
	flag.Float64Var(&s.rate, "rate", 0.001, "learning rate")
	flag.Float64Var(&s.noise, "noise", 0.7, "length of the noise that is added to the vectors in training")
	flag.Uint64Var(&s.seed, "seed", 1, "of the weights and the dialogs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "proofdialog:", err)
		os.Exit(1)
	}
}

func (s settings) run(ctx context.Context) error {
	if s.encoder == "" {
		return errors.New("-encoder FILE is needed: qwq-convert quantize makes one of all-minilm-l6-v2")
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	docs, err := read(s.data)
	if err != nil {
		return err
	}
	start := time.Now()
	width, err := embed(ctx, s.encoder, s.out, s.threads, docs)
	if err != nil {
		return err
	}
	parts := split(docs)
	fmt.Printf("%d documents, %d for training, %d to choose with, %d to test; vectors of width %d in %.0f s\n", len(docs), len(parts[0]), len(parts[1]), len(parts[2]), width, time.Since(start).Seconds())

	from, to := filepath.Join(s.out, "start.gguf"), filepath.Join(s.out, "tracker.gguf")
	if err := topic.Init(from, width, s.seed, sample(parts[0])); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(s.seed, 5))
	start = time.Now()
	mean := 0.0
	err = topic.Train(ctx, from, to, topic.Options{
		Steps: s.steps, LR: s.rate, Threads: s.threads,
		Next: func(int) topic.Batch {
			b := batch(dialogs(r, parts[0], 32, 24), width)
			blur(r, b.X, width, s.noise)
			return b
		},
		Progress: func(step int, loss float64) {
			if mean += loss; (step+1)%100 == 0 {
				fmt.Printf("step %4d  loss %.4f  %.0f s\n", step+1, mean/100, time.Since(start).Seconds())
				mean = 0
			}
		},
	})
	if err != nil {
		return err
	}
	return s.measure(from, to, parts, width)
}

// sample is every third turn's vector.
func sample(docs []*document) (x [][]float32) {
	n := 0
	for _, d := range docs {
		for _, v := range d.vec {
			if n++; n%3 == 0 {
				x = append(x, v)
			}
		}
	}
	return x
}

// blur adds noise of that length to every vector: there are fewer documents than
// the tracker could learn by heart.
func blur(r *rand.Rand, x []float32, width int, noise float64) {
	by := noise / math.Sqrt(float64(width))
	for v := range slices.Chunk(x, width) {
		for k := range v {
			v[k] += float32(by * r.NormFloat64())
		}
		unit(v)
	}
}

// split puts every tenth document aside to choose thresholds with, and two more to
// test, of each source.
func split(docs []*document) (parts [3][]*document) {
	n := map[string]int{}
	for _, d := range docs {
		i := n[d.source] % 10
		n[d.source]++
		switch i {
		case 3:
			parts[1] = append(parts[1], d)
		case 6, 9:
			parts[2] = append(parts[2], d)
		default:
			parts[0] = append(parts[0], d)
		}
	}
	return parts
}

// dialog is turns of documents, one after the other.
type dialog struct {
	vec   [][]float32
	words []int
	doc   []*document // of each turn
	first []bool      // a document begins
}

// dialogs splices n dialogs of so many turns. Half are of all sources, half within
// one, so that the books' chapters meet each other.
func dialogs(r *rand.Rand, docs []*document, n, turns int) []dialog {
	by := map[string][]*document{}
	var names []string
	for _, d := range docs {
		if by[d.source] == nil {
			names = append(names, d.source)
		}
		by[d.source] = append(by[d.source], d)
	}
	var out []dialog
	for i := range n {
		one := by[names[r.IntN(len(names))]]
		out = append(out, splice(r, turns, func() *document {
			if i%2 == 1 && len(one) > 1 {
				return one[r.IntN(len(one))]
			}
			from := by[names[r.IntN(len(names))]]
			return from[r.IntN(len(from))]
		}))
	}
	return out
}

// splice takes 2 to 8 turns of a document after another; draw must give more than
// one document.
func splice(r *rand.Rand, turns int, draw func() *document) dialog {
	var d dialog
	var last *document
	for len(d.vec) < turns {
		doc := draw()
		if doc == last {
			continue
		}
		last = doc
		n := min(2+r.IntN(7), len(doc.turns))
		at := r.IntN(len(doc.turns) - n + 1)
		for i := at; i < at+n && len(d.vec) < turns; i++ {
			d.add(doc, i, i == at)
		}
	}
	return d
}

func (d *dialog) add(doc *document, i int, first bool) {
	d.vec, d.words = append(d.vec, doc.vec[i]), append(d.words, doc.words[i])
	d.doc, d.first = append(d.doc, doc), append(d.first, first)
}

// batch puts dialogs of equal length side by side.
func batch(ds []dialog, width int) topic.Batch {
	b := topic.Batch{Turns: len(ds[0].vec), Dialogs: len(ds)}
	b.X = make([]float32, 0, b.Turns*b.Dialogs*width)
	for t := range b.Turns {
		for _, d := range ds {
			b.X, b.Boundary = append(b.X, d.vec[t]...), append(b.Boundary, d.first[t])
		}
	}
	return b
}
