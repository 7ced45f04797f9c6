// Command proofsafety trains the linear toxicity classifier that runtime/safety embeds,
// and measures it on rows, books, words and disguises that its training did not see
// (make train-safety, make proof-safety). Nothing but weights is written. It is a
// measuring tool: nothing in the project imports it.
//
//	go run ./bench/proofsafety -write runtime/safety/toxicity.gguf
package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/safety"
)

type settings struct {
	data, write         string
	seed                uint64
	bits, passes        int
	rate, decay, benign float64
	show                int
}

func main() {
	var s settings
	s.flags(flag.CommandLine)
	flag.Parse()
	if err := s.run(); err != nil {
		fmt.Fprintln(os.Stderr, "proofsafety:", err)
		os.Exit(1)
	}
}

func (s *settings) flags(f *flag.FlagSet) {
	f.StringVar(&s.data, "data", "../shared/data", "folder of the texts and rows")
	f.StringVar(&s.write, "write", "", "file to train the classifier into that is shipped; else the shipped one is measured")
	f.Uint64Var(&s.seed, "seed", 1, "of the parts, the disguises and the order")
	f.IntVar(&s.bits, "bits", 19, "logarithm of the number of weights")
	f.IntVar(&s.passes, "passes", 3, "over the rows")
	f.Float64Var(&s.rate, "rate", 0.25, "learning rate of Adagrad")
	f.Float64Var(&s.decay, "decay", 1e-5, "weight decay")
	f.Float64Var(&s.benign, "benign", 4, "weight of a benign row")
	f.IntVar(&s.show, "show", 0, "flagged sentences of the unseen books to print")
}

func (s settings) run() error {
	d, err := read(s.data)
	if err != nil {
		return err
	}
	if s.write != "" {
		none := outside{make([]bool, len(d.words)), make([]bool, len(obfuscations))}
		list := s.examples(d, none)
		start := time.Now()
		if err := s.fit(list).Write(s.write); err != nil {
			return err
		}
		fmt.Printf("%d examples, %d passes in %.0f s: %s\n", len(list), s.passes, time.Since(start).Seconds(), s.write)
		return nil
	}
	shipped, err := safety.Embedded()
	if err != nil {
		return err
	}
	fmt.Println("The classifier that is shipped")
	d.table(shipped)
	books := d.unseenBooks(shipped, s.show)

	fmt.Printf("\n%-28s %10s %10s by the shipped one, which has seen them all\n", "disguise", "rows", "found")
	every := outside{make([]bool, len(d.words)), slices.Repeat([]bool{true}, len(obfuscations))}
	s.hidden(d, shipped, every)
	drawn := 0.0
	for k, out := range s.holdOut(d) {
		part, err := quantized(s.fit(s.examples(d, out)))
		if err != nil {
			return err
		}
		if k == 0 {
			fmt.Println("\nOne trained without 30 % of the words and 5 of 20 disguises")
			d.table(part)
			books = max(books, d.unseenBooks(part, 0))
			d.hiddenWords(part, out)
			fmt.Printf("\n%-28s %10s %10s, trained without 5 disguises at a time, each once (the first 5 are the draw)\n", "unseen disguise", "rows", "found")
		}
		if share := s.hidden(d, part, out); k == 0 {
			drawn = share
		}
	}
	switch {
	case books >= 0.01:
		return fmt.Errorf("%.2f %% of an unseen book's sentences are flagged, want under 1 %%", 100*books)
	case drawn < 0.9:
		return fmt.Errorf("%.1f %% of the rows in the drawn disguises are found, want 90 %%", 100*drawn)
	}
	return nil
}

// holdOut draws the words and the disguises that a training does not see: the words
// once, the disguises five at a time, so that each is unseen once.
func (s settings) holdOut(d *data) (folds []outside) {
	r := rand.New(rand.NewPCG(s.seed, 9))
	words := make([]bool, len(d.words))
	for _, i := range r.Perm(len(words))[:len(words)*3/10] {
		words[i] = true
	}
	for five := range slices.Chunk(r.Perm(len(obfuscations)), 5) {
		out := outside{words, make([]bool, len(obfuscations))}
		for _, i := range five {
			out.trick[i] = true
		}
		folds = append(folds, out)
	}
	return folds
}

// quantized is a classifier as its file holds it.
func quantized(l *safety.Linear) (*safety.Linear, error) {
	dir, err := os.MkdirTemp("", "proofsafety-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "part.gguf")
	if err := l.Write(path); err != nil {
		return nil, err
	}
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	out, err := safety.NewLinear(f)
	return out, errors.Join(err, f.Close())
}
