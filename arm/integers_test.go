package arm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/kerneltest"
	"github.com/qwq-edge/qwq/quant"
)

func int8s(b []byte) []int8 {
	if len(b) == 0 {
		return []int8{}
	}
	return unsafe.Slice((*int8)(unsafe.Pointer(&b[0])), len(b))
}

var integerTypes = []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.Q2_K,
	quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.IQ4_NL}

// levels runs f for every level of this machine.
func levels(t *testing.T, f func(t *testing.T, l Level)) {
	kerneltest.Variants(t, kernels(), func(t *testing.T, v string) {
		if l := LevelOf(v); l != None {
			f(t, l)
		} else {
			t.Skip("arm/ref is what is compared with")
		}
	})
}

// checkIntegers compares Integers with arm/ref.
func checkIntegers(t *testing.T, l Level, w quant.Matrix, a Acts, what string) {
	t.Helper()
	stride := w.Rows + 3
	y := kerneltest.GuardedF32(t, (a.Tokens-1)*stride+w.Rows)
	scratch := kerneltest.Guarded(t, ScratchBytes(l, w.Type, w.Cols, a.Tokens))
	if !Integers(l, y, stride, w.Type, w.Data, w.Rows, a, scratch) {
		t.Fatalf("%s: no kernel", what)
	}
	var row ref.Row
	want := make([]float32, len(y))
	for j := range w.Rows {
		row.Unpack(w.Type, w.Row(j))
		for i := range a.Tokens {
			n := a.Blocks
			want[i*stride+j] = row.Spec(&ref.Act{Q: a.Q[32*n*i : 32*n*(i+1)], D: a.D[n*i : n*(i+1)]})
		}
	}
	sameBits(t, what, y, want)
}

func TestIntegers(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, typ := range integerTypes {
			if !Can(l, typ, 256) {
				continue
			}
			for _, c := range []struct{ rows, blocks, tokens int }{
				{1, 1, 1}, {3, 2, 1}, {8, 1, 2}, {8, 4, 3}, {9, 3, 4}, {16, 5, 1}, {23, 28, 6}, {40, 7, 1}, {5, 2, 9}, {19, 2, 5},
			} {
				for _, kind := range kinds {
					cols := c.blocks * typ.Block()
					w, a := weights(t, r, typ, c.rows, cols, kind), activations(t, r, c.tokens, cols, kind)
					checkIntegers(t, l, w, a, fmt.Sprintf("%v [%d, %d], %d tokens, %s", typ, c.rows, cols, c.tokens, kind))
				}
			}
		}
	})
}

// gemvPiece is gemvBlocks, which builds without assembly lack.
const gemvPiece = 512

// TestIntegersLong has so many equal products that the sums of a row wrap.
func TestIntegersLong(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, kind := range []string{"low", "high"} {
			const cols = 1 << 18
			w, a := weights(t, r, quant.Q8_0, 8, cols, kind), activations(t, r, 1, cols, kind)
			checkIntegers(t, l, w, a, kind)
		}
		for _, typ := range integerTypes { // rows cut in pieces, the last a short one
			cols := 32*gemvPiece + max(32, typ.Block())
			w, a := weights(t, r, typ, 11, cols, "random"), activations(t, r, 1, cols, "random")
			checkIntegers(t, l, w, a, typ.String())
		}
	})
}

// TestIntegersMany has more rows than panels fit the scratch, and rows of which
// not one panel does.
func TestIntegersMany(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(7, 8))
		for _, c := range [][2]int{{231, 2048}, {9, 24 << 10}, {9, 1 << 17}} {
			w, a := weights(t, r, quant.Q4_0, c[0], c[1], "random"), activations(t, r, 3, c[1], "random")
			if one := ScratchBytes(l, w.Type, w.Cols, 3); c[1] == 1<<17 && one != 0 || one > 1<<20 {
				t.Errorf("%v: %d bytes of scratch", c, one)
			}
			checkIntegers(t, l, w, a, fmt.Sprint(c))
		}
	})
}

func TestIntegersLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	w, a := weights(t, r, quant.Q8_0, 8, 64, "random"), activations(t, r, 1, 32, "random")
	defer func() {
		if recover() == nil {
			t.Error("activations of another length do not panic")
		}
	}()
	Integers(NEON, make([]float32, 8), 8, w.Type, w.Data, 8, a, nil)
}

// TestIntegersNotFinite: scales that are infinite or NaN give NaN where arm/ref does,
// and its bits elsewhere: what is not finite stays in its row.
func TestIntegersNotFinite(t *testing.T) {
	levels(t, func(t *testing.T, l Level) {
		r := rand.New(rand.NewPCG(9, 9))
		for _, typ := range integerTypes {
			for _, tokens := range []int{1, 3, 7} {
				w, a := weights(t, r, typ, 21, 512, "random"), activations(t, r, tokens, 512, "random")
				n := w.RowBytes()
				for i := 0; i < w.Rows; i += 2 { // each other row has one
					at := i*n + r.IntN(n/typ.BlockBytes())*typ.BlockBytes()
					for _, o := range halves[typ] {
						binary.LittleEndian.PutUint16(w.Data[at+o:], uint16(0x7c00|r.IntN(4)<<8|r.IntN(2)<<15))
					}
				}
				checkIntegers(t, l, w, a, fmt.Sprintf("%v, %d tokens", typ, tokens))
			}
		}
	})
}
