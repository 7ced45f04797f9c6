package kernel

import (
	"fmt"

	"github.com/qwq-edge/qwq/internal/x86"
)

// Gemm computes c = op(a)·op(b), or adds it to c, op being the transposition
// where ta or tb is set: c [m, n], op(a) [m, k], op(b) [k, n]. c must not overlap
// a or b. For training; weights of a model file go through MatMul.
//
// An output is the sum of blocks of 512 along k, each a chain of float32 FMA in
// ascending k that starts at 0, added in ascending order, to c where add is set.
// So the bits depend on no thread count and no variant. Values that are not
// finite spread as arithmetic has it.
func (p *Pool) Gemm(c, a, b F32, ta, tb, add bool) error {
	return p.gemm(c, a, b, gemmShape{ta: ta, tb: tb, add: add})
}

// GemmBF16 is Gemm of operands that are rounded to bfloat16, half to even, with
// sums in float32. The bits depend on GemmRung and nothing else.
func (p *Pool) GemmBF16(c, a, b F32, ta, tb, add bool) error {
	return p.gemm(c, a, b, gemmShape{ta: ta, tb: tb, add: add, bf16: true})
}

// GemmRung names what the bits of GemmBF16 depend on: "bf16" where the processor
// multiplies bfloat16 (two products and one rounding at a time, subnormals taken
// as 0), "fp32" where it does not.
func (p *Pool) GemmRung() string {
	if x86.GemmBF16(p.variant.x86) {
		return "bf16"
	}
	return "fp32"
}

// gemmShape is a product: c [m, n] of op(a) and op(b) with k in common.
type gemmShape struct {
	m, n, k           int
	ta, tb, add, bf16 bool
}

// gemmBlock is the length of a block along k. It is part of the result.
const gemmBlock = x86.GemmBlock

// A thread takes tiles of up to gemmRows rows (of about that size, so that they
// come out even) and gemmCols columns: it packs the columns of b once per tile,
// the rows of a once per gemmCols columns.
const (
	gemmRows = 480
	gemmCols = x86.GemmCols
)

func (p *Pool) gemm(c, a, b F32, s gemmShape) error {
	for _, m := range []struct {
		name string
		F32
	}{{"c", c}, {"a", a}, {"b", b}} {
		if err := checkF32("gemm: "+m.name, m.F32); err != nil {
			return err
		}
	}
	s.m, s.k = a.Rows, a.Cols
	if s.ta {
		s.m, s.k = s.k, s.m
	}
	kb := b.Rows
	s.n = b.Cols
	if s.tb {
		kb, s.n = s.n, kb
	}
	if kb != s.k || c.Rows != s.m || c.Cols != s.n {
		return fmt.Errorf("kernel: gemm: [%d, %d] = [%d, %d]·[%d, %d]", c.Rows, c.Cols, s.m, s.k, kb, s.n)
	}
	if s.m == 0 || s.n == 0 {
		return nil
	}
	if s.k == 0 {
		if !s.add {
			clear(c.Data)
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	rows := evenly(s.m, gemmRows)
	down, across := (s.m+rows-1)/rows, (s.n+gemmCols-1)/gemmCols
	return p.run(down*across, 1, func(worker, lo, hi int) {
		for t := lo; t < hi; t++ {
			i, j := t%down*rows, t/down*gemmCols
			tile := s
			tile.m, tile.n = min(rows, s.m-i), min(gemmCols, s.n-j)
			p.workers[worker].gemmTile(c, a, b, i, j, tile)
		}
	})
}

// evenly cuts n into pieces of about size, whole panels of 12 (of which 6 is a
// divisor) but the last.
func evenly(n, size int) int {
	pieces := max(1, (n+size/2)/size)
	return ((n+pieces-1)/pieces + 11) / 12 * 12
}

// gemmTile computes the tile of s.m rows from i and s.n columns from j.
func (w *worker) gemmTile(c, a, b F32, i, j int, s gemmShape) {
	at, bt := i*a.Cols, j
	if s.ta {
		at = i
	}
	if s.tb {
		bt = j * b.Cols
	}
	v := w.pool.variant
	g := x86.GemmTile{
		C: c.Data[i*c.Cols+j:], A: a.Data[at:], B: b.Data[bt:], LDC: c.Cols, LDA: a.Cols, LDB: b.Cols,
		M: s.m, N: s.n, K: s.k, TA: s.ta, TB: s.tb, Add: s.add, BF16: s.bf16,
	}
	if x86.Gemm(v.x86, g, w.scratch(x86.GemmScratchBytes(v.x86))) {
		return
	}
	w.gemmGeneric(c.Data[i*c.Cols+j:], a.Data[at:], b.Data[bt:], c.Cols, a.Cols, b.Cols, s)
}
