//go:build amd64 && !noasm

package x86

import (
	"testing"

	"github.com/qwq-edge/qwq/quant"
)

// TestStreamScratch: the terms of a group of the longest rows, and the activations in
// the kernel's order, fit the scratch of a product.
func TestStreamScratch(t *testing.T) {
	n := 0
	for _, l := range []Level{AVX2, AVX512} {
		for typ := quant.Type(0); typ < 64; typ++ {
			f := streamOf(l, typ)
			for blocks := f.step; f.step > 0 && blocks <= f.max; blocks += f.step {
				stride := (blocks*f.terms+15)/16*64 | 64
				if need, have := f.rows*stride+32*blocks, scratchBytes(l, typ, 32*blocks); need > have {
					t.Fatalf("%v %v: %d blocks need %d bytes of scratch, there are %d", l, typ, blocks, need, have)
				}
				n++
			}
		}
	}
	if n == 0 {
		t.Error("no streams")
	}
}
