package x86

// GemmBlock is the length of a block along k: a chain of FMA that starts at 0.
const GemmBlock = 512

// GemmCols is the largest number of columns of a tile.
const GemmCols = 256

// GemmTile is a piece of a matrix product, row-major: C [M, N] = op(A)·op(B), or
// C += it, op(A) being [M, K] and op(B) [K, N]. The slices begin at the tile's
// first values and may be longer than it; LDx is the distance of rows in memory.
type GemmTile struct {
	C, A, B       []float32
	LDC, LDA, LDB int
	M, N, K       int  // N at most GemmCols
	TA, TB        bool // A is [K, M], B [N, K] in memory
	Add           bool
	BF16          bool // A and B are rounded to bfloat16
}

// GemmBF16 reports whether Gemm multiplies bfloat16 by the processor's own
// instruction; where it does not, rounded values are multiplied in float32.
func GemmBF16(l Level) bool { return gemmBF16(l) }

// GemmScratchBytes is what Gemm needs at an address that is a multiple of 64.
func GemmScratchBytes(l Level) int { return gemmScratchBytes(l) }

// Gemm computes a tile as kernel.Pool.Gemm says, or returns false and has written
// nothing.
func Gemm(l Level, t GemmTile, scratch []byte) bool {
	t.check()
	return gemmTile(l, t, scratch)
}

func (t *GemmTile) check() {
	am, ak, bk, bn := t.M, t.K, t.K, t.N
	if t.TA {
		am, ak = ak, am
	}
	if t.TB {
		bk, bn = bn, bk
	}
	if t.M < 1 || t.N < 1 || t.K < 1 || t.N > GemmCols || short(t.C, t.LDC, t.M, t.N) || short(t.A, t.LDA, am, ak) || short(t.B, t.LDB, bk, bn) {
		panic("x86: Gemm: a matrix is too short")
	}
}

func short(x []float32, ld, rows, cols int) bool { return ld < cols || len(x) < (rows-1)*ld+cols }
