package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/quant"
)

// Decode converts len(dst) elements of src to float32. F64 is rounded to
// nearest even (too large becomes Inf), every other type is exact. Types that
// Float denies are an error.
func (d DType) Decode(dst []float32, src []byte) error {
	if !d.Float() {
		return fmt.Errorf("element type %s cannot be converted to float", d)
	}
	n := d.Bytes()
	if len(src) != len(dst)*n {
		return fmt.Errorf("%d bytes for %d elements of %s", len(src), len(dst), d)
	}
	switch d {
	case F32:
		return quant.Decode(quant.F32, dst, src)
	case BF16:
		return quant.Decode(quant.BF16, dst, src)
	case F16:
		return quant.Decode(quant.F16, dst, src)
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case F8_E4M3:
		for i := range dst {
			dst[i] = e4m3Table[src[i]]
		}
	case F8_E5M2:
		for i := range dst { // the upper byte of an IEEE half
			dst[i] = quant.HalfToFloat(uint16(src[i]) << 8)
		}
	}
	return nil
}

// e4m3Table is the value of every OCP FP8 E4M3 number: bias 7, no infinity,
// 0x7f and 0xff are NaN (OCP 8-bit floating point specification, section 5).
var e4m3Table = func() *[256]float32 {
	t := new([256]float32)
	for i := range t {
		e, m := i>>3&15, i&7
		v := math.Ldexp(float64(m), -9)
		if e > 0 {
			v = math.Ldexp(float64(8+m), e-10)
		}
		if i&0x7f == 0x7f {
			v = math.NaN()
		}
		if i&0x80 != 0 {
			v = math.Copysign(v, -1)
		}
		t[i] = float32(v)
	}
	return t
}()
