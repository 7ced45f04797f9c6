// Package mlm prepares texts for the two objectives that BERT is trained with:
// masked tokens are predicted (Devlin et al. 2019, 3.1), and whether a segment
// followed another. It must not know a model or compute a loss: targets are for
// loss.Rows, -1 where a position is not scored.
//
//	m := mlm.Masker{MaskID: 4, Vocab: 4096, Special: 5}
//	targets := m.Mask(ids, rand.New(rand.NewPCG(seed, step))) // ids are overwritten
package mlm

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Masker selects tokens and hides them: of the selected ones 80 % become MaskID,
// 10 % a random id, 10 % stay. Ids below Special are neither selected nor drawn:
// padding, classes, separators. The zero value of a share is BERT's.
type Masker struct {
	MaskID  int32
	Vocab   int     // ids, Special included
	Special int     // the first ids are special
	Select  float64 // share of the tokens; 0: 0.15
	Hide    float64 // share of the selected ones that become MaskID; 0: 0.8
	Random  float64 // and a random id; 0: 0.1
}

// Check reports a value out of range.
func (m Masker) Check() error {
	m = m.defaults()
	switch {
	case m.Special < 0 || m.Vocab <= m.Special:
		return fmt.Errorf("mlm: %d ids of which %d are special", m.Vocab, m.Special)
	case m.MaskID < 0 || int(m.MaskID) >= m.Vocab:
		return fmt.Errorf("mlm: mask id %d of %d", m.MaskID, m.Vocab)
	case !(m.Select > 0 && m.Select <= 1 && m.Hide > 0 && m.Random > 0 && m.Hide+m.Random <= 1):
		return errors.New("mlm: shares out of range")
	}
	return nil
}

func (m Masker) defaults() Masker {
	for _, f := range []struct {
		v   *float64
		def float64
	}{{&m.Select, 0.15}, {&m.Hide, 0.8}, {&m.Random, 0.1}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	return m
}

// Mask overwrites ids and returns the target of each position: its id where it was
// selected, else -1. Three numbers are drawn for every position, so that what
// happens to one depends on its place alone.
func (m Masker) Mask(ids []int32, r *rand.Rand) []int32 {
	m = m.defaults()
	targets := make([]int32, len(ids))
	for i, id := range ids {
		choose, action, other := r.Float32(), r.Float32(), int32(m.Special+r.IntN(m.Vocab-m.Special))
		ids[i], targets[i] = m.one(id, choose, action, other)
	}
	return targets
}

// one is what becomes of an id: choose and action are uniform in [0, 1), other is a
// random id.
func (m Masker) one(id int32, choose, action float32, other int32) (now, target int32) {
	switch {
	case int(id) < m.Special || choose >= float32(m.Select):
		return id, -1
	case action < float32(m.Hide):
		return m.MaskID, id
	case action < float32(m.Hide+m.Random):
		return other, id
	}
	return id, id
}

// Text is a text for Pairs: its sentences (or runs of them) in order.
type Text [][]int32

// Pair is two segments, and whether the second one follows the first.
type Pair struct {
	A, B []int32
	Next bool
}

// Draw takes a pair of neighbours of a text, or with equal chance a segment and one
// of another text; with same of the same text instead, which does not follow it:
// the hard case. false: the texts are too few or too short.
func Draw(texts []Text, same bool, r *rand.Rand) (Pair, bool) {
	least := 2
	if same {
		least = 3
	}
	long := make([]int, 0, len(texts))
	for i, t := range texts {
		if len(t) >= least {
			long = append(long, i)
		}
	}
	if len(long) == 0 || len(long) < 2 && !same {
		return Pair{}, false
	}
	at := r.IntN(len(long))
	t := texts[long[at]]
	i := r.IntN(len(t) - 1)
	switch {
	case r.IntN(2) == 0:
		return Pair{A: t[i], B: t[i+1], Next: true}, true
	case same:
		j := r.IntN(len(t) - 2) // neither i nor i+1
		if j >= i {
			j += 2
		}
		return Pair{A: t[i], B: t[j]}, true
	}
	other := r.IntN(len(long) - 1)
	if other >= at {
		other++
	}
	o := texts[long[other]]
	return Pair{A: t[i], B: o[r.IntN(len(o))]}, true
}
