package convert

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/quant"
)

// slow is what bf16ToQ8_0 must equal.
func slow(t testing.TB, src []byte) []byte {
	f := make([]float32, len(src)/2)
	if err := checkpoint.BF16.Decode(f, src); err != nil {
		t.Fatal(err)
	}
	out := make([]byte, len(f)/32*q8Bytes)
	if err := quant.Encode(quant.Q8_0, out, f); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFastQ8_0: every pair of exponents, every finite bf16 beside a larger one,
// random bits; NaN, Inf and the huge stop it.
func TestFastQ8_0(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var src []byte
	put := func(u uint16) { src = binary.LittleEndian.AppendUint16(src, u) }
	for u := range 0x10000 {
		if u&0x7fff >= bf16Top {
			continue
		}
		top := uint16(min(bf16Top-1, u&0x7fff+r.IntN(0x500)))
		for i := range 32 {
			switch i {
			case u % 32:
				put(top)
			case (u + 7) % 32:
				put(uint16(u))
			default:
				put(uint16(r.IntN(int(top)+1) | r.IntN(2)<<15))
			}
		}
	}
	got := make([]byte, len(src)/64*q8Bytes)
	if n := bf16ToQ8_0(got, src); n != len(src)/64 {
		t.Fatalf("%d blocks of %d", n, len(src)/64)
	}
	if !bytes.Equal(got, slow(t, src)) {
		t.Error("differs from quant.Encode")
	}
	for _, bad := range []uint16{bf16Top, 0x7f80, 0xff80, 0x7fc0, 0xffff} {
		b := bytes.Clone(src[64*1000:][:64*3])
		binary.LittleEndian.PutUint16(b[64+2*r.IntN(32):], bad)
		if n := bf16ToQ8_0(got, b); n != 1 {
			t.Errorf("%#x in block 1: %d blocks done", bad, n)
		}
	}
}

func FuzzFastQ8_0(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b)/64*64]
		got := make([]byte, len(b)/64*q8Bytes)
		n := bf16ToQ8_0(got, b)
		if !bytes.Equal(got[:n*q8Bytes], slow(t, b[:n*64])) {
			t.Errorf("%x differs", b)
		}
	})
}

// BenchmarkConvert is one chunk of a pipeline, in bytes of the source.
func BenchmarkConvert(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	src := make([]byte, 2*chunkElems)
	for i := 0; i < len(src); i += 2 {
		binary.LittleEndian.PutUint16(src[i:], quant.FloatToBF16(float32(r.NormFloat64())))
	}
	for _, typ := range []quant.Type{quant.Q8_0, quant.Q4_0, quant.F16, quant.BF16, quant.F32} {
		b.Run(typ.String(), func(b *testing.B) {
			it := &item{src: &checkpoint.Tensor{DType: checkpoint.BF16, Shape: []int64{chunkElems / 1024, 1024}}, rows: chunkElems / 1024, cols: 1024}
			it.info.Type, it.info.Dims = typ, []uint64{1024, chunkElems / 1024}
			w := &worker{in: src, out: make([]byte, 4*chunkElems), f32: make([]float32, pieceElems)}
			p := &pipeline{}
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := p.convert(w, it, 0, chunkElems, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
