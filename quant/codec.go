package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"
)

// Encode writes the blocks of src to dst, byte-identical to ggml's reference.
// len(src) must be a multiple of t's block and len(dst) exactly its RowBytes.
// Values that are not finite give blocks that are not finite, never a crash:
// check with FirstNonFinite before.
func Encode(t Type, dst []byte, src []float32) error {
	f := t.format()
	if f.encode == nil {
		return fmt.Errorf("quant: no encoder for %v", t)
	}
	if err := checkLen("encode", t, len(src), len(dst)); err != nil {
		return err
	}
	f.encode(dst, src)
	return nil
}

// Decode writes the values of the blocks of src to dst, bit-identical to
// ggml's reference. len(dst) must be a multiple of t's block and len(src)
// exactly its RowBytes. Any bytes are accepted.
func Decode(t Type, dst []float32, src []byte) error {
	f := t.format()
	if f.decode == nil {
		return fmt.Errorf("quant: no decoder for %v", t)
	}
	if err := checkLen("decode", t, len(dst), len(src)); err != nil {
		return err
	}
	f.decode(dst, src)
	return nil
}

func checkLen(op string, t Type, values, size int) error {
	want, ok := t.RowBytes(values)
	if !ok {
		return fmt.Errorf("quant: %s %v: %d values are no multiple of %d", op, t, values, t.Block())
	}
	if want != size {
		return fmt.Errorf("quant: %s %v: %d values take %d bytes, got %d", op, t, values, want, size)
	}
	return nil
}

// FirstNonFinite is the index of the first NaN or infinity in x, -1 if none.
func FirstNonFinite(x []float32) int {
	const exp, carry = 0x7f8000007f800000, 0x0080000000800000
	i := 0
	for ; i+16 <= len(x); i += 16 {
		b := (*[64]byte)(unsafe.Pointer(unsafe.SliceData(x[i : i+16])))
		var bad uint64 // two at a time: carries into the sign where the exponent is all ones
		for j := 0; j < 64; j += 8 {
			bad |= binary.NativeEndian.Uint64(b[j:])&exp + carry
		}
		if bad&0x8000000080000000 != 0 {
			break
		}
	}
	for ; i < len(x); i++ {
		if math.Float32bits(x[i])&0x7f800000 == 0x7f800000 {
			return i
		}
	}
	return -1
}
