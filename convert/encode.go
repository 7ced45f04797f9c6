package convert

import (
	"encoding/binary"
	"fmt"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/quant"
)

// NonFiniteError is a weight that is NaN or infinite, in the checkpoint or, for
// a value too large for the type, in the file to write.
type NonFiniteError struct {
	File     string
	Tensor   string // in the checkpoint
	Row, Col int64  // of the matrix; of a vector Row is 0
	Value    float32
	Type     string // set when the value is finite but Type cannot hold it
}

func (e *NonFiniteError) Error() string {
	what := fmt.Sprintf("is %v", e.Value)
	if e.Type != "" {
		what = fmt.Sprintf("(%g) or a neighbour is too large for %s", e.Value, e.Type)
	}
	return fmt.Sprintf("convert: %s: tensor %.80q: weight [%d, %d] %s", e.File, e.Tensor, e.Row, e.Col, what)
}

// encode turns the stored elements src, the first of which is element at of the
// item, into blocks of the item's type.
func (p *pipeline) encode(w *worker, it *item, dst, src []byte, at int64) error {
	typ := it.info.Type
	for e, n := int64(0), int64(0); len(src) > 0; e += n {
		n = min(pieceElems, it.count(src))
		sb, db := it.bytes(n), n/int64(typ.Block())*int64(typ.BlockBytes())
		f := w.f32[:n]
		if err := p.decode(it, f, src[:sb]); err != nil {
			return err
		}
		if err := p.finite(it, f, at+e); err != nil {
			return err
		}
		if err := p.codec.Encode(typ, dst[:db], f); err != nil {
			return fmt.Errorf("convert: tensor %.80q: %w", it.info.Name, err)
		}
		if err := p.fits(it, dst[:db], f, at+e); err != nil {
			return err
		}
		src, dst = src[sb:], dst[db:]
	}
	return nil
}

// count is the number of elements in b.
func (it *item) count(b []byte) int64 {
	if it.src.DType == checkpoint.Packed {
		return int64(len(b)/it.src.Block.BlockBytes()) * int64(it.src.Block.Block())
	}
	return int64(len(b) / it.src.DType.Bytes())
}

// decode writes the values of stored elements to f.
func (p *pipeline) decode(it *item, f []float32, b []byte) error {
	var err error
	switch it.src.DType {
	case checkpoint.Packed:
		err = p.codec.Decode(it.src.Block, f, b)
	case checkpoint.F16:
		err = p.codec.Decode(quant.F16, f, b)
	case checkpoint.BF16:
		err = p.codec.Decode(quant.BF16, f, b)
	case checkpoint.F32:
		err = p.codec.Decode(quant.F32, f, b)
	default:
		err = it.src.DType.Decode(f, b)
	}
	if err != nil {
		return fmt.Errorf("convert: tensor %.80q: %w", it.src.Name, err)
	}
	return nil
}

// finite refuses NaN and Inf in f, whose first element is element at.
func (p *pipeline) finite(it *item, f []float32, at int64) error {
	if p.anyValue {
		return nil
	}
	if i := quant.FirstNonFinite(f); i >= 0 {
		return it.nonFinite(at+int64(i), f[i], "")
	}
	return nil
}

func (it *item) nonFinite(e int64, v float32, typ string) error {
	row, col := it.from(e/it.cols), e%it.cols
	if len(it.info.Dims) == 1 {
		row, col = 0, e
		if it.heads > 0 { // a permuted bias: its elements are rows
			col = it.from(e)
		}
	}
	return &NonFiniteError{File: it.src.File, Tensor: it.src.Name, Row: row, Col: col, Value: v, Type: typ}
}

// scales are the offsets of a block's halves, for types whose values must be
// checked after encoding: a half holds at most 65504.
var scales = map[quant.Type][]int{
	quant.F16: {0}, quant.Q8_0: {0}, quant.Q4_0: {0}, quant.Q5_0: {0}, quant.Q4_1: {0, 2}, quant.Q5_1: {0, 2}, quant.IQ4_NL: {0},
}

// fits refuses blocks in which a finite value became infinite.
func (p *pipeline) fits(it *item, b []byte, f []float32, at int64) error {
	if p.anyValue {
		return nil
	}
	typ := it.info.Type
	if typ == quant.BF16 {
		if i := infHalf(b, 2, 0, 0x7f80); i >= 0 {
			return it.nonFinite(at+int64(i), f[i], typ.String())
		}
	}
	for _, off := range scales[typ] {
		if i := infHalf(b, typ.BlockBytes(), off, 0x7c00); i >= 0 {
			i *= typ.Block()
			return it.nonFinite(at+int64(i), f[i], typ.String())
		}
	}
	return nil
}

// infHalf finds the first of the 16-bit numbers at off, off+step, … whose
// exponent, mask, is all ones; -1 = none.
func infHalf(b []byte, step, off int, mask uint16) int {
	const each, signs = 0x0001_0001_0001_0001, 0x8000_8000_8000_8000
	all, carry := uint64(mask)*each, uint64(mask&-mask)*each
	for step == 2 && off+32 <= len(b) { // four to a word: carries into the sign where the exponent is all ones
		w := (*[32]byte)(b[off:])
		bad := binary.LittleEndian.Uint64(w[:])&all + carry
		bad |= binary.LittleEndian.Uint64(w[8:])&all + carry
		bad |= binary.LittleEndian.Uint64(w[16:])&all + carry
		bad |= binary.LittleEndian.Uint64(w[24:])&all + carry
		if bad&signs != 0 {
			break
		}
		off += 32
	}
	for i := off; i+2 <= len(b); i += step {
		if binary.LittleEndian.Uint16(b[i:])&mask == mask {
			return i / step
		}
	}
	return -1
}

// inspect checks elements that are copied as they are, from element at on.
func (p *pipeline) inspect(w *worker, it *item, b []byte, at int64) error {
	if p.anyValue || it.src.DType == checkpoint.Packed && !it.src.Block.CanDecode() {
		return nil
	}
	var i, step int
	switch it.src.DType {
	case checkpoint.F16:
		i, step = infHalf(b, 2, 0, 0x7c00), 2
	case checkpoint.BF16:
		i, step = infHalf(b, 2, 0, 0x7f80), 2
	case checkpoint.F32:
		i, step = inf32(b), 4
	default:
		for e, n := int64(0), int64(0); len(b) > 0; e += n {
			n = min(pieceElems, it.count(b))
			f, sb := w.f32[:n], it.bytes(n)
			if err := p.decode(it, f, b[:sb]); err != nil {
				return err
			}
			if err := p.finite(it, f, at+e); err != nil {
				return err
			}
			b = b[sb:]
		}
		return nil
	}
	if i < 0 {
		return nil
	}
	var f [1]float32
	if err := p.decode(it, f[:], b[i*step:(i+1)*step]); err != nil {
		return err
	}
	return it.nonFinite(at+int64(i), f[0], "")
}

// inf32 finds the first float32 that is NaN or Inf; -1 = none.
func inf32(b []byte) int {
	const exp = 0x7f800000
	for i := 0; i+4 <= len(b); i += 4 {
		if binary.LittleEndian.Uint32(b[i:])&exp == exp {
			return i / 4
		}
	}
	return -1
}
