package loss

import (
	"fmt"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/kernel"
)

// Sums are the totals of a batch, in nats. Rows adds to them.
type Sums struct {
	Loss   float64 // of scale·(weighted loss): the value that the gradients belong to
	Soft   float64 // of the divergences, without weights and T² (Sampled: of the cross-entropies)
	Hard   float64 // of the cross-entropies with the next ids; 0 where Spec.Hard is 0
	Mass   float64 // of the teacher's mass at T that is known id by id; dense: 1 each
	Scored int     // positions
}

// Loss computes a Spec. It must not be used by two callers at a time.
type Loss struct {
	spec Spec
	pool *kernel.Pool
	work []work // per thread
	rows []row
}

// row is what a position adds to Sums.
type row struct{ soft, hard, mass float64 }

// work is one thread's memory.
type work struct {
	q, e, p []float32 // [vocab]: the student's e^(z/T - max) and e^(z - max), the teacher's e^(z/T - max)
	bucket  []bucket  // of a sparse teacher
	fix     []fix
}

// New checks s and makes room for its results.
func New(p *kernel.Pool, s Spec) (*Loss, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	return &Loss{spec: s, pool: p, work: make([]work, p.Threads())}, nil
}

// Rows replaces the student's logits, [positions, vocabulary], by the gradient of
// scale·loss and adds the positions to sums. t is what the teacher says of the
// same positions (nil where Soft is 0); next are their targets, -1 where a
// position is not scored: its gradient is 0.
//
// Errors, before anything is written: lengths that do not fit, ids outside the
// vocabulary, a teacher without what the loss asks for.
func (l *Loss) Rows(logits kernel.F32, t *distill.Targets, next []int32, scale float64, sums *Sums) error {
	at, err := l.check(logits, t, next)
	if err != nil {
		return err
	}
	for len(l.rows) < logits.Rows {
		l.rows = append(l.rows, row{})
	}
	l.pool.Parallel(logits.Rows, 1, func(w, lo, hi int) {
		for i := lo; i < hi; i++ {
			if next[i] < 0 {
				clear(logits.At(i))
				continue
			}
			l.rows[i] = l.row(&l.work[w], logits.At(i), t, at, i, int(next[i]), scale)
		}
	})
	soft := l.spec.factor(logits.Cols)
	for i, r := range l.rows[:logits.Rows] {
		if next[i] < 0 {
			continue
		}
		sums.Loss += scale * (soft*r.soft + l.spec.Hard*r.hard)
		sums.Soft += r.soft
		sums.Hard += r.hard
		sums.Mass += r.mass
		sums.Scored++
	}
	return nil
}

// check returns the index of the temperature among the teacher's.
func (l *Loss) check(logits kernel.F32, t *distill.Targets, next []int32) (at int, err error) {
	n, vocab := logits.Rows, logits.Cols
	if len(next) != n || len(logits.Data) != n*vocab || vocab < 1 {
		return 0, fmt.Errorf("loss: %d targets and %d values for logits [%d, %d]", len(next), len(logits.Data), n, vocab)
	}
	for i, id := range next {
		if int(id) >= vocab {
			return 0, fmt.Errorf("loss: position %d has target %d, the vocabulary %d ids", i, id, vocab)
		}
	}
	s := l.spec
	if s.Soft == 0 {
		return 0, nil
	}
	if t == nil || t.N != n || t.Vocab != vocab {
		return 0, fmt.Errorf("loss: the teacher does not describe [%d, %d] logits", n, vocab)
	}
	ids := t.IDs
	switch at = t.Temp(s.temperature()); {
	case s.Sampled:
		if t.M < 1 || at < 0 || len(t.Samples) != len(t.Temps)*n*t.M {
			return 0, fmt.Errorf("loss: the teacher has no samples at temperature %g", s.temperature())
		}
		ids = t.Samples
	case t.Dense != nil:
		if len(t.Dense) != n*vocab {
			return 0, fmt.Errorf("loss: %d values of a dense teacher for [%d, %d] logits", len(t.Dense), n, vocab)
		}
		return 0, nil
	case t.K < 1 || len(t.IDs) != n*t.K || len(t.LogP) != n*t.K || len(t.Tail) != n:
		return 0, fmt.Errorf("loss: the teacher has neither logits nor likeliest ids for %d positions", n)
	case s.temperature() != 1 && (at < 0 || len(t.LogZ) != len(t.Temps)*n):
		return 0, fmt.Errorf("loss: the teacher has no log Z at temperature %g, only at %v", s.temperature(), t.Temps)
	}
	for i, id := range ids {
		if int(id) >= vocab {
			return 0, fmt.Errorf("loss: the teacher's id %d at %d, the vocabulary has %d", id, i, vocab)
		}
	}
	return at, nil
}
