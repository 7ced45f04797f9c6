package loss

import (
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/internal/kernel"
)

// Pairs are texts and images that belong together, row by row.
type Pairs struct {
	Text, Image   kernel.F32 // [pairs, width], of any length
	DText, DImage kernel.F32 // their gradients, added to
	Mask          []bool     // pairs that count, as rows and as columns; nil: all
}

// InfoNCE is CLIP's loss: with t and v the rows scaled to length 1 and
// L = e^logScale · t·vᵀ,
//
//	scale · (CE(L, diagonal) + CE(Lᵀ, diagonal))/2
//
// each a mean over the pairs that count. It adds the gradients of Text and Image and
// returns the loss and its derivative by logScale. With P and Q the softmax of L by
// rows and by columns,
//
//	dL = (P + Q - 2·I)/(2·pairs)   dt = e^logScale·dL·v   dText = (dt - t·(t·dt))/|Text|
//
// All negatives are in one call: embeddings of parts of a batch are computed first,
// and their graphs run again with the gradients found here. Sums run in float64, in
// an order that no number of threads changes.
func InfoNCE(pool *kernel.Pool, s Pairs, logScale, scale float64) (loss, dLogScale float64, err error) {
	n, width := s.Text.Rows, s.Text.Cols
	for _, m := range []kernel.F32{s.Text, s.Image, s.DText, s.DImage} {
		if m.Rows != n || m.Cols != width || len(m.Data) != n*width || n*width == 0 {
			return 0, 0, fmt.Errorf("loss: pairs [%d, %d] with %d values beside texts [%d, %d]", m.Rows, m.Cols, len(m.Data), n, width)
		}
	}
	if s.Mask != nil && len(s.Mask) != n {
		return 0, 0, fmt.Errorf("loss: a mask of %d for %d pairs", len(s.Mask), n)
	}
	if !(math.Abs(logScale) < 50) {
		return 0, 0, fmt.Errorf("loss: a logarithm of the scale of %g", logScale)
	}
	var rows []int // that count
	for i := range n {
		if s.Mask == nil || s.Mask[i] {
			rows = append(rows, i)
		}
	}
	t, v := directions(s.Text, rows), directions(s.Image, rows)
	c := contrast{n: len(rows), width: width, e: math.Exp(logScale), t: t, v: v}
	c.l = make([]float64, c.n*c.n)
	each := func(f func(i int)) {
		pool.Parallel(c.n, 4, func(_, lo, hi int) {
			for i := lo; i < hi; i++ {
				f(i)
			}
		})
	}
	each(c.logits)
	byRow, byCol := make([]float64, c.n), make([]float64, c.n) // log Σ e^L
	each(func(i int) { byRow[i], byCol[i] = c.logSum(i*c.n, 1), c.logSum(i, c.n) })
	by := scale / float64(2*c.n)
	for i := range c.n {
		loss += by * (byRow[i] + byCol[i] - 2*c.l[i*c.n+i])
	}
	each(func(i int) { // dL in place of L, row by row; the derivative by the scale of each
		sum := 0.0
		for j := range c.n {
			l := &c.l[i*c.n+j]
			d := math.Exp(*l-byRow[i]) + math.Exp(*l-byCol[j])
			if i == j {
				d -= 2
			}
			sum += by * d * *l
			*l = by * d
		}
		byRow[i] = sum
	})
	for _, d := range byRow {
		dLogScale += d
	}
	each(func(i int) {
		c.back(s.DText.At(rows[i]), t, v, i, i*c.n, 1)
		c.back(s.DImage.At(rows[i]), v, t, i, i, c.n)
	})
	return loss, dLogScale, nil
}

// contrast is the matrix of all pairs.
type contrast struct {
	n, width int
	e        float64 // scale of a cosine
	t, v     unitRows
	l        []float64 // [texts, images]
}

// unitRows are rows of length 1, and one over the lengths that they had.
type unitRows struct {
	x   []float64
	inv []float64
}

func directions(m kernel.F32, rows []int) unitRows {
	u := unitRows{make([]float64, len(rows)*m.Cols), make([]float64, len(rows))}
	for i, r := range rows {
		dst, sum := u.x[i*m.Cols:(i+1)*m.Cols], 0.0
		for c, f := range m.At(r) {
			dst[c] = float64(f)
			sum += float64(f) * float64(f)
		}
		u.inv[i] = 1 / math.Max(math.Sqrt(sum), 1e-12)
		for c := range dst {
			dst[c] *= u.inv[i]
		}
	}
	return u
}

// logits is row i of L.
func (c *contrast) logits(i int) {
	a := c.t.x[i*c.width : (i+1)*c.width]
	for j := range c.n {
		sum := 0.0
		for k, f := range c.v.x[j*c.width : (j+1)*c.width] {
			sum += f * a[k]
		}
		c.l[i*c.n+j] = c.e * sum
	}
}

// logSum is log Σ e^l over n values from at on, step apart.
func (c *contrast) logSum(at, step int) float64 {
	most := math.Inf(-1)
	for j := range c.n {
		most = max(most, c.l[at+j*step])
	}
	sum := 0.0
	for j := range c.n {
		sum += math.Exp(c.l[at+j*step] - most)
	}
	return most + math.Log(sum)
}

// back adds the gradient of row i of a to dst: dL of its partners b from at on, step
// apart.
func (c *contrast) back(dst []float32, a, b unitRows, i, at, step int) {
	d := make([]float64, c.width)
	for j := range c.n {
		f := c.e * c.l[at+j*step]
		for k, x := range b.x[j*c.width : (j+1)*c.width] {
			d[k] += f * x
		}
	}
	row, dot := a.x[i*c.width:(i+1)*c.width], 0.0
	for k, x := range row {
		dot += x * d[k]
	}
	for k, x := range row {
		dst[k] += float32((d[k] - x*dot) * a.inv[i])
	}
}
