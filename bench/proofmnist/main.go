// Command proofmnist trains a tiny CLIP from nothing on 8,000 images of handwritten digits
// with captions and lets it name the digits of 2,000 others by their words (make
// proof-mnist). It is a measuring tool: nothing in the project imports it.
//
//	go run ./bench/proofmnist -out .scratch/proof-mnist
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill/contrast"
	"github.com/qwq-edge/qwq/distill/export"
	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/vision"
)

// words are the digits' names: what the model must say.
var words = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}

// captions are what it reads in training. unseen it meets in the test alone.
var (
	captions = []string{"a photo of a {}", "the digit {}", "a handwritten {}", "this is the number {}", "{}"}
	unseen   = "a scan of the figure {}"
)

const (
	train = 8000
	least = 0.90 // of the others right
)

type settings struct {
	data, tokenizer, out string
	epochs, groups       int
	threads              int
	rate                 float64
	seed                 uint64
}

func main() {
	var s settings
	flag.StringVar(&s.data, "data", "../shared/data/vision/mnist", "folder of the images and labels, IDX files")
	flag.StringVar(&s.tokenizer, "tokenizer", "../shared/goldens/models/clip-tiny/checkpoint", "folder with the files of a CLIP tokenizer")
	flag.StringVar(&s.out, "out", ".scratch/proof-mnist", "folder of the results")
	flag.IntVar(&s.epochs, "epochs", 16, "how often each image is seen")
	flag.IntVar(&s.groups, "groups", 4, "groups of a step, ten pairs each")
	flag.IntVar(&s.threads, "threads", min(2, runtime.NumCPU()), "threads")
	flag.Float64Var(&s.rate, "rate", 1e-3, "peak learning rate")
	flag.Uint64Var(&s.seed, "seed", 1, "of weights, split and order")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "proofmnist: error:", err)
		os.Exit(1)
	}
}

