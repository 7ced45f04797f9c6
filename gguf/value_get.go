package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"unsafe"
)

// Valid is false for the zero Value only.
func (v Value) Valid() bool { return v.set }

// Type is the value's type; TypeArray for an array.
func (v Value) Type() ValueType { return v.typ }

// Elem is the type of an array's elements, of any other value its type.
func (v Value) Elem() ValueType {
	if v.typ == TypeArray {
		return v.elem
	}
	return v.typ
}

// Len is the number of elements of an array, 1 for any other value.
func (v Value) Len() int {
	if v.typ == TypeArray {
		return v.n
	}
	return 1
}

// Equal reports whether both have the same type and bytes.
func (v Value) Equal(w Value) bool {
	return v.set == w.set && v.typ == w.typ && v.elem == w.elem && v.n == w.n && bytes.Equal(v.raw, w.raw)
}

// Clone is a copy that outlives the file.
func (v Value) Clone() Value {
	v.raw = bytes.Clone(v.raw)
	return v
}

// Str is the string; false for any other type.
func (v Value) Str() (string, bool) { return string(v.raw), v.set && v.typ == TypeString }

// Bool is the bool; false for any other type.
func (v Value) Bool() (value, ok bool) {
	if !v.set || v.typ != TypeBool {
		return false, false
	}
	return v.raw[0] != 0, true
}

// Uint is an integer of any type that is not negative.
func (v Value) Uint() (uint64, bool) {
	if !v.set || !v.typ.integer() {
		return 0, false
	}
	x := intAt(v.typ, v.raw, 0)
	return uint64(x), x >= 0 || v.typ == TypeUint64
}

// Int is an integer of any type that fits.
func (v Value) Int() (int64, bool) {
	if !v.set || !v.typ.integer() {
		return 0, false
	}
	x := intAt(v.typ, v.raw, 0)
	return x, x >= 0 || v.typ != TypeUint64
}

// Float is a floating point number; integers do not count as such.
func (v Value) Float() (float64, bool) {
	switch {
	case v.set && v.typ == TypeFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.raw))), true
	case v.set && v.typ == TypeFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.raw)), true
	}
	return 0, false
}

// Strs is an array of strings, safe to keep: their bytes are one allocation.
func (v Value) Strs() ([]string, bool) {
	if !v.set || v.typ != TypeArray || v.elem != TypeString {
		return nil, false
	}
	out := make([]string, v.n)
	size, raw := 0, v.raw
	for range out {
		n := int(binary.LittleEndian.Uint64(raw))
		size, raw = size+n, raw[8+n:]
	}
	all := make([]byte, 0, size)
	raw = v.raw
	for i := range out {
		n := int(binary.LittleEndian.Uint64(raw))
		all = append(all, raw[8:8+n]...)
		out[i] = unsafe.String(unsafe.SliceData(all[len(all)-n:]), n)
		raw = raw[8+n:]
	}
	return out, true
}

// Ints is an array of any integer type; false where an element does not fit.
func (v Value) Ints() ([]int64, bool) {
	if !v.set || v.typ != TypeArray || !v.elem.integer() {
		return nil, false
	}
	out := make([]int64, v.n)
	for i := range out {
		out[i] = intAt(v.elem, v.raw, i)
		if out[i] < 0 && v.elem == TypeUint64 {
			return nil, false
		}
	}
	return out, true
}

// Floats is an array of float32, or of float64 rounded.
func (v Value) Floats() ([]float32, bool) {
	if !v.set || v.typ != TypeArray || v.elem != TypeFloat32 && v.elem != TypeFloat64 {
		return nil, false
	}
	out := make([]float32, v.n)
	for i := range out {
		out[i] = float32(v.float(i))
	}
	return out, true
}

// Bools is an array of bool.
func (v Value) Bools() ([]bool, bool) {
	if !v.set || v.typ != TypeArray || v.elem != TypeBool {
		return nil, false
	}
	out := make([]bool, v.n)
	for i := range out {
		out[i] = v.raw[i] != 0
	}
	return out, true
}

// float is element i of an array of floats.
func (v Value) float(i int) float64 {
	if v.elem == TypeFloat32 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.raw[4*i:])))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v.raw[8*i:]))
}

func (t ValueType) integer() bool {
	switch t {
	case TypeUint8, TypeInt8, TypeUint16, TypeInt16, TypeUint32, TypeInt32, TypeUint64, TypeInt64:
		return true
	}
	return false
}

// intAt is integer i of raw; a uint64 above the int64 range comes out negative.
func intAt(t ValueType, raw []byte, i int) int64 {
	raw = raw[i*t.size():]
	switch t {
	case TypeUint8:
		return int64(raw[0])
	case TypeInt8:
		return int64(int8(raw[0]))
	case TypeUint16:
		return int64(binary.LittleEndian.Uint16(raw))
	case TypeInt16:
		return int64(int16(binary.LittleEndian.Uint16(raw)))
	case TypeUint32:
		return int64(binary.LittleEndian.Uint32(raw))
	case TypeInt32:
		return int64(int32(binary.LittleEndian.Uint32(raw)))
	}
	return int64(binary.LittleEndian.Uint64(raw))
}

// MarshalJSON writes the value; a float that is not finite as a string.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.typ != TypeArray {
		return v.appendJSON(nil)
	}
	if v.elem == TypeString {
		s, _ := v.Strs()
		return json.Marshal(s)
	}
	out := []byte{'['}
	for i := range v.n {
		if i > 0 {
			out = append(out, ',')
		}
		out, _ = Value{typ: v.elem, raw: v.raw[i*v.elem.size():], set: true}.appendJSON(out)
	}
	return append(out, ']'), nil
}

func (v Value) appendJSON(out []byte) ([]byte, error) {
	switch {
	case !v.set:
		return append(out, "null"...), nil
	case v.typ == TypeString:
		s, err := json.Marshal(string(v.raw))
		return append(out, s...), err
	case v.typ == TypeBool:
		return strconv.AppendBool(out, v.raw[0] != 0), nil
	case v.typ == TypeUint64:
		return strconv.AppendUint(out, binary.LittleEndian.Uint64(v.raw), 10), nil
	case v.typ.integer():
		return strconv.AppendInt(out, intAt(v.typ, v.raw, 0), 10), nil
	}
	f, _ := v.Float()
	bits := 64
	if v.typ == TypeFloat32 {
		bits = 32
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.AppendQuote(out, strconv.FormatFloat(f, 'g', -1, bits)), nil
	}
	return strconv.AppendFloat(out, f, 'g', -1, bits), nil
}

// String is the value as JSON, for people: an array longer than 8 or a string
// longer than 200 bytes is cut and its length named.
func (v Value) String() string {
	const elems, chars = 8, 200
	if v.typ == TypeArray && v.n > elems {
		head := v
		head.n = elems
		return head.String() + "… (" + strconv.Itoa(v.n) + " " + v.elem.String() + ")"
	}
	if v.typ == TypeString && len(v.raw) > chars {
		return strconv.Quote(string(v.raw[:chars])) + "… (" + strconv.Itoa(len(v.raw)) + " bytes)"
	}
	b, err := v.MarshalJSON()
	if err != nil {
		return err.Error()
	}
	return string(b)
}
