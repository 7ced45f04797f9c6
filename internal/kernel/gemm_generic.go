package kernel

import (
	"math"

	"github.com/qwq-edge/qwq/arm/ref"
)

// gemmGeneric is a tile in plain Go, by arm/ref's exact FMA: for each block along
// k the columns of op(b) are laid out as [k, n], then a row of c is a sum of
// them.
func (w *worker) gemmGeneric(c, a, b []float32, ldc, lda, ldb int, s gemmShape) {
	panel := make([]float32, min(s.k, gemmBlock)*s.n)
	acc := make([]float64, s.n)
	ai, ak := lda, 1 // distance in a from row to row and from k to k
	if s.ta {
		ai, ak = 1, lda
	}
	bk, bj := ldb, 1
	if s.tb {
		bk, bj = 1, ldb
	}
	for k := 0; k < s.k; k += gemmBlock {
		n := min(gemmBlock, s.k-k)
		for kk := range n {
			row := panel[kk*s.n:][:s.n]
			for j := range row {
				row[j] = s.round(b[(k+kk)*bk+j*bj])
			}
		}
		exp := ref.MinExp(panel[:n*s.n])
		for i := range s.m {
			clear(acc)
			for kk := range n {
				ref.Axpy(acc, s.round(a[i*ai+(k+kk)*ak]), panel[kk*s.n:][:s.n], exp)
			}
			dst := c[i*ldc:][:s.n]
			for j, v := range acc {
				if k > 0 || s.add {
					dst[j] += float32(v)
				} else {
					dst[j] = float32(v)
				}
			}
		}
	}
}

// round is v as GemmBF16 or Gemm takes it.
func (s gemmShape) round(v float32) float32 {
	if !s.bf16 {
		return v
	}
	u := math.Float32bits(v)
	if v != v {
		return math.Float32frombits(u | 1<<22)
	}
	return math.Float32frombits((u + 0x7fff + u>>16&1) &^ 0xffff)
}