func (s settings) run(ctx context.Context) error {
	all, err := readMNIST(s.data)
	if err != nil {
		return err
	}
	if len(all) < train+2000 {
		return fmt.Errorf("%s: %d images, want at least %d", s.data, len(all), train+2000)
	}
	r := rand.New(rand.NewPCG(s.seed, 7))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if err := os.MkdirAll(s.out, 0o755); err != nil { //nolint:gosec // results for everybody
		return err
	}
	dir := filepath.Join(s.out, "start")
	if err := writeStart(dir, s.tokenizer, r); err != nil {
		return err
	}
	start, trained := filepath.Join(s.out, "start.gguf"), filepath.Join(s.out, "mnist-clip")
	if err := quantize(ctx, dir, start, "f32"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.train(ctx, start, trained, all[:train], r); err != nil {
		return err
	}
	fmt.Printf("trained on %d images for %d epochs: %.0f s of %d threads\n\n", train, s.epochs, time.Since(began).Seconds(), s.threads)
	fmt.Printf("%-6s %10s %-34s %8s %9s\n", "type", "bytes", "templates", "right", "images/s")
	worst := 1.0
	for _, typ := range []string{"f32", "f16", "q8_0"} {
		path := filepath.Join(s.out, "mnist-clip-"+typ+".gguf")
		if err := quantize(ctx, trained, path, typ); err != nil {
			return err
		}
		w, err := s.score(ctx, path, typ, all[train:])
		if err != nil {
			return err
		}
		worst = min(worst, w)
	}
	if err := samples(s.out, all[train:]); err != nil {
		return err
	}
	fmt.Printf("\nqwq classify -m %s/mnist-clip-q8_0.gguf --labels %s %s/*.png\n", s.out, strings.Join(words, ","), s.out)
	if worst < least {
		return fmt.Errorf("%.2f %% right, want %.0f %%", 100*worst, 100*least)
	}
	return nil
}

func quantize(ctx context.Context, src, out, typ string) error {
	_, err := convert.Quantize(ctx, convert.Options{Source: src, Out: out, Type: typ, Force: true})
	return err
}

// train learns from pairs of a digit's image, moved by up to two pixels, and one of
// its captions. A group is one image of each digit under one template, so that no
// caption is another's negative.
func (s settings) train(ctx context.Context, start, out string, set []digit, r *rand.Rand) error {
	f, err := gguf.Open(start)
	if err != nil {
		return err
	}
	defer f.Close()
	pool, err := kernel.New(kernel.Options{Threads: s.threads})
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := contrast.Open(f, pool, contrast.Options{})
	if err != nil {
		return err
	}
	texts, err := tokenize(f)
	if err != nil {
		return err
	}
	steps := s.epochs * train / (10 * s.groups)
	tr, err := m.Trainer(contrast.Training{
		Schedule: optim.Schedule{Shape: optim.Cosine, Peak: s.rate, Warmup: steps / 20, Steps: steps},
		Adam:     optim.Options{Beta2: 0.99, Decay: 0.05, Decoupled: true}, Clip: 1,
	})
	if err != nil {
		return err
	}
	byDigit := make([][]digit, 10)
	for _, d := range set {
		byDigit[d.label] = append(byDigit[d.label], d)
	}
	began, sum := time.Now(), 0.0
	for i := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := &contrast.Batch{Texts: texts}
		for g := range s.groups {
			t := r.IntN(len(captions))
			var pairs []contrast.Pair
			for label, of := range byDigit {
				x, err := pre.Apply(of[r.IntN(len(of))].moved(r.IntN(5)-2, r.IntN(5)-2))
				if err != nil {
					return err
				}
				b.Images = append(b.Images, x...)
				pairs = append(pairs, contrast.Pair{Text: 10*t + label, Image: 10*g + label})
			}
			b.Groups = append(b.Groups, pairs)
		}
		loss, err := tr.Step(b)
		if err != nil {
			return err
		}
		if sum += loss; (i+1)%200 == 0 {
			fmt.Printf("step %4d of %d: loss %.4f, %.1f steps/s\n", i+1, steps, sum/200, float64(i+1)/time.Since(began).Seconds())
			sum = 0
		}
	}
	w, err := m.Weights()
	if err != nil {
		return err
	}
	return w.HF(ctx, out, export.Options{Tokenizer: s.tokenizer, Force: true})
}

// tokenize is the captions' ids: of template t and digit d at 10·t + d.
func tokenize(f *gguf.File) ([][]int32, error) {
	e, err := engine.New(f, engine.Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	var out [][]int32
	for _, c := range captions {
		for _, w := range words {
			ids, cut, err := e.EmbedIDs(strings.ReplaceAll(c, "{}", w))
			if err == nil && cut {
				err = fmt.Errorf("the caption %q is too long", c)
			}
			if err != nil {
				return nil, err
			}
			out = append(out, ids)
		}
	}
	return out, nil
}

// score is the share of images that a file names right, with one template and with
// all; and, for information, with one that it never read.
func (s settings) score(ctx context.Context, path, typ string, set []digit) (float64, error) {
	m, err := engine.Open(path, engine.Options{Threads: s.threads})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	var images []*vision.RGB
	for _, d := range set {
		images = append(images, d.moved(0, 0))
	}
	worst := 1.0
	for i, templates := range [][]string{captions[:1], captions, {unseen}} {
		labels, err := m.Labels(ctx, words, templates)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		p, err := labels.Classify(ctx, images)
		if err != nil {
			return 0, err
		}
		right := 0
		for k, x := range p {
			best := 0
			for j := range x {
				if x[j] > x[best] {
					best = j
				}
			}
			if best == set[k].label {
				right++
			}
		}
		share := float64(right) / float64(len(set))
		name := []string{captions[0], "all five of training", unseen + " (unseen)"}[i]
		fmt.Printf("%-6s %10d %-34s %7.2f%% %9.0f\n", typ, m.Info().Bytes, name, 100*share, float64(len(set))/time.Since(began).Seconds())
		if i < 2 {
			worst = min(worst, share)
		}
	}
	return worst, nil
}
