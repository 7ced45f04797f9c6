package quant

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// F16 byte map, one IEEE 754 half per weight: 0 2 half.
// BF16 byte map: 0 2 the upper half of a float32.
// F32 byte map: 0 4 float32.

// halfTable is every half as float32: 256 KiB.
var halfTable = func() *[1 << 16]float32 {
	t := new([1 << 16]float32)
	for i := range t {
		t[i] = float16.Frombits(uint16(i)).Float32()
	}
	return t
}()

// HalfToFloat widens an IEEE half; exact. A NaN becomes a quiet NaN.
func HalfToFloat(h uint16) float32 { return halfTable[h] }

// FloatToHalf rounds to the nearest half, ties to even; what is too large
// becomes an infinity. What becomes a normal half for sure is rounded here, the
// rest by the library: the same bits, four times as fast.
func FloatToHalf(f float32) uint16 {
	u := math.Float32bits(f)
	if u>>23&0xff-113 > 141-113 {
		return float16.Fromfloat32(f).Bits()
	}
	return uint16(u>>16&0x8000 | ((u&0x7fffffff+0xfff+u>>13&1)>>13 - 112<<10))
}

// BF16ToFloat widens a bfloat16; exact.
func BF16ToFloat(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// FloatToBF16 rounds to the nearest bfloat16, ties to even; a NaN becomes a
// quiet NaN of the same sign.
func FloatToBF16(f float32) uint16 {
	u := math.Float32bits(f)
	if u&0x7fffffff > 0x7f800000 {
		return uint16(u>>16) | 0x40
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

// half reads the half at the start of b.
func half(b []byte) float32 { return halfTable[binary.LittleEndian.Uint16(b)] }

func putHalf(b []byte, f float32) { binary.LittleEndian.PutUint16(b, FloatToHalf(f)) }

func encodeF32(dst []byte, src []float32) {
	for len(src) >= 4 {
		d, s := (*[16]byte)(dst), (*[4]float32)(src)
		binary.LittleEndian.PutUint32(d[0:], math.Float32bits(s[0]))
		binary.LittleEndian.PutUint32(d[4:], math.Float32bits(s[1]))
		binary.LittleEndian.PutUint32(d[8:], math.Float32bits(s[2]))
		binary.LittleEndian.PutUint32(d[12:], math.Float32bits(s[3]))
		dst, src = dst[16:], src[4:]
	}
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func decodeF32(dst []float32, src []byte) {
	for len(dst) >= 4 {
		d, s := (*[4]float32)(dst), (*[16]byte)(src)
		d[0] = math.Float32frombits(binary.LittleEndian.Uint32(s[0:]))
		d[1] = math.Float32frombits(binary.LittleEndian.Uint32(s[4:]))
		d[2] = math.Float32frombits(binary.LittleEndian.Uint32(s[8:]))
		d[3] = math.Float32frombits(binary.LittleEndian.Uint32(s[12:]))
		dst, src = dst[4:], src[16:]
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func encodeF16(dst []byte, src []float32) {
	for len(src) >= 4 {
		d, s := (*[8]byte)(dst), (*[4]float32)(src)
		binary.LittleEndian.PutUint16(d[0:], FloatToHalf(s[0]))
		binary.LittleEndian.PutUint16(d[2:], FloatToHalf(s[1]))
		binary.LittleEndian.PutUint16(d[4:], FloatToHalf(s[2]))
		binary.LittleEndian.PutUint16(d[6:], FloatToHalf(s[3]))
		dst, src = dst[8:], src[4:]
	}
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], FloatToHalf(v))
	}
}

func decodeF16(dst []float32, src []byte) {
	for len(dst) >= 4 {
		d, s := (*[4]float32)(dst), (*[8]byte)(src)
		d[0] = halfTable[binary.LittleEndian.Uint16(s[0:])]
		d[1] = halfTable[binary.LittleEndian.Uint16(s[2:])]
		d[2] = halfTable[binary.LittleEndian.Uint16(s[4:])]
		d[3] = halfTable[binary.LittleEndian.Uint16(s[6:])]
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = half(src[2*i:])
	}
}

func encodeBF16(dst []byte, src []float32) {
	for len(src) >= 4 {
		d, s := (*[8]byte)(dst), (*[4]float32)(src)
		binary.LittleEndian.PutUint16(d[0:], FloatToBF16(s[0]))
		binary.LittleEndian.PutUint16(d[2:], FloatToBF16(s[1]))
		binary.LittleEndian.PutUint16(d[4:], FloatToBF16(s[2]))
		binary.LittleEndian.PutUint16(d[6:], FloatToBF16(s[3]))
		dst, src = dst[8:], src[4:]
	}
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], FloatToBF16(v))
	}
}

func decodeBF16(dst []float32, src []byte) {
	for len(dst) >= 4 {
		d, s := (*[4]float32)(dst), (*[8]byte)(src)
		d[0] = BF16ToFloat(binary.LittleEndian.Uint16(s[0:]))
		d[1] = BF16ToFloat(binary.LittleEndian.Uint16(s[2:]))
		d[2] = BF16ToFloat(binary.LittleEndian.Uint16(s[4:]))
		d[3] = BF16ToFloat(binary.LittleEndian.Uint16(s[6:]))
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = BF16ToFloat(binary.LittleEndian.Uint16(src[2*i:]))
	}
}
