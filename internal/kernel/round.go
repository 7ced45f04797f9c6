package kernel

import "github.com/qwq-edge/qwq/internal/x86"

// roundPiece is the values that are rounded at a time: the halves stay in the
// nearest cache.
const roundPiece = 1 << 12

// RoundF16 rounds src to float16, half to even, and widens it again into dst, which
// may be src: what lies beyond 65504 becomes infinite.
func (p *Pool) RoundF16(dst, src []float32) {
	if len(dst) != len(src) {
		panic("kernel: round: lengths differ")
	}
	p.Parallel(len(src), 1<<15, func(_, lo, hi int) {
		var half [2 * roundPiece]byte
		for ; lo < hi; lo += roundPiece {
			n := min(roundPiece, hi-lo)
			x86.F32ToF16(half[:2*n], src[lo:lo+n])
			x86.F16ToF32(dst[lo:lo+n], half[:2*n])
		}
	})
}
