package checkpoint

import "strings"

// DType is the element type of a tensor in a checkpoint. The zero value is no type.
type DType uint8

// Element types that checkpoints are known to hold. Those that Decode converts
// are the floating-point ones up to F8_E5M2; the others are known by name so
// that sizes can be checked and refusals can name them.
const (
	F64 DType = iota + 1
	F32
	F16
	BF16
	F8_E4M3
	F8_E5M2
	F8_E8M0
	F8_E4M3FNUZ
	F8_E5M2FNUZ
	F6_E2M3
	F6_E3M2
	F4
	BOOL
	U8
	I8
	U16
	I16
	U32
	I32
	U64
	I64
	C64
	C128
	Packed // GGUF blocks: Tensor.Block says which
)

// dtypes is indexed by DType: the name safetensors uses and the size in bits.
var dtypes = [...]struct {
	name string
	bits int
}{
	F64: {"F64", 64}, F32: {"F32", 32}, F16: {"F16", 16}, BF16: {"BF16", 16},
	F8_E4M3: {"F8_E4M3", 8}, F8_E5M2: {"F8_E5M2", 8}, F8_E8M0: {"F8_E8M0", 8},
	F8_E4M3FNUZ: {"F8_E4M3FNUZ", 8}, F8_E5M2FNUZ: {"F8_E5M2FNUZ", 8},
	F6_E2M3: {"F6_E2M3", 6}, F6_E3M2: {"F6_E3M2", 6}, F4: {"F4", 4},
	BOOL: {"BOOL", 8}, U8: {"U8", 8}, I8: {"I8", 8}, U16: {"U16", 16}, I16: {"I16", 16},
	U32: {"U32", 32}, I32: {"I32", 32}, U64: {"U64", 64}, I64: {"I64", 64},
	C64: {"C64", 64}, C128: {"C128", 128}, Packed: {"packed", 0},
}

// String is the name safetensors gives the type.
func (d DType) String() string {
	if d == 0 || int(d) >= len(dtypes) {
		return "none"
	}
	return dtypes[d].name
}

// Bits is the size of one element; 0 for Packed and unknown types.
func (d DType) Bits() int {
	if int(d) >= len(dtypes) {
		return 0
	}
	return dtypes[d].bits
}

// Bytes is the size of one element, 0 when that is not a whole number of bytes.
func (d DType) Bytes() int {
	if b := d.Bits(); b%8 == 0 {
		return b / 8
	}
	return 0
}

// Float reports whether Decode converts the type.
func (d DType) Float() bool { return d >= F64 && d <= F8_E5M2 }

// ParseDType finds the type that safetensors calls s.
func ParseDType(s string) (DType, bool) {
	for d := F64; d < Packed; d++ {
		if strings.EqualFold(dtypes[d].name, s) {
			return d, true
		}
	}
	return 0, false
}
