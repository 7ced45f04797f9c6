package x86

import (
	"encoding/binary"
	"testing"

	"github.com/qwq-edge/qwq/internal/kerneltest"
)

func TestRead(t *testing.T) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		for _, n := range []int{0, 256, 512, readStep - 256, readStep, readStep + 256} {
			p := kerneltest.Guarded(t, n)
			want := uint64(0)
			for i := 0; i < n; i += 8 {
				w := uint64(i+1) * 0x9e3779b97f4a7c15
				binary.LittleEndian.PutUint64(p[i:], w)
				want += w
			}
			got, ok := Read(levels[v], p)
			switch {
			case ok != (levels[v] != None && Assembly):
				t.Errorf("%d bytes: ok = %v", n, ok)
			case ok && got != want:
				t.Errorf("%d bytes: sum %#x, want %#x", n, got, want)
			}
		}
	})
}
