package loss

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/runtime/backend"
)

// Balance is the load-balancing loss of a mixture of experts:
//
//	L = experts · Σ_i f_i·P_i
//
// P_i is the mean of the router's probabilities of expert i over n rows, which are
// those of all layers together; f_i how often i was chosen, divided by n. Top 1 is
// the Switch Transformer's loss (Fedus et al. 2021), Top the experts of a token is
// what transformers computes for its mixtures. f counts, so the gradient goes
// through P alone: dL/dp = experts·f_i/n of each row.
//
// Counting comes before gradients: Count every row of the batch, all layers and
// micro-batches, then ask for Rows or Grad. A tape calls Routed and Grad by itself
// (tape.Options.Router), which is right for a batch of one micro-batch; with
// several, count them all first with Eval and set Fixed.
type Balance struct {
	Top    int     // experts of a row that count, the likeliest ones
	Weight float64 // of Grad
	Fixed  bool    // Routed does not count: the counts are already those of the whole batch

	counts []float64 // how often each expert was chosen
	sums   []float64 // of probabilities
	rows   int
	route  backend.Route
}

// Reset begins a new batch.
func (b *Balance) Reset() {
	clear(b.counts)
	clear(b.sums)
	b.rows = 0
}

// Count adds rows of probabilities, [rows, experts]; a row whose mask is false
// counts nowhere. mask nil: all rows.
func (b *Balance) Count(p kernel.F32, mask []bool) error {
	n := p.Cols
	switch {
	case b.Top < 1 || b.Top > n:
		return fmt.Errorf("loss: balance: %d of %d experts", b.Top, n)
	case len(p.Data) != p.Rows*n || mask != nil && len(mask) != p.Rows:
		return fmt.Errorf("loss: balance: %d values and a mask of %d for [%d, %d]", len(p.Data), len(mask), p.Rows, n)
	case len(b.counts) != 0 && len(b.counts) != n:
		return fmt.Errorf("loss: balance: %d experts, the layers before have %d", n, len(b.counts))
	}
	if b.counts == nil {
		b.counts, b.sums = make([]float64, n), make([]float64, n)
	}
	b.route.Choose(backend.Tensor{Rows: p.Rows, Cols: n, Data: p.Data}, b.Top, false)
	for r := range p.Rows {
		if mask != nil && !mask[r] {
			continue
		}
		b.rows++
		for _, e := range b.route.IDs[r*b.Top : (r+1)*b.Top] {
			b.counts[e]++
		}
		for e, v := range p.At(r) {
			b.sums[e] += float64(v)
		}
	}
	return nil
}

// Loss is L of the rows counted so far, without Weight.
func (b *Balance) Loss() float64 {
	if b.rows == 0 {
		return 0
	}
	sum, n := 0.0, float64(b.rows)
	for e, f := range b.counts {
		sum += float64(f / n * (b.sums[e] / n))
	}
	return float64(len(b.counts)) * sum
}

// Share is f: how often each expert was chosen per row.
func (b *Balance) Share() []float64 {
	f := make([]float64, len(b.counts))
	for e, c := range b.counts {
		f[e] = c / float64(max(b.rows, 1))
	}
	return f
}

// Rows replaces router logits, which were counted as probabilities before, by the
// gradient of scale·L and returns these rows' part of scale·L.
func (b *Balance) Rows(p *kernel.Pool, logits kernel.F32, mask []bool, scale float64) (float64, error) {
	if logits.Cols != len(b.counts) || b.rows == 0 || mask != nil && len(mask) != logits.Rows {
		return 0, fmt.Errorf("loss: balance: [%d, %d] and a mask of %d, %d experts and %d rows were counted", logits.Rows, logits.Cols, len(mask), len(b.counts), b.rows)
	}
	p.Softmax(logits)
	sum := 0.0
	for r := range logits.Rows {
		row := logits.At(r)
		if mask != nil && !mask[r] {
			clear(row)
			continue
		}
		// dL/dz_i = p_i·(g_i - Σ_j p_j·g_j)
		mean := 0.0
		for e, v := range row {
			mean += float64(float64(v) * b.slope(e))
		}
		for e, v := range row {
			row[e] = float32(scale * float64(v) * (b.slope(e) - mean))
		}
		sum += mean
	}
	return scale * sum, nil
}

// slope is dL/dp of expert e for any row.
func (b *Balance) slope(e int) float64 {
	n := float64(b.rows)
	return float64(len(b.counts)) * b.counts[e] / (n * n)
}

// Routed implements tape.Router.
func (b *Balance) Routed(p kernel.F32) error {
	if b.Fixed {
		return nil
	}
	return b.Count(p, nil)
}

// Grad implements tape.Router: it adds Weight·dL/dp to d.
func (b *Balance) Grad(d, p kernel.F32) {
	for r := range p.Rows {
		row := d.At(r)
		for e := range row {
			row[e] += float32(b.Weight * b.slope(e))
		}
	}
}
