package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// ValueType is the type of a metadata value with GGUF's numbering.
type ValueType uint32

// The value types of GGUF.
const (
	TypeUint8   ValueType = 0
	TypeInt8    ValueType = 1
	TypeUint16  ValueType = 2
	TypeInt16   ValueType = 3
	TypeUint32  ValueType = 4
	TypeInt32   ValueType = 5
	TypeFloat32 ValueType = 6
	TypeBool    ValueType = 7
	TypeString  ValueType = 8
	TypeArray   ValueType = 9
	TypeUint64  ValueType = 10
	TypeInt64   ValueType = 11
	TypeFloat64 ValueType = 12
)

var valueTypes = [...]struct {
	name string
	size int // bytes of one value, 0 where it varies
}{
	TypeUint8: {"uint8", 1}, TypeInt8: {"int8", 1}, TypeUint16: {"uint16", 2}, TypeInt16: {"int16", 2},
	TypeUint32: {"uint32", 4}, TypeInt32: {"int32", 4}, TypeFloat32: {"float32", 4}, TypeBool: {"bool", 1},
	TypeString: {"string", 0}, TypeArray: {"array", 0},
	TypeUint64: {"uint64", 8}, TypeInt64: {"int64", 8}, TypeFloat64: {"float64", 8},
}

// String is the type's name in the GGUF specification.
func (t ValueType) String() string {
	if t.known() {
		return valueTypes[t].name
	}
	return fmt.Sprintf("valuetype(%d)", uint32(t))
}

func (t ValueType) known() bool { return uint64(t) < uint64(len(valueTypes)) }

// size is the bytes of one value; 0 for strings and arrays.
func (t ValueType) size() int { return valueTypes[t].size }

// Value is an immutable metadata value: a scalar, a string, or an array of
// either. It holds its encoded bytes; those of a file's value lie in the file
// and are valid until Close (Clone makes a copy). The zero Value is invalid.
type Value struct {
	typ  ValueType
	elem ValueType // of an array
	n    int       // elements of an array
	raw  []byte    // the value as stored; without the length of a string, without type and count of an array
	set  bool
}

// KV is one entry of the metadata.
type KV struct {
	Key   string
	Value Value
}

func scalar(t ValueType, bits uint64) Value {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], bits)
	return Value{typ: t, raw: b[:t.size()], set: true}
}

// Uint8 is a Value of that type.
func Uint8(v uint8) Value { return scalar(TypeUint8, uint64(v)) }

// Int8 is a Value of that type.
func Int8(v int8) Value { return scalar(TypeInt8, uint64(v)) }

// Uint16 is a Value of that type.
func Uint16(v uint16) Value { return scalar(TypeUint16, uint64(v)) }

// Int16 is a Value of that type.
func Int16(v int16) Value { return scalar(TypeInt16, uint64(v)) }

// Uint32 is a Value of that type.
func Uint32(v uint32) Value { return scalar(TypeUint32, uint64(v)) }

// Int32 is a Value of that type.
func Int32(v int32) Value { return scalar(TypeInt32, uint64(v)) }

// Uint64 is a Value of that type.
func Uint64(v uint64) Value { return scalar(TypeUint64, v) }

// Int64 is a Value of that type.
func Int64(v int64) Value { return scalar(TypeInt64, uint64(v)) }

// Float32 is a Value of that type.
func Float32(v float32) Value { return scalar(TypeFloat32, uint64(math.Float32bits(v))) }

// Float64 is a Value of that type.
func Float64(v float64) Value { return scalar(TypeFloat64, math.Float64bits(v)) }

// Bool is a Value of that type.
func Bool(v bool) Value {
	if v {
		return scalar(TypeBool, 1)
	}
	return scalar(TypeBool, 0)
}

// String is a Value of that type.
func String(s string) Value { return Value{typ: TypeString, raw: []byte(s), set: true} }

// Strings is an array of strings.
func Strings(s []string) Value {
	size := 8 * len(s)
	for _, v := range s {
		size += len(v)
	}
	raw := make([]byte, 0, size)
	for _, v := range s {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(len(v)))
		raw = append(raw, v...)
	}
	return Value{typ: TypeArray, elem: TypeString, n: len(s), raw: raw, set: true}
}

// Int32s is an array of int32.
func Int32s(v []int32) Value {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(x))
	}
	return Value{typ: TypeArray, elem: TypeInt32, n: len(v), raw: raw, set: true}
}

// Uint32s is an array of uint32.
func Uint32s(v []uint32) Value {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, x)
	}
	return Value{typ: TypeArray, elem: TypeUint32, n: len(v), raw: raw, set: true}
}

// Float32s is an array of float32.
func Float32s(v []float32) Value {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return Value{typ: TypeArray, elem: TypeFloat32, n: len(v), raw: raw, set: true}
}

// Bytes is an array of uint8.
func Bytes(v []byte) Value {
	return Value{typ: TypeArray, elem: TypeUint8, n: len(v), raw: append([]byte{}, v...), set: true}
}

// Bools is an array of bool.
func Bools(v []bool) Value {
	raw := make([]byte, len(v))
	for i, x := range v {
		if x {
			raw[i] = 1
		}
	}
	return Value{typ: TypeArray, elem: TypeBool, n: len(v), raw: raw, set: true}
}
