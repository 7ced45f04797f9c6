package gguf

import (
	"encoding/binary"
	"iter"
)

// EachStr yields the strings of an array from the i-th on, without allocating:
// the bytes lie in the file, must not be changed and are valid until Close. It
// yields nothing for any other type.
func (v Value) EachStr(i int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if v.typ != TypeArray || v.elem != TypeString {
			return
		}
		raw := v.raw
		for k := 0; len(raw) >= 8; k++ {
			end := 8 + int(binary.LittleEndian.Uint64(raw))
			if k >= i && !yield(raw[8:end:end]) {
				return
			}
			raw = raw[end:]
		}
	}
}

// EachInt yields the elements of an array of any integer type; a uint64 above
// the int64 range comes out negative. It yields nothing for any other type.
func (v Value) EachInt() iter.Seq2[int, int64] {
	return func(yield func(int, int64) bool) {
		if v.typ != TypeArray || !v.elem.integer() {
			return
		}
		for i := range v.n {
			if !yield(i, intAt(v.elem, v.raw, i)) {
				return
			}
		}
	}
}

// StrBytes is the length of all strings of an array together, 0 for any other
// type.
func (v Value) StrBytes() int {
	if v.typ != TypeArray || v.elem != TypeString {
		return 0
	}
	return len(v.raw) - 8*v.n
}
