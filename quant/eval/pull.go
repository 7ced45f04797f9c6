package eval

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// pull turns the reference's callbacks into a function that returns the next
// scored position's logits, so that two models run side by side and no logits
// are stored. stop must be called.
func pull(ctx context.Context, ref Scorer, w window) (next func() ([]float32, error), stop func()) {
	var failed error
	rows, stop := iter.Pull(func(yield func([]float32) bool) {
		err := ref.Logits(ctx, w.ids[:len(w.ids)-1], func(pos int, logits []float32) error {
			if pos >= w.first && !yield(logits) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			failed = err
		}
	})
	return func() ([]float32, error) {
		x, ok := rows()
		switch {
		case ok:
			return x, nil
		case failed != nil:
			return nil, fmt.Errorf("eval: reference: %w", failed)
		}
		return nil, fmt.Errorf("eval: the reference gave too few positions")
	}, stop
}
