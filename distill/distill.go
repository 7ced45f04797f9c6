// Package distill holds the few types that the parts of distillation share: a
// micro-batch of packed rows, what a teacher says about it, and the teacher
// itself. It has no algorithm: those are in the packages below it, which import
// this one, so it must never import them.
//
//	var t distill.Targets
//	err := teacher.Score(ctx, batch, 0, len(batch.IDs), &t)
package distill

import (
	"context"
	"fmt"

	"github.com/qwq-edge/qwq/internal/shard"
)

// Hash is a SHA-256.
type Hash = shard.Hash

// Batch is one micro-batch of packed rows.
type Batch struct {
	IDs  []int32 // [Rows*Length] token ids, row after row
	Next []int32 // [Rows*Length] target of each position: the following id of the same document; -1: not scored
	// Docs is the lengths of the documents' pieces in order: they sum to
	// Rows*Length and none crosses the end of a row. Attention never crosses
	// them (block diagonal), positions restart at each.
	Docs   []int32
	Rows   int
	Length int
}

// Check reports the first inconsistency between the fields.
func (b *Batch) Check() error {
	n := b.Rows * b.Length
	switch {
	case b.Rows < 1 || b.Length < 1:
		return fmt.Errorf("distill: batch of %d rows of %d", b.Rows, b.Length)
	case len(b.IDs) != n || len(b.Next) != n:
		return fmt.Errorf("distill: batch of %d rows of %d has %d ids and %d targets", b.Rows, b.Length, len(b.IDs), len(b.Next))
	}
	sum := 0
	for i, d := range b.Docs {
		if d < 1 || int(d) > b.Length-sum%b.Length {
			return fmt.Errorf("distill: document piece %d of %d positions at %d crosses the end of its row of %d", i, d, sum, b.Length)
		}
		sum += int(d)
	}
	if sum != n {
		return fmt.Errorf("distill: document pieces sum to %d of %d positions", sum, n)
	}
	return nil
}

// Scored is the number of positions that have a target.
func (b *Batch) Scored() int {
	n := 0
	for _, id := range b.Next {
		if id >= 0 {
			n++
		}
	}
	return n
}

// Targets is what a teacher says about N positions of a batch: either Dense or
// the sparse fields. A position whose Next is -1 has no meaningful row. All ids
// are the student's.
type Targets struct {
	N, Vocab int // positions; ids of the student's vocabulary

	// Dense is logits, [N, Vocab], or nil. Where the teacher knows more ids than
	// the student, their mass is left out: the softmax of a row is the teacher's
	// distribution given that the id is one of the student's.
	Dense []float32

	// K likeliest ids and their natural log-probabilities at temperature 1,
	// [N, K] each, likeliest first. Entries that the student does not know are
	// removed and the row ends in id -1 with LogP -Inf.
	K    int
	IDs  []int32
	LogP []float32
	// Tail is the mass of everything else, [N]: 1 - Σ exp(LogP), ids outside the
	// student's vocabulary included.
	Tail []float32

	// Temps are the temperatures T of LogZ and Samples, ascending. LogZ[t*N+i] is
	// log Σ_v p_v^(1/T) over the teacher's whole vocabulary, so that a
	// log-probability l at T=1 is l/T - LogZ at T; 0 for T = 1.
	Temps []float64
	LogZ  []float32 // [len(Temps), N]

	// Samples are M ids drawn independently from the teacher at each
	// temperature, [len(Temps), N, M]: an unbiased estimate of the whole
	// distribution. -1 is an id that the student does not know.
	M       int
	Samples []int32
}

// Temp is the index of temperature t in Temps, -1 when it is absent.
func (t *Targets) Temp(temp float64) int {
	for i, v := range t.Temps {
		if v == temp {
			return i
		}
	}
	return -1
}

// Teacher says what it expects at positions of a batch.
type Teacher interface {
	// ID names the teacher and everything that decides its numbers.
	ID() Hash
	// Score fills dst for the positions lo to hi-1 of b, reusing its slices. A
	// teacher keeps what it needs to go on with the following positions of the
	// same batch, which must not change in between.
	Score(ctx context.Context, b *Batch, lo, hi int, dst *Targets) error
}
