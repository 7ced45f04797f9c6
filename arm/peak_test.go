package arm

import (
	"encoding/binary"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestPeak(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		for _, f := range []func(Level, int) int{PeakInt8, PeakFP32} {
			l := LevelOf(v)
			if one, three := f(l, 1), f(l, 3); three != 3*one || one == 0 != (l == None) {
				t.Errorf("%d operations in a round, %d in three", one, three)
			}
		}
	})
}

func TestRead(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		for _, n := range []int{0, 256, 512, readStep - 256, readStep, readStep + 256} {
			p := kerneltest.Guarded(t, n)
			want := uint64(0)
			for i := 0; i < n; i += 8 {
				w := uint64(i+1) * 0x9e3779b97f4a7c15
				binary.LittleEndian.PutUint64(p[i:], w)
				want += w
			}
			if got, ok := Read(l, p); !ok || got != want {
				t.Errorf("%d bytes: sum %#x, %v, want %#x", n, got, ok, want)
			}
		}
	})
}
