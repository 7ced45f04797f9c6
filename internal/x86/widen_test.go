package x86

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestWiden(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, blocks := range []int{1, 5, 15, 16, 17, 28, 48, 4096 + 3} {
			a := Acts{Sum: make([]int16, 2*blocks)}
			for i := range a.Sum {
				a.Sum[i] = int16(r.IntN(2*16*127+1) - 16*127)
			}
			want := widened(a)
			wide, low, high := kerneltest.GuardedF32(t, blocks), make([]int32, blocks+1), make([]int32, blocks+1)
			if !Widen(levels[v], wide, low[:blocks], high[:blocks], a.Sum) {
				if levels[v] >= AVX512 {
					t.Fatalf("%d blocks: no kernel", blocks)
				}
				continue
			}
			if !slices.Equal(wide, want.Wide) || !slices.Equal(low[:blocks], want.Low) || !slices.Equal(high[:blocks], want.High) {
				t.Fatalf("%d blocks: got %v, %v, %v, want %v, %v, %v", blocks, wide, low, high, want.Wide, want.Low, want.High)
			}
			if low[blocks] != 0 || high[blocks] != 0 {
				t.Fatalf("%d blocks: wrote beyond", blocks)
			}
		}
	})
}
