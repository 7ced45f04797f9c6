package quant

import (
	"fmt"
	"math"
	"math/bits"
	"strings"
)

// Type is a tensor type with ggml's numbering, as stored in GGUF files.
type Type uint32

// The tensor types of ggml. Numbers left out were removed from ggml.
const (
	F32     Type = 0
	F16     Type = 1
	Q4_0    Type = 2
	Q4_1    Type = 3
	Q5_0    Type = 6
	Q5_1    Type = 7
	Q8_0    Type = 8
	Q8_1    Type = 9
	Q2_K    Type = 10
	Q3_K    Type = 11
	Q4_K    Type = 12
	Q5_K    Type = 13
	Q6_K    Type = 14
	Q8_K    Type = 15
	IQ2_XXS Type = 16
	IQ2_XS  Type = 17
	IQ3_XXS Type = 18
	IQ1_S   Type = 19
	IQ4_NL  Type = 20
	IQ3_S   Type = 21
	IQ2_S   Type = 22
	IQ4_XS  Type = 23
	I8      Type = 24
	I16     Type = 25
	I32     Type = 26
	I64     Type = 27
	F64     Type = 28
	IQ1_M   Type = 29
	BF16    Type = 30
	TQ1_0   Type = 34
	TQ2_0   Type = 35
	MXFP4   Type = 39
	NVFP4   Type = 40
	Q1_0    Type = 41
)

// format is one row of the type table. Sizes are known for every type of ggml,
// so that a file's bounds can be checked even where the values are not
// understood; encode and decode are nil for those.
type format struct {
	name   string
	block  int // weights
	bytes  int // per block
	encode func(dst []byte, src []float32)
	decode func(dst []float32, src []byte)
}

var formats = [...]format{
	F32:     {"F32", 1, 4, encodeF32, decodeF32},
	F16:     {"F16", 1, 2, encodeF16, decodeF16},
	Q4_0:    {"Q4_0", 32, q4_0Bytes, encodeQ4_0, decodeQ4_0},
	Q4_1:    {"Q4_1", 32, q4_1Bytes, encodeQ4_1, decodeQ4_1},
	Q5_0:    {"Q5_0", 32, q5_0Bytes, encodeQ5_0, decodeQ5_0},
	Q5_1:    {"Q5_1", 32, q5_1Bytes, encodeQ5_1, decodeQ5_1},
	Q8_0:    {"Q8_0", 32, q8_0Bytes, encodeQ8_0, decodeQ8_0},
	Q8_1:    {"Q8_1", 32, 36, nil, nil},
	Q2_K:    {"Q2_K", 256, q2_KBytes, nil, decodeQ2_K},
	Q3_K:    {"Q3_K", 256, q3_KBytes, nil, decodeQ3_K},
	Q4_K:    {"Q4_K", 256, q4_KBytes, nil, decodeQ4_K},
	Q5_K:    {"Q5_K", 256, q5_KBytes, nil, decodeQ5_K},
	Q6_K:    {"Q6_K", 256, q6_KBytes, nil, decodeQ6_K},
	Q8_K:    {"Q8_K", 256, q8_KBytes, nil, decodeQ8_K},
	IQ2_XXS: {"IQ2_XXS", 256, 66, nil, nil},
	IQ2_XS:  {"IQ2_XS", 256, 74, nil, nil},
	IQ3_XXS: {"IQ3_XXS", 256, 98, nil, nil},
	IQ1_S:   {"IQ1_S", 256, 50, nil, nil},
	IQ4_NL:  {"IQ4_NL", 32, iq4_NLBytes, nil, decodeIQ4_NL},
	IQ3_S:   {"IQ3_S", 256, 110, nil, nil},
	IQ2_S:   {"IQ2_S", 256, 82, nil, nil},
	IQ4_XS:  {"IQ4_XS", 256, iq4_XSBytes, nil, decodeIQ4_XS},
	I8:      {"I8", 1, 1, nil, nil},
	I16:     {"I16", 1, 2, nil, nil},
	I32:     {"I32", 1, 4, nil, nil},
	I64:     {"I64", 1, 8, nil, nil},
	F64:     {"F64", 1, 8, nil, nil},
	IQ1_M:   {"IQ1_M", 256, 56, nil, nil},
	BF16:    {"BF16", 1, 2, encodeBF16, decodeBF16},
	TQ1_0:   {"TQ1_0", 256, tq1_0Bytes, nil, decodeTQ1_0},
	TQ2_0:   {"TQ2_0", 256, tq2_0Bytes, nil, decodeTQ2_0},
	MXFP4:   {"MXFP4", 32, 17, nil, nil},
	NVFP4:   {"NVFP4", 64, 36, nil, nil},
	Q1_0:    {"Q1_0", 128, 18, nil, nil},
}

// aliases are the other names ParseType takes.
var aliases = map[string]Type{"int8": Q8_0, "fp16": F16, "fp32": F32}

func (t Type) format() format {
	if uint64(t) < uint64(len(formats)) {
		return formats[t]
	}
	return format{}
}

// String is ggml's spelling, "Q8_0" or "F32"; "type(99)" if unknown.
func (t Type) String() string {
	if f := t.format(); f.name != "" {
		return f.name
	}
	return fmt.Sprintf("type(%d)", uint32(t))
}

// Known reports whether the type's sizes are known. All methods that return
// sizes return 0 otherwise.
func (t Type) Known() bool { return t.format().block != 0 }

// Block is the number of weights in one block, 1 for scalar types.
func (t Type) Block() int { return t.format().block }

// BlockBytes is the number of bytes of one block.
func (t Type) BlockBytes() int { return t.format().bytes }

// RowBytes is the number of bytes of a row of cols weights; false if cols is
// negative or no multiple of the block, the type unknown or the size no int.
func (t Type) RowBytes(cols int) (int, bool) {
	f := t.format()
	if f.block == 0 || cols < 0 || cols%f.block != 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(uint64(cols/f.block), uint64(f.bytes))
	return int(lo), hi == 0 && lo <= math.MaxInt
}

// CanEncode reports whether Encode takes the type.
func (t Type) CanEncode() bool { return t.format().encode != nil }

// CanDecode reports whether Decode takes the type.
func (t Type) CanDecode() bool { return t.format().decode != nil }

// ParseType returns the type of a name in any case. int8 means Q8_0, fp16
// means F16, fp32 means F32.
func ParseType(s string) (Type, error) {
	if t, ok := aliases[strings.ToLower(s)]; ok {
		return t, nil
	}
	for i, f := range formats {
		if f.name != "" && strings.EqualFold(f.name, s) {
			return Type(i), nil
		}
	}
	return 0, fmt.Errorf("quant: unknown type %q", s)
}
