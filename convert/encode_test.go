package convert

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// TestInfHalf: every half, at every place in turn, for both kinds of half.
func TestInfHalf(t *testing.T) {
	for _, mask := range []uint16{0x7c00, 0x7f80} {
		for h := range 1 << 16 {
			b, want := make([]byte, 76), -1
			at := h % 38
			for i := range 38 {
				binary.LittleEndian.PutUint16(b[2*i:], 0x7bff&^uint16(i))
			}
			binary.LittleEndian.PutUint16(b[2*at:], uint16(h))
			if uint16(h)&mask == mask {
				want = at
			}
			if got := infHalf(b, 2, 0, mask); got != want {
				t.Fatalf("%#x at %d under %#x: got %d, want %d", h, at, mask, got, want)
			}
		}
	}
}

// BenchmarkConvert is one chunk of a pipeline, in bytes of the source.
func BenchmarkConvert(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	src := make([]byte, 2*chunkElems)
	for i := 0; i < len(src); i += 2 {
		binary.LittleEndian.PutUint16(src[i:], quant.FloatToBF16(float32(r.NormFloat64())))
	}
	codec, err := kernel.NewCodec("")
	if err != nil {
		b.Fatal(err)
	}
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1, quant.F16, quant.BF16, quant.F32} {
		b.Run(typ.String(), func(b *testing.B) {
			it := &item{src: &checkpoint.Tensor{DType: checkpoint.BF16, Shape: []int64{chunkElems / 1024, 1024}}, rows: chunkElems / 1024, cols: 1024}
			it.info.Type, it.info.Dims = typ, []uint64{1024, chunkElems / 1024}
			w := &worker{in: src, out: make([]byte, 4*chunkElems), f32: make([]float32, pieceElems)}
			p := &pipeline{codec: codec}
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := p.convert(w, it, 0, chunkElems, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
