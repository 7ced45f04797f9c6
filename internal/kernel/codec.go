package kernel

import "github.com/qwq-edge/qwq/quant"

// Codec encodes and decodes rows with the kernels of this machine, to the bytes and
// bits of package quant. It may be used by several goroutines; the zero value uses
// quant's plain loops.
type Codec struct{ v variant }

// NewCodec takes the variant as Options.Variant has it.
func NewCodec(variant string) (Codec, error) {
	v, err := chooseVariant(variant)
	return Codec{v}, err
}

// Encode is quant.Encode.
func (c Codec) Encode(t quant.Type, dst []byte, src []float32) error {
	n, ok := t.RowBytes(len(src))
	switch {
	case !ok || n != len(dst):
	case t == quant.F32:
		putF32(dst, src)
		return nil
	case c.v.encode(dst, t, src):
		return nil
	}
	return quant.Encode(t, dst, src)
}

// Decode is quant.Decode; a NaN may have another payload.
func (c Codec) Decode(t quant.Type, dst []float32, src []byte) error {
	n, ok := t.RowBytes(len(dst))
	switch {
	case !ok || n != len(src):
	case t == quant.F32:
		copyF32(dst, src)
		return nil
	case c.v.dequantize(dst, t, src):
		return nil
	}
	return quant.Decode(t, dst, src)
}
