package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/qwq-edge/qwq/distill/topic"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/backend"
	tracker "github.com/qwq-edge/qwq/runtime/dialog"
	"github.com/qwq-edge/qwq/runtime/model"
)

// method scores every turn of dialogs; the higher, the likelier a topic ended.
type method struct {
	name  string
	score func(ds []dialog) ([][]float64, error)
}

// methods: the tracker, the cosine with the turn before ("recency") and with the
// mean of the last turns.
func methods(t *model.Tracker, width int) []method {
	list := []method{{"tracker", func(ds []dialog) ([][]float64, error) {
		b := batch(ds, width)
		_, logits, err := t.Run(b.X, b.Turns, b.Dialogs, nil)
		if err != nil {
			return nil, err
		}
		out := make([][]float64, len(ds))
		for i := range ds {
			for turn := range b.Turns {
				out[i] = append(out[i], float64(logits[turn*b.Dialogs+i]))
			}
		}
		return out, nil
	}}}
	for _, k := range []int{1, 2, 3, 4, 6} {
		name := fmt.Sprintf("cosine, mean of %d", k)
		if k == 1 {
			name = "cosine, last turn"
		}
		list = append(list, method{name, func(ds []dialog) ([][]float64, error) {
			out := make([][]float64, len(ds))
			for i, d := range ds {
				for t, v := range d.vec {
					mean := make([]float32, width)
					for _, x := range d.vec[max(0, t-k):t] {
						for c, f := range x {
							mean[c] += f
						}
					}
					out[i] = append(out[i], -tracker.Cosine(mean, v))
				}
			}
			return out, nil
		}})
	}
	return list
}

// f1 is of the boundaries above a threshold; of first turns nothing is asked.
func f1(ds []dialog, scores [][]float64, th float64) float64 {
	hit, all, said := 0.0, 0.0, 0.0
	for i, d := range ds {
		for t := 1; t < len(d.vec); t++ {
			says := scores[i][t] > th
			if d.first[t] {
				all++
			}
			if says {
				said++
			}
			if says && d.first[t] {
				hit++
			}
		}
	}
	return 2 * hit / max(all+said, 1)
}

// threshold is the best one on ds.
func threshold(ds []dialog, scores [][]float64) float64 {
	var all []float64
	for _, s := range scores {
		all = append(all, s[1:]...)
	}
	slices.Sort(all)
	best, at := -1.0, 0.0
	for q := 0.02; q < 0.99; q += 0.01 {
		th := all[int(q*float64(len(all)))]
		if f := f1(ds, scores, th); f > best {
			best, at = f, th
		}
	}
	return at
}

// measure prints F1 by kind of dialog, writes the file with the threshold that was
// chosen, and prints what selection by topics recalls.
func (s settings) measure(from, to string, parts [3][]*document, width int) error {
	f, err := gguf.Open(to)
	if err != nil {
		return err
	}
	defer f.Close()
	dev, err := backend.NewCPU(backend.CPUOptions{Threads: s.threads, Precise: true})
	if err != nil {
		return err
	}
	defer dev.Close()
	t, err := model.NewTracker(f, dev)
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(99, 1))
	choose := dialogs(r, parts[1], 400, 24)
	kinds := []struct {
		name   string
		within string // source; empty: all
	}{{"all sources", ""}, {"within Tom Sawyer", "gutenberg-aozora/Mark.Twain-Tom.Sawyer"}, {"within one play's text", "tinyshakespeare/input"}, {"within WikiText", "wikitext-2-tok/valid"}, {"within GSM8K", "gsm8k/train"}}
	fmt.Printf("\nboundary F1        %-22s", "")
	for _, k := range kinds {
		fmt.Printf(" %22s", k.name)
	}
	fmt.Println()
	var tests [][]dialog
	for _, k := range kinds {
		docs := slices.DeleteFunc(slices.Clone(parts[2]), func(d *document) bool { return k.within != "" && d.source != k.within })
		if len(docs) < 2 {
			return fmt.Errorf("%s: %d documents to test", k.name, len(docs))
		}
		var ds []dialog
		for range 400 {
			ds = append(ds, splice(r, 24, func() *document { return pick(r, docs) }))
		}
		tests = append(tests, ds)
	}
	table := map[string][]float64{}
	chosen := 0.0
	for _, m := range methods(t, width) {
		scores, err := m.score(choose)
		if err != nil {
			return err
		}
		th := threshold(choose, scores)
		if m.name == "tracker" {
			chosen = 1 / (1 + math.Exp(-th))
		}
		fmt.Printf("%-41s", m.name)
		for _, ds := range tests {
			scores, err := m.score(ds)
			if err != nil {
				return err
			}
			table[m.name] = append(table[m.name], f1(ds, scores, th))
			fmt.Printf(" %22.3f", table[m.name][len(table[m.name])-1])
		}
		fmt.Println()
	}
	final := to + ".final"
	err = topic.Write(final, width, chosen, func(name string) []float32 {
		x, err := f.Tensor(name).Matrix()
		if err != nil {
			return nil
		}
		return decode(x)
	})
	if err != nil {
		return err
	}
	fmt.Printf("\nthreshold %.3f of the probability: %s\n", chosen, final)
	recall, recent, err := s.recall(final, parts[2])
	if err != nil {
		return err
	}
	for name, v := range table {
		if name != "tracker" && v[0] >= table["tracker"][0] {
			err = errors.Join(err, fmt.Errorf("F1 %.3f is not above %.3f, that of the %s", table["tracker"][0], v[0], name))
		}
	}
	if recall <= recent {
		err = errors.Join(err, fmt.Errorf("recall %.3f is not above recency's %.3f", recall, recent))
	}
	return err
}

func pick(r *rand.Rand, docs []*document) *document { return docs[r.IntN(len(docs))] }
