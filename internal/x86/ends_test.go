package x86

import (
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
)

// TestOneTokenEnds gives one token the largest sums there are: all codes at an end
// of the type, all activations at the same or at alternating ends. Sums
// that are added in 16 bits must not run over.
func TestOneTokenEnds(t *testing.T) {
	const k, rows = 1024 + 256, 17
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		for _, typ := range integerTypes {
			n, _ := typ.RowBytes(k)
			r := rand.New(rand.NewPCG(3, 3))
			for _, fill := range []byte{0, 0x80, 0x7f, 0xff} {
				w := kerneltest.Guarded(t, rows*n)
				for i := range w {
					w[i] = fill
				}
				for at := 0; at < len(w); at += typ.BlockBytes() {
					for _, o := range halves(typ) {
						w[at+o], w[at+o+1] = byte(r.Uint32()), 0x3c
					}
				}
				for _, ends := range [][2]int8{{127, 127}, {-127, -127}, {127, -127}} {
					a, act := endActivations(k, ends)
					y := kerneltest.GuardedF32(t, rows)
					if Integers(levels[v], y, rows, typ, w, rows, a, aligned(ScratchBytes(levels[v], typ, k))) {
						compare(t, typ.String(), y, rows, typ, w, rows, []ref.Act{act})
					}
				}
			}
		}
	})
}

// endActivations are one token's: the two codes by turns.
func endActivations(k int, ends [2]int8) (Acts, ref.Act) {
	var act ref.Act
	act.Quantize(make([]float32, k))
	for i := range act.Q {
		act.Q[i] = ends[i%2]
	}
	for i := range act.D {
		act.D[i] = 0.5 + float32(i)/8
	}
	for i := range act.Sum {
		act.Sum[i] = 8 * (int16(ends[0]) + int16(ends[1]))
	}
	return widened(Acts{Tokens: 1, Blocks: k / 32, Q: act.Q, D: act.D, Sum: act.Sum}), act
}
