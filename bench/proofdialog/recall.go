package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	tracker "github.com/qwq-edge/qwq/runtime/dialog"
)

func decode(m quant.Matrix) []float32 {
	x := make([]float32, m.Rows*m.Cols)
	if quant.Decode(m.Type, x, m.Data) != nil {
		return nil
	}
	return x
}

// recall plants a fact in one of six turns of a document, anywhere among the 32
// turns of others, returns to that document with two turns of it at the end, and asks whether the fact's
// turn is among those that fit a window of a share of the dialog. The fact changes
// no vector: only the topic can bring it back.
func (s settings) recall(file string, docs []*document) (topics, recent float64, err error) {
	t, err := tracker.Open(file, backend.CPUOptions{Threads: s.threads, Precise: true})
	if err != nil {
		return 0, 0, err
	}
	defer t.Close()
	long := slices.DeleteFunc(slices.Clone(docs), func(d *document) bool { return len(d.turns) < 10 })
	r := rand.New(rand.NewPCG(7, 7))
	fmt.Printf("\nrecall of a planted fact after a return to its topic, 300 dialogs of 40 turns\nwindow      topics   recency   without topics, by the turn's cosine\n")
	for _, share := range []float64{0.2, 0.3, 0.5} {
		hits := [3]float64{}
		const n = 300
		for range n {
			first := pick(r, long)
			at := r.IntN(len(first.turns) - 9)
			var d dialog
			place := r.IntN(33) // before which of the others' turns it is said
			rest := splice(r, 32, func() *document {
				for {
					if x := pick(r, docs); x != first {
						return x
					}
				}
			})
			for i := range len(rest.vec) + 1 {
				if i == place {
					for k := at; k < at+6; k++ {
						d.add(first, k, k == at)
					}
				}
				if i == len(rest.vec) {
					break
				}
				d.add(rest.doc[i], slices.IndexFunc(rest.doc[i].vec, func(v []float32) bool { return &v[0] == &rest.vec[i][0] }), rest.first[i])
			}
			d.add(first, at+6, true)
			d.add(first, at+7, false)
			fact, budget := place+1+r.IntN(4), 0.0
			var state tracker.State
			for i, v := range d.vec {
				if _, err := t.Turn(&state, v, d.words[i]); err != nil {
					return 0, 0, err
				}
				budget += share * float64(d.words[i])
			}
			alone := tracker.State{Turns: slices.Clone(state.Turns)}
			for i := range alone.Turns { // every turn a topic of its own
				alone.Turns[i].Topic = i
			}
			for k, keep := range [][]int{state.Select(int(budget)), state.Recent(int(budget)), alone.Select(int(budget))} {
				if slices.Contains(keep, fact) {
					hits[k] += 1.0 / n
				}
			}
		}
		fmt.Printf("%3.0f %%       %.3f    %.3f     %.3f\n", 100*share, hits[0], hits[1], hits[2])
		if share == 0.3 {
			topics, recent = hits[0], hits[1]
		}
	}
	return topics, recent, nil
}
